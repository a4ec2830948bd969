"""A plan against what a scan of the same datastack then finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.services.planning import PlanRequest, Prices, plan, plan_of_history
from app.services.scan_runners import HereRunner
from app.services.scanning import ScanRequest, scan
from connectome.errors import InputError
from proofreading.cost.edits import CostModel
from tests.scanned import small_tissue

for _package in ("cc3d", "edt", "numba", "pyarrow", "onnxruntime"):
    pytest.importorskip(_package, reason=f"{_package} is not installed")


def quiet(_label: str, _fraction: float | None) -> None:
    """Nobody looks."""


def test_a_plan_from_everything_is_near_what_a_scan_finds(tmp_path: Path) -> None:
    tissue = small_tissue(tmp_path / "datastack")
    found = scan(ScanRequest(str(tissue), tmp_path / "scan", judged=False), quiet, HereRunner())
    prices = Prices(cpu_hour=1.0, gpu_hour=0.0, gigabyte=10.0)
    request = PlanRequest(str(tissue), sample=200, judged=2, quick=True, prices=prices)
    planned = plan(request, quiet)
    # Pairs that meet along skeletons from both sides are one site in the end.
    assert found.sites <= planned.sites.value <= 1.3 * found.sites
    assert planned.sampled_blocks == planned.blocks
    assert planned.sites.low == pytest.approx(planned.sites.high)
    assert planned.gpu_hours.value == 0
    assert 0 < planned.cpu_hours.low <= planned.cpu_hours.value <= planned.cpu_hours.high
    cost = planned.cpu_hours.value + 10 * planned.gigabytes.value
    assert planned.money.value == pytest.approx(cost)
    voxels = 48 * 80 * 72
    assert planned.gigabytes.value > 8 * voxels / 1e9


def history(path: Path, objects: int) -> Path:
    rng = np.random.default_rng(2)
    lines = []
    root = 1
    for _ in range(objects):
        for _ in range(int(rng.negative_binomial(1, 0.06)) + 1):
            merge = bool(rng.random() < 0.7)
            after = [root + 1] if merge else [root + 1, -root]
            record = {"is_merge": merge, "before_root_ids": [root], "after_root_ids": after}
            lines.append(json.dumps(record))
            root += 1
        root += 1
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_history_is_scaled_with_an_interval_and_drawn(tmp_path: Path) -> None:
    figure = tmp_path / "figures" / "edits.png"
    file = history(tmp_path / "h.jsonl", 200)
    found = plan_of_history(file, CostModel(), population=10_000, figure=figure)
    assert found.population == 10_000
    assert found.total_edits.value == pytest.approx(10_000 * found.mean_edits.value)
    assert found.money.value == pytest.approx(2.0 * found.hours.value)
    assert found.hours.low < found.hours.value < found.hours.high
    assert found.tail.share > 0.1
    assert found.sample_sizes[-1].objects == found.objects
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_counts_by_object_are_a_history_too(tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    file.write_text(json.dumps({"merges": [4, 6], "splits": [1, 1]}))
    found = plan_of_history(file, CostModel(3600.0, 7200.0, 3.0), population=None, figure=None)
    # Two objects of five merges and a split of two hours each.
    assert found.hours.value == pytest.approx(2 * (5 + 2))
    assert found.money.value == pytest.approx(3.0 * 14)


def test_what_is_no_history_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="holds no edit history"):
        plan_of_history(file, CostModel(), population=None, figure=None)
