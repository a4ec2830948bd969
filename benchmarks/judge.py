"""Speed of the shipped judge: its network alone, and sites judged by the whole path."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.demo import ingested_demo, quiet
from benchmarks.measured import Measured

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.base import SiteJudge
    from inference.models.registry import ModelFolder
    from proofreading.catalogue import Catalogue

__all__ = ["judge_rows", "network_rows"]

THREADS = 2
BATCH = 32
ROUNDS = 3
"""How often each is measured, in turn, so that what else runs burdens all alike."""
_RATIO_GOAL = 3.0
SITES = 96
"""Of the demo, evenly among those that a task can be asked of."""
_TOGETHER = 8


def judge_rows(seconds: float = 2.0) -> Iterator[Measured]:
    """Measure the network of the bundled judge of pairs, and the judging of the demo's sites."""
    from inference.models.registry import find_model, list_models

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        session = Path(scratch) / "s.proofdesk"
        yield Measured("load before", os.getloadavg()[0], "", note="processes that want to run")
        for path, manifest in list_models():
            # Every bundled network of slices of pairs has the same layers; one stands for all.
            if manifest.pictures is not None:
                yield from network_rows(find_model(str(path)), seconds)
                break
        yield from _path_rows(Path(scratch) / "datastack", session)
        yield Measured("load after", os.getloadavg()[0], "", note="processes that want to run")


def network_rows(model: ModelFolder, seconds: float) -> Iterator[Measured]:
    """Measure a network of slices in ONNX, as it is shipped, and in eager PyTorch.

    The pictures are noise: their content changes no speed.
    """
    import numpy as np

    from inference.judges.onnx_tools import pictures_per_second
    from inference.models.manifest import InputContract

    contract = model.manifest.input
    assert isinstance(contract, InputContract)
    shape = (BATCH, len(contract.channels), contract.size_px, contract.size_px)
    shown = {"pictures": np.random.default_rng(0).random(shape, np.float32)}
    rates: dict[str, list[float]] = {"onnx": [], "eager": []}
    for _ in range(ROUNDS):
        each = seconds / ROUNDS
        onnx = pictures_per_second(model.weights, shown, threads=THREADS, seconds=each)
        rates["onnx"].append(onnx)
        eager = _eager(model, each)
        rates["eager"] += [] if eager is None else [eager]
    onnx_rate, torch_rate = (_best(rates[name]) for name in ("onnx", "eager"))
    note = f"{model.manifest.id}; {THREADS} threads, batches of {BATCH}; network only"
    yield Measured("network: ONNX, as shipped", onnx_rate, "pictures/s", n=ROUNDS, note=note)
    yield Measured(
        "network: eager PyTorch",
        torch_rate,
        "pictures/s",
        n=ROUNDS,
        note="float32, no gradients" if torch_rate else "torch is not here, or other layers",
    )
    ratio = None if onnx_rate is None or torch_rate is None else onnx_rate / torch_rate
    goal = f">= {_RATIO_GOAL:g}"
    ok = None if ratio is None else ratio >= _RATIO_GOAL
    yield Measured("network: ONNX / eager PyTorch", ratio, "", goal, ok, note="same run")


def _best(rates: list[float]) -> float | None:
    """Return the best round: what else runs only ever slows a round down."""
    return max(rates, default=None)


def _eager(model: ModelFolder, seconds: float) -> float | None:
    try:
        from inference.training.timing import eager_pictures_per_second
    except ImportError:
        return None
    return eager_pictures_per_second(
        model.manifest.parameters,
        model.manifest.picture_spec.em_spec().size_px,
        batch=BATCH,
        threads=THREADS,
        seconds=seconds,
    )


def _path_rows(out: Path, session: Path) -> Iterator[Measured]:
    """Measure every bundled judge on sites of the demo, from voxels to stored verdicts."""
    from app.services.detecting import detect_into
    from app.services.judging import load_panel
    from app.services.opening import open_session
    from connectome.opening import open_datastack

    ingested_demo(out)
    detect_into(str(out), session, report=quiet)
    datastack = open_datastack(str(out))
    try:
        with open_session(session, role="worker") as opened:
            for judge in load_panel().judges:
                yield from _judged_rows(judge, datastack, opened.catalogue)
    finally:
        datastack.close()


def _judged_rows(
    judge: SiteJudge, datastack: Datastack, catalogue: Catalogue
) -> Iterator[Measured]:
    from proofreading.catalogue_schema import kinds_for
    from proofreading.verdicts import Verdict

    task = judge.manifest.task
    every = [site for kind in kinds_for(task) for site in catalogue.sites(kind)]
    chosen = every[:: max(len(every) // SITES, 1)][:SITES]
    if not chosen:
        yield Measured(f"whole path: {task.value}", None, "sites/s", note="no such site")
        return
    judge.judge_sites(datastack, chosen[:1])
    begun = time.perf_counter()
    results = []
    for first in range(0, len(chosen), _TOGETHER):
        results += judge.judge_sites(datastack, chosen[first : first + _TOGETHER])
    catalogue.add_verdicts(results)
    passed = time.perf_counter() - begun
    said = sum(isinstance(result, Verdict) for result in results)
    note = f"{judge.manifest.id}; reading, cutting, judging, storing"
    yield Measured(
        f"whole path: {task.value}", len(chosen) / passed, "sites/s", n=len(chosen), note=note
    )
    yield Measured(f"whole path: {task.value}", said / passed, "verdicts/s", n=said)


def _quiet(message: str, done: float | None = None) -> None:
    del message, done
