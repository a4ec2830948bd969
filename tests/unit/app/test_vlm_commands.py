"""`train vlm` and `evaluate vlm` as a person runs them, with real pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")
pytest.importorskip("zmesh", reason="meshes need the extra `offline`")
pytest.importorskip("octarine", reason="views need the extra `render`")

import pyarrow.parquet as pq

from app.cli import app
from tests.slabs import slabs
from tests.tiny_vlm import write_tiny_vlm
from tests.unit.inference.test_vlm_task import toy_dataset


def _run(*words: str) -> dict[str, Any]:
    found = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert found.exit_code == 0, found.output
    (line,) = (line for line in found.stdout.splitlines() if line.startswith("{"))
    told: dict[str, Any] = json.loads(line)
    return told


def test_a_model_is_trained_resumed_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("connectome.opening.open_datastack", lambda _: slabs())
    base, data = write_tiny_vlm(tmp_path / "base"), toy_dataset(tmp_path / "data")
    common = ("--data", str(data), "--datastack", "slabs", "--json")
    training: tuple[str, ...] = (
        "train",
        "vlm",
        "--task",
        "split_error_correction",
        "--model",
        str(base),
        *common,
    )
    training = (*training, "--out", str(tmp_path / "out"), "--device", "cpu", "--size", "64")
    short = ("--batch", "2", "--gather", "1", "--every", "1", "--steps", "2")
    first = _run(*training, *short)
    assert first["task"] == "split_error_correction"
    assert first["training"]["pairs"] == 6
    again = _run(*training, *short)
    assert again["sha256"] == first["sha256"]

    table = tmp_path / "said.parquet"
    words = ("evaluate", "vlm", "--model", str(tmp_path / "out"), *common)
    found = _run(*words, "--votes", "1", "--answers", str(table))
    assert found["model"] == first["id"]
    assert found["same_dataset"] is True
    assert {one["condition"] for one in found["figures"]} >= {"as trained", "base model"}
    assert found["votes"]["draws"] == 1
    assert set(pq.read_table(table).column("label").to_pylist()) == {True, False}


def test_wrong_words_are_refused_in_a_sentence(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    words = ["train", "vlm", "--task", "split_error_correction", "--model", "x", "--data", "y"]
    words += ["--datastack", "z", "--out", out, "--target", "guess"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code != 0
    assert "no target 'guess'" in str(found.exception)
    assert not Path(out).exists()
