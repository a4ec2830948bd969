"""Runs that repeat themselves, go on where they stopped, and end in models a judge loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.errors import InputError, MachineError, StorageError
from inference.datasets.samples import Part

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("transformers", reason="training needs the extra `train`")
pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")

import torch

from inference.training.batches import Feeder, epoch_rows
from inference.training.devices import device_named
from inference.training.feature_cache import cached_features
from inference.training.run_config import RunConfig
from inference.training.runs import train_run
from inference.training.session import Session
from inference.training.tables import PictureTable
from inference.training.zoo.settings import Architecture
from tests.unit.inference.tables import TASKS, small_run, small_table

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table")
    small_table(path)
    return path


def _session(folder: Path, config: RunConfig) -> Session:
    return Session(config, Feeder(PictureTable.open(folder), config, CPU), folder / "features")


def _weights(session: Session) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in session.network.state_dict().items()}


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("architecture", [Architecture.RESNET_18, Architecture.VIT])
def test_a_resumed_run_ends_like_another_that_was_never_interrupted(
    folder: Path, tmp_path: Path, architecture: Architecture
) -> None:
    config = small_run(architecture, averaging=0.9)
    whole, again, stopped, resumed = (_session(folder, config) for _ in range(4))
    for session in (whole, again):
        while not session.finished:
            session.one_epoch()
    stopped.one_epoch()
    stopped.save(tmp_path / "checkpoint.pt")
    resumed.load(tmp_path / "checkpoint.pt")
    while not resumed.finished:
        resumed.one_epoch()
    assert _equal(_weights(whole), _weights(again))
    assert _equal(_weights(whole), _weights(resumed))
    assert whole.history == resumed.history
    for session in (whole, resumed):
        session.take_best()
    assert _equal(_weights(whole), _weights(resumed))
    assert not _equal(_weights(whole), _weights(_session(folder, small_run(architecture, seed=7))))


def test_a_run_leaves_a_model_for_each_task_and_everything_about_it(
    folder: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    config = small_run(Architecture.VIT, tasks=TASKS, patience=3)
    models = train_run(config, folder, tmp_path, lines.append)
    assert [model.manifest.task for model in models] == list(TASKS)
    assert models[0].path == tmp_path / TASKS[0].value
    contract: Any = models[0].manifest.input
    assert contract.geometry.geometry_spec() == PictureTable.open(folder).card.geometry
    assert models[0].manifest.picture_spec.em_spec().size_px == 16
    run = json.loads((tmp_path / "config.json").read_text())
    assert run["pictures_sha256"] == PictureTable.open(folder).sha256
    assert run["settings"]["seed"] == config.seed
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1, 2, 3]
    assert metrics["tasks"][TASKS[0].value]["test"]["n"] == 32
    assert list((tmp_path / "logs").glob("events.*"))
    assert lines[1].startswith("epoch 1 of 3")
    with pytest.raises(StorageError, match="other settings"):
        train_run(small_run(Architecture.VIT), folder, tmp_path)


def test_one_task_of_slices_is_what_the_judge_of_pairs_loads(folder: Path, tmp_path: Path) -> None:
    from inference.judges.onnx import OnnxJudge

    config = small_run(inputs=("em",), epochs=8, learning_rate=0.1)
    (model,) = train_run(config, folder, tmp_path)
    assert model.path == tmp_path
    assert OnnxJudge(model, threads=1).manifest.labels == ("two neurons", "one neuron")
    # A yes is brighter in these pictures, so that a network that learns at all sees it.
    test = json.loads((tmp_path / "metrics.json").read_text())["tasks"][TASKS[0].value]["test"]
    assert test["auc"][0] > 0.9
    before = model.weights.read_bytes()
    (again,) = train_run(config, folder, tmp_path)
    assert again.weights.read_bytes() == before


def test_a_frozen_encoder_sees_each_picture_once(folder: Path, tmp_path: Path) -> None:
    config = small_run(Architecture.SIGLIP_PROBE, learning_rate=0.05)
    session = _session(folder, config)
    before = _weights(session)
    session.one_epoch()
    after = _weights(session)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith("trunk.") for name in changed)
    trunk, feeder = session.network.trunk, session.feeder
    first = cached_features(trunk, feeder, tmp_path)
    stamp = [path.stat().st_mtime_ns for path in tmp_path.iterdir()]
    np.testing.assert_array_equal(cached_features(trunk, feeder, tmp_path), first)
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == stamp
    batch = feeder.read(np.arange(5))
    with torch.inference_mode():
        direct = trunk(batch.pictures, batch.geometry).numpy()
    np.testing.assert_allclose(first[:5], direct, atol=1e-5)


def test_classes_are_balanced_in_training_and_every_row_has_its_turn() -> None:
    rows = np.arange(100, 200)
    labels = np.zeros((100, 1), np.int8)
    labels[:10] = 1
    seen = set()
    for epoch in range(12):
        drawn = epoch_rows(rows, labels, "classes", np.random.default_rng([1, epoch]))
        assert len(drawn) == 100
        assert (drawn < 110).sum() == 50
        seen |= set(drawn.tolist())
    assert seen == set(rows.tolist())
    natural = epoch_rows(rows, labels, "natural", np.random.default_rng(0))
    assert sorted(natural.tolist()) == rows.tolist()


def test_validation_is_never_resampled(folder: Path) -> None:
    session = _session(folder, small_run())
    rows = PictureTable.open(folder).rows(Part.VALIDATION)
    np.testing.assert_array_equal(session.rows[Part.VALIDATION], rows)
    answers = session.answers(session.rows[Part.VALIDATION])
    np.testing.assert_array_equal(answers.labels[:, 0], PictureTable.open(folder).labels[rows, 0])


def test_settings_are_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text('{"tasks": ["split_error_correction"], "network": {"architecture": "vit"}}')
    config = RunConfig.from_file(path)
    assert (config.batch, config.weight_decay, config.learning_rate) == (256, 0.05, 1e-4)
    assert config.network.architecture is Architecture.VIT
    assert RunConfig(config.tasks, batch=64).optimizer.learning_rate == 5e-5
    path.write_text('{"tasks": ["split_error_correction"], "epoch": 3}')
    with pytest.raises(InputError, match="epoch"):
        RunConfig.from_file(path)
    with pytest.raises(InputError, match="cannot be read"):
        RunConfig.from_file(tmp_path / "none.json")


def test_a_device_that_is_not_there_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_named("auto").type == "cpu"
    with pytest.raises(MachineError, match="no NVIDIA GPU"):
        device_named("cuda")
    with pytest.raises(MachineError, match="no device 'tpu'"):
        device_named("tpu")


def test_what_a_table_does_not_know_is_refused(folder: Path, tmp_path: Path) -> None:
    from proofreading.verdicts import Task

    table = PictureTable.open(folder)
    with pytest.raises(InputError, match="know no answer"):
        Feeder(table, small_run(tasks=(Task.PARTNER_CHOICE,)), CPU)
    with pytest.raises(InputError, match="holds no table"):
        PictureTable.open(tmp_path)
