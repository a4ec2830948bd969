"""Tables of decisions: whole, exact, readable again."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectome.errors import InputError, StorageError
from proofreading.catalogue import Catalogue
from proofreading.decisions import Answer
from proofreading.edits import EditState
from proofreading.export.merges import queue_merges
from proofreading.export.tables import (
    COLUMNS,
    DecisionRow,
    decision_rows,
    read_json,
    write_csv,
    write_json,
)
from proofreading.ledger.events import DecisionMade, EditChanged
from proofreading.ledger.store import Ledger
from tests.unit.ledger.build import BIG, a_decision, a_site, a_verdict


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[list[DecisionRow]]:
    with (
        Ledger.open(tmp_path / "l.sqlite") as ledger,
        Catalogue.open(tmp_path / "c.sqlite") as catalogue,
    ):
        catalogue.add_sites([a_site(1), a_site(2)])
        catalogue.add_verdicts([a_verdict(1, 0.9), a_verdict(1, 0.95, partner=BIG + 101)])
        ledger.append(DecisionMade(a_decision(1, site=1)))
        ledger.append(DecisionMade(a_decision(2, site=2, answer=Answer.LATER, partner=None)))
        (edit,) = queue_merges(ledger, catalogue.site)
        ledger.append(EditChanged(edit.id, EditState.COMMITTED, 2**60 + 1, (BIG + 9,)))
        yield list(decision_rows(ledger.state, catalogue))


def test_rows_hold_site_verdict_of_the_same_pair_and_edit(rows: list[DecisionRow]) -> None:
    first, second = rows
    assert (first.site, first.verdict) == (a_site(1), a_verdict(1, 0.9))
    assert first.partner == a_site(1).partners[0]
    assert first.edit is not None
    assert first.edit.operation_id == 2**60 + 1
    assert (second.verdict, second.partner, second.edit) == (None, None, None)


def test_json_comes_back_as_it_was(rows: list[DecisionRow], tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    assert write_json(path, rows, datastack_name="offline_a") == 2
    assert read_json(path) == rows
    document = json.loads(path.read_text())
    assert document["datastack"] == "offline_a"
    assert document["decisions"][0]["edit"]["operation_id"] == str(2**60 + 1)
    assert largest_number(document) < 2**53


def largest_number(value: object) -> float:
    if isinstance(value, dict):
        return max(map(largest_number, value.values()), default=0)
    if isinstance(value, list):
        return max(map(largest_number, value), default=0)
    return float(value) if isinstance(value, int | float) else 0


def test_csv_has_a_line_for_each_decision(rows: list[DecisionRow], tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    assert write_csv(path, rows) == 2
    with path.open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert first["root"] == str(BIG + 1)
    assert first["edit_state"] == "committed"
    assert first["operation_id"] == str(2**60 + 1)
    assert first["reason"] == rows[0].decision.reason
    assert (second["answer"], second["edit_state"], second["probability"]) == ("later", "", "")


def test_a_failed_write_keeps_the_older_table(rows: list[DecisionRow], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_csv(tmp_path / "absent" / "d.csv", rows)


@pytest.mark.parametrize("text", ["", "[]", "{}", "1"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no table"):
        read_json(path)


def test_a_newer_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('{"schema_version": 9, "decisions": []}')
    with pytest.raises(InputError, match="newer"):
        read_json(path)
