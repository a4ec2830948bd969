"""Data sets by the use-cases that the command line calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectome.errors import InputError
from tests.data import shared_data

pytest.importorskip("pyarrow", reason="data sets need the extra `train` or `offline`")

from app.services.datasets import checked, export_set, import_set
from inference.datasets.formats.base import Format


def test_edits_of_others_come_in_are_checked_and_go_out(tmp_path: Path) -> None:
    told = import_set(
        shared_data("microns_split_operations.json"), tmp_path / "set", dataset="minnie65_public"
    )
    assert told.samples == 632
    assert told.synthetic == 0
    parts = [n for name, n in told.by_task.items() if name.startswith("merge_error_identif")]
    assert sum(parts) == 158
    assert checked(tmp_path / "set", again=True).leaks == ()
    assert checked(tmp_path / "set", again=False).sha256 == told.sha256
    written = export_set(tmp_path / "set", tmp_path / "bank.jsonl", Format.OPERATION_BANK)
    assert written.written == 632
    lines = (tmp_path / "bank.jsonl").read_text().splitlines()
    assert not any("user" in json.loads(line) for line in lines)


def test_what_is_no_data_set_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        checked(tmp_path, again=False)
