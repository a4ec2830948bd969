"""The ledger file: append-only, durable, shared, versioned."""

from __future__ import annotations

import sqlite3
from datetime import UTC
from pathlib import Path

import pytest

from connectome.errors import SessionError, StorageError
from connectome.graph import GraphPoint
from proofreading.decisions import Answer
from proofreading.edits import EditState, Reason, SplitEdit, VerdictRow
from proofreading.ledger.events import (
    CursorMoved,
    DecisionMade,
    DecisionRestored,
    DecisionWithdrawn,
    EditChanged,
    EditQueued,
    EditReleased,
    Event,
    NoteAdded,
    RowIntended,
    RowSettled,
    SessionStarted,
    UndoSubmitted,
    UnknownEvent,
)
from proofreading.ledger.store import Ledger
from tests.fakes import FakeClock
from tests.unit.ledger.build import BIG, a_decision, a_merge

POINT = GraphPoint(BIG, (1.0, 2.0, 3.0))
EVERY_EVENT: list[Event] = [
    SessionStarted("ann", "desk", "0.1"),
    DecisionMade(a_decision(1)),
    DecisionMade(a_decision(2, answer=Answer.LATER, partner=None)),
    DecisionWithdrawn("decision-2"),
    DecisionRestored("decision-2"),
    CursorMoved("00ff"),
    CursorMoved(None),
    NoteAdded("00ff", "ann", "odd \u2028 place"),
    EditQueued(a_merge(1, BIG, BIG + 1, (BIG + 2, BIG + 3))),
    EditQueued(SplitEdit("e2", "decision-2", "00ff", (POINT,), (POINT, POINT), BIG + 9)),
    EditChanged("edit-1", EditState.COMMITTED, 2**63, (BIG + 7,), "done", (BIG, BIG + 1)),
    EditChanged(
        "edit-1", EditState.CONFLICT, reason=Reason.WARNED, warnings=("somata",), rebased=True
    ),
    EditReleased("edit-1", "ann", (BIG + 4, BIG + 5), ("somata",)),
    UndoSubmitted("edit-1", (BIG + 6,)),
    RowIntended(VerdictRow("edit-1", "t", "bound_2tag", "a", ((1.0, 2.0, 3.0),) * 2, "k")),
    RowIntended(VerdictRow("e2", "t", "bound_tag_valid", "b", ((1.0, 2.0, 3.0),), root=BIG)),
    RowSettled("k", 2**60),
    RowSettled("b", None, "refused"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def test_every_event_comes_back_as_it_was_written(path: Path) -> None:
    with Ledger.open(path) as ledger:
        numbers = [ledger.append(event) for event in EVERY_EVENT]
    with Ledger.open(path, read_only=True) as ledger:
        entries = list(ledger.events())
    assert numbers == list(range(1, len(EVERY_EVENT) + 1))
    assert [entry.event for entry in entries] == EVERY_EVENT
    assert all(entry.at.utcoffset() == UTC.utcoffset(None) for entry in entries)


def test_ids_are_strings_in_the_file(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_all(EVERY_EVENT)
    rows = sqlite3.connect(path)
    bodies = " ".join(row[0] for row in rows.execute("SELECT body FROM events"))
    rows.close()
    assert f'"supervoxel":"{BIG}"' in bodies
    assert f'"partner_supervoxel":"{BIG + 100}"' in bodies
    assert f'"expected_roots":["{BIG + 2}","{BIG + 3}"]' in bodies
    assert f":{BIG}" not in bodies
    assert f"[{BIG}" not in bodies


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = '{}' WHERE number = 1",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events VALUES (1, '', 'cursor_moved', '{}')",
        "INSERT INTO events VALUES (77, '', 'cursor_moved', '{}')",
    ],
)
def test_nobody_changes_or_removes_an_event(path: Path, statement: str) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_all(EVERY_EVENT)
    other = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)
    other.close()


def test_events_after_a_number(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_all(CursorMoved(str(i)) for i in range(5000))
        assert [entry.number for entry in ledger.events(4997)] == [4998, 4999, 5000]
        assert sum(1 for _ in ledger.events()) == 5000


def test_append_only_if_asks_the_newest_state(path: Path) -> None:
    with Ledger.open(path) as one, Ledger.open(path) as two:
        one.append(CursorMoved("here"))
        assert two.append(CursorMoved("there"), only_if=lambda s: s.cursor != "here") is None
        assert two.append(CursorMoved("there"), only_if=lambda s: s.cursor == "here") == 2
        assert one.refresh() == 2
        assert one.state == two.state


def test_a_reader_follows_a_writer_and_cannot_write(path: Path) -> None:
    with Ledger.open(path) as writer, Ledger.open(path, read_only=True) as reader:
        writer.append(DecisionMade(a_decision(1)))
        assert reader.state.decided == 0
        reader.refresh()
        assert reader.state.decided == 1
        with pytest.raises(SessionError, match="reading only"):
            reader.append(CursorMoved("x"))


def test_a_newer_ledger_opens_only_for_reading(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(DecisionMade(a_decision(1)))
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.execute("INSERT INTO events VALUES (2, '2030-01-01T00:00:00+00:00', 'dreamt', '{}')")
    newer.execute(
        "INSERT INTO events VALUES (3, '2030-01-01T00:00:00+00:00', 'cursor_moved', '{\"to\":1}')"
    )
    newer.commit()
    newer.close()
    with pytest.raises(SessionError, match="newer Proofdesk") as caught:
        Ledger.open(path)
    assert "read-only" in caught.value.hint
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.state.decided == 1
        assert ledger.state.unknown_events == 2
        assert next(iter(ledger.events(1))).event == UnknownEvent("dreamt")


def test_a_ledger_of_the_first_version_is_opened_and_closed_to_older_programs(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(EditQueued(a_merge(1, BIG, BIG + 1)))
    older = sqlite3.connect(path)
    older.execute("PRAGMA user_version = 1")
    body = '{"edit_id":"edit-1","state":"conflict","message":"old"}'
    older.execute(
        "INSERT INTO events VALUES (2, '2020-01-01T00:00:00+00:00', 'edit_changed', ?)", [body]
    )
    body = '{"edit_id":"edit-1"}'
    older.execute(
        "INSERT INTO events VALUES (3, '2020-01-01T00:00:00+00:00', 'undo_submitted', ?)", [body]
    )
    older.commit()
    with Ledger.open(path, read_only=True) as ledger:
        assert ledger.state.edits()[0].message == "old"
    assert older.execute("PRAGMA user_version").fetchone() == (1,)
    with Ledger.open(path) as ledger:
        (record,) = ledger.state.edits(EditState.CONFLICT)
        assert (record.reason, record.held) == (Reason.NONE, False)
        sent = ledger.state.undo_sent("edit-1")
        assert sent is not None
        assert sent.roots == ()
    assert older.execute("PRAGMA user_version").fetchone() == (2,)
    older.close()


def test_a_damaged_file_is_named(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(SessionError, match="damaged"):
        Ledger.open(path)


def test_a_missing_file_is_not_made_for_reading(path: Path) -> None:
    with pytest.raises(SessionError, match="does not exist"):
        Ledger.open(path, read_only=True)
    assert not path.exists()


def fill(ledger: Ledger) -> None:
    for number in range(1, 1000):
        ledger.append(DecisionMade(a_decision(number, site=number)))


def test_a_full_disk_loses_nothing_and_the_ledger_goes_on(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(DecisionMade(a_decision(0, site=0)))
        pages = ledger._db.execute("PRAGMA page_count").fetchone()[0]
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StorageError, match="disk is full"):
            fill(ledger)
        written = ledger.state.last_number
        assert 1 < written < 1000
        assert ledger.state.decided == written
        ledger._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
        assert ledger.append(CursorMoved("on")) == written + 1
        live = ledger.state
        with Ledger.open(path, read_only=True) as again:
            assert again.state == live


def test_the_clock_stamps_events(path: Path) -> None:
    clock = FakeClock()
    with Ledger.open(path, clock=clock) as ledger:
        ledger.append(CursorMoved("a"))
        clock.wait(60)
        ledger.append(CursorMoved("b"))
        first, second = ledger.events()
    assert (second.at - first.at).total_seconds() == 60


def test_a_body_that_is_no_event_is_reported(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(CursorMoved("a"))
    other = sqlite3.connect(path)
    other.execute(
        "INSERT INTO events VALUES (2, '2030-01-01T00:00:00+00:00', 'decision_made', '{}')"
    )
    other.commit()
    other.close()
    with pytest.raises(SessionError, match="DecisionMade cannot be read"):
        Ledger.open(path)
