"""The second copy of a ledger: complete after every event, and enough to begin anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import SessionError
from proofreading.ledger.copy import Header, LedgerCopy, Row, read_copy
from proofreading.ledger.events import DecisionMade
from proofreading.ledger.store import Ledger
from proofreading.session import Session
from proofreading.session_recovery import kept_copies, recover
from tests.unit.ledger.build import a_decision


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "monday.proofdesk"


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return tmp_path / "copies"


def decided(folder: Path, copies: Path, numbers: range) -> None:
    with Session.open(
        folder, datastack_name="d", datastack_address="/data/d", copies=copies
    ) as session:
        for number in numbers:
            session.ledger.append(DecisionMade(a_decision(number, site=number)))


def the_copy(copies: Path) -> Path:
    (path,) = copies.glob("*.jsonl")
    return path


def state_of(folder: Path) -> tuple[int, set[str]]:
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        state = ledger.state
        return state.last_number, {d.id for d in state.decisions()}


def test_every_event_is_in_both(folder: Path, copies: Path) -> None:
    with Session.open(
        folder, datastack_name="d", datastack_address="/data/d", copies=copies
    ) as session:
        session.ledger.append(DecisionMade(a_decision(1)))
        # Read while the session is open: a crash now would lose nothing.
        header, rows = read_copy(the_copy(copies))
        assert rows == list(session.ledger.rows())
        assert header.session_id == session.info.id
        assert header.folder == str(folder)
    decided(folder, copies, range(2, 5))
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        assert read_copy(the_copy(copies))[1] == list(ledger.rows())


def test_a_copy_that_fell_behind_catches_up(folder: Path, copies: Path) -> None:
    decided(folder, copies, range(1, 3))
    path = the_copy(copies)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:2]) + '[3, "torn')
    decided(folder, copies, range(3, 4))
    with Ledger.open(folder / "ledger.sqlite", read_only=True) as ledger:
        assert read_copy(path)[1] == list(ledger.rows())


@pytest.mark.parametrize("harm", ["delete", "damage", "older"])
def test_what_a_ledger_lost_is_noticed_and_brought_back(
    folder: Path, copies: Path, harm: str
) -> None:
    decided(folder, copies, range(1, 3))
    ledger = folder / "ledger.sqlite"
    old = ledger.read_bytes()
    decided(folder, copies, range(3, 40))
    whole = state_of(folder)
    for extra in folder.glob("ledger.sqlite-*"):
        extra.unlink()
    if harm == "delete":
        ledger.unlink()
    elif harm == "damage":
        ledger.write_bytes(ledger.read_bytes()[:2000] + b"\xff" * 3000)
    else:
        ledger.write_bytes(old)
    with pytest.raises(SessionError) as caught:
        decided(folder, copies, range(40, 41))
    assert caught.value.hint
    before = {path for path in folder.rglob("*") if path.is_file()}
    done = recover(folder, copies)
    assert state_of(folder) == whole
    assert done.events_after == whole[0]
    assert (Path(done.put_aside) / "ledger.sqlite").exists()
    # Nothing was deleted: what was there is there still, perhaps in another place.
    after = [path.name for path in folder.rglob("*") if path.is_file()]
    assert all(path.name in after for path in before)
    decided(folder, copies, range(50, 51))
    assert "decision-50" in state_of(folder)[1]


def test_a_session_that_is_gone_altogether(folder: Path, copies: Path) -> None:
    decided(folder, copies, range(1, 5))
    whole = state_of(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    (kept,) = kept_copies(copies)
    assert (kept.folder, kept.events) == (str(folder), whole[0])
    recover(folder, copies)
    assert state_of(folder) == whole


def test_two_histories_are_not_mixed(folder: Path, copies: Path, tmp_path: Path) -> None:
    decided(folder, copies, range(1, 5))
    path = the_copy(copies)
    lines = path.read_text().splitlines(keepends=True)
    changed = json.loads(lines[2])
    changed[3] = changed[3].replace("decision-1", "decision-9")
    path.write_text("".join([*lines[:2], json.dumps(changed) + "\n", *lines[3:]]))
    with pytest.raises(SessionError, match="different stories"):
        recover(folder, copies)
    # Opening goes on with the ledger, and keeps the strange copy.
    decided(folder, copies, range(5, 6))
    assert len(list(copies.glob("*.older-1.jsonl"))) == 1
    with pytest.raises(SessionError, match="no second copy"):
        recover(tmp_path / "other.proofdesk", copies)


def test_a_full_disk_for_the_copy_holds_no_answer_up(
    folder: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session.open(
        folder, datastack_name="d", datastack_address="/data/d", copies=copies
    ) as session:
        the_copy(copies)
        copy = session.ledger._copy
        assert copy is not None
        copy._file.close()
        monkeypatch.setattr(copy, "_file", Path("/dev/full").open("a"))  # noqa: SIM115
        session.ledger.append(DecisionMade(a_decision(7)))
        assert "decision-7" in {d.id for d in session.ledger.state.decisions()}
        assert "No space left" in session.ledger.copy_problem


def test_an_open_session_is_not_recovered(folder: Path, copies: Path) -> None:
    with (
        Session.open(folder, datastack_name="d", datastack_address="/data/d", copies=copies),
        pytest.raises(SessionError, match="open already"),
    ):
        recover(folder, copies)


rows = st.lists(
    st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=20)), max_size=6
)


@settings(max_examples=60, deadline=None)
@given(rows=rows, cut=st.integers(0, 400))
def test_cut_anywhere_it_is_a_beginning(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], cut: int
) -> None:
    path = tmp_path_factory.mktemp("copy") / "c.jsonl"
    known: list[Row] = [(i, *each) for i, each in enumerate(rows, 1)]
    header = Header("id", "folder", {"a": 1})
    LedgerCopy(path, header, known).close()
    content = path.read_bytes()
    begin = len(header.line().encode())
    path.write_bytes(content[: max(begin, len(content) - cut)])
    found = read_copy(path)[1]
    assert found == known[: len(found)]
    LedgerCopy(path, header, known).close()
    assert path.read_bytes() == content
