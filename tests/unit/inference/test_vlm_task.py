"""`train vlm`: from a data set of a datastack to a model folder that a judge is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")
pytest.importorskip("zmesh", reason="meshes need the extra `offline`")

from connectome.errors import InputError, StorageError
from inference.datasets.samples import Origin, Part, Sample
from inference.datasets.store import Dataset, Row, write_dataset
from inference.judges.registry import site_judge
from inference.judges.vlm.folder import LanguageSpec
from inference.judges.vlm.judge import VlmJudge
from inference.judges.vlm.stored import PIECES, Showing
from inference.models.registry import find_model
from inference.training.vlm.examples import Target
from inference.training.vlm.material import Asking, examples_of, read_rationales
from inference.training.vlm.run import STATE, VlmTraining
from inference.training.vlm.specs import Pictured, spec_for, target_named
from inference.training.vlm.task import train_vlm
from proofreading.verdicts import Task, Verdict
from tests.arrays import ArrayDatastack
from tests.language_models import SMALL_EM, SMALL_VIEWS, FlatViews
from tests.slabs import slab_sites, slabs
from tests.tiny_vlm import write_tiny_vlm

TASK = Task.SPLIT_ERROR_CORRECTION
SETTINGS = VlmTraining(steps=4, batch=2, gather=1, learning_rate=1e-3, every=2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_vlm(tmp_path_factory.mktemp("base")))


@pytest.fixture
def stack() -> Iterator[ArrayDatastack]:
    made = slabs()
    yield made
    made.close()


def _sample(number: int, label: bool, segments: tuple[int, ...], **more: object) -> Sample:
    return Sample(
        id=f"{number:016x}",
        task=TASK,
        dataset="offline_arrays",
        origin=Origin.TRUTH,
        strategy="touching segments",
        label=label,
        synthetic=False,
        point_nm=(240.0 if segments[0] == 11 else 400.0, 320.0, 250.0 + 10 * number),
        segments=segments,
        **more,  # type: ignore[arg-type]
    )


def toy_dataset(folder: Path, *, reasons: bool = False) -> Path:
    """Write six questions to train on, four to validate on and two to test with."""
    rows = []
    for number in range(12):
        part = Part.TRAIN if number < 6 else Part.VALIDATION if number < 10 else Part.TEST
        pair = (11, 12) if number % 2 else (12, 13)
        notes = {"rationale": "They line up."} if reasons and number == 1 else {}
        rows.append(Row(_sample(number, bool(number % 2), pair, notes=notes), part))
    piece = _sample(14, True, (12, 13), notes={"segmentation": "watershed"})
    rows.append(Row(piece, Part.TRAIN))
    gone = _sample(12, True, (11, 99))
    lone = _sample(13, True, (11,))
    write_dataset(folder, Dataset.of("toy", [*rows, Row(gone, Part.TRAIN), Row(lone, Part.TRAIN)]))
    return folder


def _asking(base: str, cache: Path, *, analysis: bool = False) -> Asking:
    spec = LanguageSpec(
        TASK, base, SMALL_VIEWS, SMALL_EM, analysis=analysis, most_tokens=12, device="cpu"
    )
    return Asking(Showing(spec, cache, views=FlatViews()))


def _with(asking: Asking, **changes: object) -> Asking:
    return replace(asking, showing=replace(asking.showing, **changes))  # type: ignore[arg-type]


def test_a_trained_folder_is_a_judge_and_says_what_it_was_made_of(
    base: str, stack: ArrayDatastack, tmp_path: Path
) -> None:
    data = toy_dataset(tmp_path / "data")
    told: list[str] = []
    asking = _asking(base, tmp_path / "pictures")
    made = train_vlm(data, stack, tmp_path / "out", asking, SETTINGS, told.append)
    assert any(line.startswith("step 4:") for line in told)

    folder = find_model(str(made.path))
    manifest = folder.manifest
    assert manifest.task is TASK
    assert manifest.training.pairs == 6
    assert manifest.calibration.id == "uncalibrated"
    assert manifest.metrics["validation_answers"] == 4
    assert manifest.parameters > 0
    config = json.loads((tmp_path / "out" / "run" / "config.json").read_text())
    assert config["test_indices"] == [0, 1]  # rows are sorted by part
    judge = site_judge(folder)
    assert isinstance(judge, VlmJudge)
    judge.close()
    shown = VlmJudge(folder, views=FlatViews())
    try:
        assert all(isinstance(v, Verdict) for v in shown.judge_sites(stack, slab_sites()))
    finally:
        shown.close()


def test_it_goes_on_where_it_was_cut_off_and_draws_nothing_twice(
    base: str, stack: ArrayDatastack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy_dataset(tmp_path / "data")
    asking = _asking(base, tmp_path / "pictures")
    whole = train_vlm(data, stack, tmp_path / "whole", asking, SETTINGS)

    from inference.training.vlm import run

    saved = run._Run._save

    def cut(self: run._Run, found: float) -> None:
        saved(self, found)
        if self.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(run._Run, "_save", cut)
    with pytest.raises(KeyboardInterrupt):
        train_vlm(data, stack, tmp_path / "cut", asking, SETTINGS)
    monkeypatch.setattr(run._Run, "_save", saved)
    assert (tmp_path / "cut" / "run" / STATE).is_file()

    class Nothing(FlatViews):
        def draw(self, surfaces: object, spec: object) -> dict[str, np.ndarray]:
            raise AssertionError

    again = train_vlm(data, stack, tmp_path / "cut", _with(asking, views=Nothing()), SETTINGS)
    assert again.manifest.sha256 == whole.manifest.sha256
    assert again.manifest.id == whole.manifest.id


def test_other_pictures_or_data_are_another_run(
    base: str, stack: ArrayDatastack, tmp_path: Path
) -> None:
    data = toy_dataset(tmp_path / "data")
    asking = _asking(base, tmp_path / "pictures")
    train_vlm(data, stack, tmp_path / "out", asking, SETTINGS)
    wider = replace(asking.spec, render=replace(SMALL_VIEWS, half_extent_nm=250.0))
    with pytest.raises(StorageError, match="other settings or data"):
        train_vlm(data, stack, tmp_path / "out", _with(asking, spec=wider), SETTINGS)


def test_what_cannot_be_shown_is_left_out_and_counted(
    base: str, stack: ArrayDatastack, tmp_path: Path
) -> None:
    from inference.datasets.store import read_dataset

    dataset = read_dataset(toy_dataset(tmp_path / "data"))
    asking = _asking(base, tmp_path / "pictures")
    found = examples_of(dataset, Part.TRAIN, stack, asking, lambda _: None)
    assert len(found.examples) == 6
    assert found.left_out.total() == 3
    assert found.left_out[PIECES] == 1
    few = examples_of(dataset, Part.TRAIN, stack, _with(asking, most=6), lambda _: None)
    assert len(few.examples) == 6
    assert any("2 segment(s), but 1" in reason for reason in found.left_out)
    pictures = found.examples[0].pictures()
    assert [picture.shape for picture in pictures] == [(96, 96, 3)] * 6
    other = _with(asking, spec=replace(asking.spec, task=Task.SPLIT_ACTION_EVALUATION))
    with pytest.raises(InputError, match="cannot be shown"):
        examples_of(dataset, Part.TRAIN, stack, other, lambda _: None)
    stack.name = "elsewhere"
    with pytest.raises(InputError, match="not about elsewhere"):
        examples_of(dataset, Part.TRAIN, stack, asking, lambda _: None)


def test_reasons_come_from_the_samples_or_a_file_and_are_never_made_up(
    base: str, stack: ArrayDatastack, tmp_path: Path
) -> None:
    data = toy_dataset(tmp_path / "data")
    learnt = replace(SETTINGS, target=Target(rationale=True), steps=2)
    asking = _asking(base, tmp_path / "pictures", analysis=True)
    with pytest.raises(InputError, match="reasons that could be learnt"):
        train_vlm(data, stack, tmp_path / "none", asking, learnt)
    lines = tmp_path / "reasons.jsonl"
    lines.write_text(json.dumps({"id": f"{1:016x}", "rationale": "They line up."}) + "\n")
    reasons, sha256 = read_rationales(lines)
    given = replace(asking, rationales=reasons, rationales_sha256=sha256)
    made = train_vlm(data, stack, tmp_path / "file", given, learnt)
    contract = made.manifest.input
    assert contract.kind == "language"
    assert contract.analysis
    assert given.sha256 != asking.sha256
    lines.write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        read_rationales(lines)


def test_enough_answers_calibrate_it(base: str, stack: ArrayDatastack, tmp_path: Path) -> None:
    rows = [Row(_sample(n, bool(n % 2), (11, 12)), Part.TRAIN) for n in range(4)]
    pairs = ((11, 12), (12, 13))
    rows += [Row(_sample(n, bool(n % 2), pairs[n % 2]), Part.VALIDATION) for n in range(4, 44)]
    near = [
        replace(row, sample=replace(row.sample, point_nm=(240.0, 320.0, 320.0))) for row in rows
    ]
    write_dataset(tmp_path / "data", Dataset.of("toy", near))
    asking = _asking(base, tmp_path / "pictures")
    made = train_vlm(tmp_path / "data", stack, tmp_path / "out", asking, SETTINGS)
    assert made.manifest.calibration.samples == 40
    assert made.manifest.calibration.held_out == "the validation part of the data set"


def test_specs_follow_the_datastack(stack: ArrayDatastack) -> None:
    spec = spec_for(stack, TASK, "some/model", Pictured(128), reasons=True, device="cpu")
    assert (spec.render.size_px, spec.base, spec.analysis) == (128, "some/model", True)
    assert spec.em is not None
    assert spec.em.size_px == 128
    assert spec_for(stack, TASK, "m", Pictured(slices=False)).em is None
    assert spec_for(slabs(em=False), TASK, "m", Pictured()).em is None
    assert target_named("dropout").dropout == 0.5
    with pytest.raises(InputError, match="no target"):
        target_named("guess")
