"""Edit histories are imported completely, once each, whatever the server does meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.services.history import HistorySummary, import_history, read_roots
from connectome.cave import CaveGraph, connect, transport
from connectome.cave.history import CaveHistory, RootHistory
from connectome.cave.history_file import HistoryFile, read_history
from connectome.cave.operations import HistoryOperation
from connectome.cave.pace import Pace
from connectome.errors import AuthError, DatastackError, InputError, OfflineError, ServiceError
from connectome.graph import GraphPoint, MergeRequest
from connectome.offline.datastack import OfflineDatastack
from tests.contract.faults import NAME, Answer, FaultServer, drop, in_turn, say
from tests.contract.past import BIG, Past, change_row
from tests.contract.volumes import tube_point
from tests.data import shared_data

TOKEN = "0123456789abcdef" * 2
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Moves only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(server: FaultServer, clock: Clock) -> Iterator[CaveHistory]:
    graph = CaveGraph(connect(NAME, server.url, TOKEN))
    yield CaveHistory(graph, Pace(2.0, clock, clock.wait))
    graph.close()


def numbers(found: RootHistory) -> list[int]:
    return [operation.operation_id for operation in found.operations]


def test_requests_are_spaced(clock: Clock) -> None:
    pace = Pace(4.0, clock, clock.wait)
    for _ in range(5):
        pace.take()
    assert clock.now == pytest.approx(1.0)
    clock.now += 10
    waits = len(clock.waited)
    pace.take()
    assert len(clock.waited) == waits
    with pytest.raises(ValueError, match="requests"):
        Pace(0.0)


def test_an_operation_is_put_together_from_both_logs(
    server: FaultServer, history: CaveHistory
) -> None:
    Past(server, {BIG: [4, 5, 7]})
    (found,) = history.of_roots([BIG])
    merge, undo, split = found.operations
    assert merge == HistoryOperation(
        operation_id=4,
        kind="merge",
        is_merge=True,
        time=EPOCH + timedelta(milliseconds=1_700_000_000_127),
        user_id="12",
        before_roots=(BIG + 4,),
        after_roots=(BIG + 104, BIG + 204),
        added_edges=((BIG, BIG + 2),),
        source_coords_nm=((80.0, 160.0, 120.0),),
        sink_coords_nm=((88.0, 160.0, 120.0),),
    )
    assert (undo.kind, undo.is_merge, undo.of_operation) == ("undo", False, 4)
    assert (split.kind, split.removed_edges) == ("split", ((BIG, BIG + 2),))


def test_operations_survive_a_file_unchanged(server: FaultServer, history: CaveHistory) -> None:
    Past(server, {BIG: list(range(12))})
    (found,) = history.of_roots([BIG])
    assert len(found.operations) == 12
    for operation in found.operations:
        record = json.loads(json.dumps(operation.as_json()))
        assert HistoryOperation.from_json(record) == operation
        assert all(isinstance(root, str) for root in record["before_root_ids"])


def test_no_operation_is_given_twice(server: FaultServer, history: CaveHistory) -> None:
    past = Past(server, {1: [1, 2, 3], 2: [2, 3, 4], 3: []})
    first, second, third = history.of_roots([1, 2, 3, 1], known={3})
    assert [first.root, second.root, third.root] == [1, 2, 3]
    assert [numbers(first), numbers(second), numbers(third)] == [[1, 2], [4], []]
    assert past.asked == [[1, 2, 3]]
    assert past.asked_operations == [[1, 2, 4]]


def test_requests_are_bounded_and_paced(
    server: FaultServer, history: CaveHistory, clock: Clock
) -> None:
    past = Past(server, {root: [10**12 + root * 1000 + i for i in range(20)] for root in range(25)})
    found = list(history.of_roots(range(25)))
    assert sum(len(one.operations) for one in found) == 500
    assert [len(roots) for roots in past.asked] == [20, 5]
    assert max(len(operations) for operations in past.asked_operations) <= 100
    assert len(past.asked_operations) >= 5
    requests = len(past.asked) + len(past.asked_operations)
    assert clock.now == pytest.approx((requests - 1) / 2.0)


@pytest.mark.parametrize("status", [500, 502, 504, 400, 404])
def test_one_root_that_fails_is_skipped_and_named(
    server: FaultServer, history: CaveHistory, status: int
) -> None:
    past = Past(server, {root: [root] for root in range(1, 9)})
    past.trouble[6] = say(status, {"message": "too large"})
    found = {one.root: one for one in history.of_roots(range(1, 9))}
    assert list(found) == list(range(1, 9))
    assert [root for root, one in found.items() if one.problem] == [6]
    assert [numbers(one) for one in found.values()] == [[1], [2], [3], [4], [5], [], [7], [8]]


def test_a_mega_merger_that_times_out_is_skipped(
    server: FaultServer, history: CaveHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = Past(server, {1: [1], 2: [2], 3: [3]})
    session = history.graph.session
    transport.guard(session, read_seconds=0.3)
    past.trouble[2] = server.hang
    found = {one.root: one for one in history.of_roots([1, 2, 3])}
    assert "in time" in found[2].problem
    assert numbers(found[1]) == [1]
    assert numbers(found[3]) == [3]


def test_a_connection_cut_off_by_one_root_is_survived(
    server: FaultServer, history: CaveHistory
) -> None:
    past = Past(server, {1: [1], 2: [2], 3: [3]})
    past.trouble[3] = drop
    assert [bool(one.problem) for one in history.of_roots([1, 2, 3])] == [False, False, True]


def test_a_change_log_that_makes_no_sense_is_skipped(
    server: FaultServer, history: CaveHistory
) -> None:
    past = Past(server, {1: [1], 2: [2], 3: [3]})
    past.trouble[2] = say(200, b"<html>")
    assert [bool(one.problem) for one in history.of_roots([1, 2, 3])] == [False, True, False]


def test_trouble_that_passes_is_waited_for(
    server: FaultServer, history: CaveHistory, clock: Clock
) -> None:
    past = Past(server, {1: [1], 2: [2]})
    whole = server.answers["/tabular_change_log_many"]
    busy = say(429, {}, **{"Retry-After": "7"})
    server.answers["/tabular_change_log_many"] = in_turn(busy, say(503, {}), whole)
    assert [numbers(one) for one in history.of_roots([1, 2])] == [[1], [2]]
    assert clock.waited[0] == 7.0
    assert len(past.asked) == 1


def test_an_operation_that_cannot_be_read_keeps_its_root_open(
    server: FaultServer, history: CaveHistory
) -> None:
    past = Past(server, {1: [1, 2], 2: [3]})
    past.troubled_operations[2] = say(500, {"message": "cannot be told"})
    first, second = history.of_roots([1, 2])
    assert numbers(first) == [1]
    assert first.problem.startswith("Operation 2:")
    assert (numbers(second), second.problem) == ([3], "")


def test_an_operation_without_a_row_is_marked(server: FaultServer, history: CaveHistory) -> None:
    past = Past(server, {1: [4, 6]})
    past.forgotten.add(6)
    (found,) = history.of_roots([1])
    assert [operation.complete for operation in found.operations] == [True, False]
    assert found.operations[1].before_roots == (BIG + 6,)
    assert found.problem == ""


def test_a_server_in_trouble_ends_the_import(server: FaultServer, history: CaveHistory) -> None:
    server.answers["/tabular_change_log_many"] = say(500, {"message": "oops"})
    with pytest.raises(ServiceError, match="5 times in a row"):
        list(history.of_roots(range(1, 100)))


@pytest.mark.parametrize(
    ("answer", "error"),
    [(say(401, {}), AuthError), (say(403, {}), AuthError), (say(429, {}), ServiceError)],
)
def test_what_concerns_the_person_ends_the_import_at_once(
    server: FaultServer, history: CaveHistory, answer: Answer, error: type[ServiceError]
) -> None:
    server.answers["/tabular_change_log_many"] = answer
    with pytest.raises(error):
        list(history.of_roots(range(1, 100)))
    assert server.count("/tabular_change_log_many") <= 3


def test_no_network_ends_the_import(server: FaultServer, history: CaveHistory) -> None:
    Past(server, {root: [root] for root in range(1, 41)})
    found = history.of_roots(range(1, 41))
    assert numbers(next(found)) == [1]
    server.stop()
    with pytest.raises(OfflineError):
        list(found)


def test_roots_that_have_changed(server: FaultServer, history: CaveHistory) -> None:
    now, later = (4 << 56) | 5, (4 << 56) | 6
    server.answers["/delta_roots"] = in_turn(
        say(200, {"old_roots": [1], "new_roots": [later, now]}),
        say(200, {"old_roots": [now], "new_roots": [(4 << 56) | 9]}),
        say(200, {"old_roots": [], "new_roots": []}),
    )
    server.answers["/is_latest_roots"] = say(200, {"is_latest": [False, True, True]})
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert history.changed_roots(since, since + timedelta(days=75)) == [later, (4 << 56) | 9]
    assert server.count("/delta_roots") == 3


# the file


@pytest.fixture
def operations(server: FaultServer, history: CaveHistory) -> tuple[HistoryOperation, ...]:
    Past(server, {1: [1, 2, 3, 4]})
    return next(history.of_roots([1])).operations


def test_a_file_is_gone_on_with(tmp_path: Path, operations: tuple[HistoryOperation, ...]) -> None:
    path = tmp_path / "deep" / "edits.jsonl"
    with HistoryFile(path, "cave:a@b") as file:
        assert file.write(RootHistory(1, operations[:2])) == 2
        assert file.write(RootHistory(2, operations[:3], problem="timed out")) == 1
        assert file.write(RootHistory(3, ())) == 0
    with HistoryFile(path, "cave:a@b") as file:
        assert file.known == {1, 2, 3}
        assert file.undone([3, 2, 1, 4, 2]) == [2, 4]
        assert file.write(RootHistory(2, operations)) == 1
    assert tuple(read_history(path)) == operations


def test_half_a_line_is_cut_off(tmp_path: Path, operations: tuple[HistoryOperation, ...]) -> None:
    path = tmp_path / "edits.jsonl"
    with HistoryFile(path, "cave:a@b") as file:
        file.write(RootHistory(1, operations[:2]))
    with path.open("ab") as torn:
        torn.write(b'{"operation_id": 3, "ki')
    assert tuple(read_history(path)) == operations[:2]
    with HistoryFile(path, "cave:a@b") as file:
        assert file.known == {1, 2}
        file.write(RootHistory(2, operations))
    assert tuple(read_history(path)) == operations


def test_names_of_people_can_be_left_out(
    tmp_path: Path, operations: tuple[HistoryOperation, ...]
) -> None:
    path = tmp_path / "edits.jsonl"
    with HistoryFile(path, "cave:a@b", users=False) as file:
        file.write(RootHistory(1, operations))
    assert {operation.user_id for operation in read_history(path)} == {""}


def test_files_that_are_not_ours(tmp_path: Path, operations: tuple[HistoryOperation, ...]) -> None:
    path = tmp_path / "edits.jsonl"
    with HistoryFile(path, "cave:a@b"), pytest.raises(InputError, match="Another program"):
        HistoryFile(path, "cave:a@b")
    with pytest.raises(InputError, match="cave:a@b"):
        HistoryFile(path, "cave:other@b")
    alien = tmp_path / "alien.csv"
    alien.write_text("a,b\n")
    with pytest.raises(InputError, match="no import"):
        HistoryFile(alien, "cave:a@b")
    assert alien.read_text() == "a,b\n"
    with pytest.raises(InputError, match="no operation"):
        list(read_history(alien))
    with pytest.raises(InputError, match="cannot be read"):
        list(read_history(tmp_path / "absent"))
    path.with_name("edits.jsonl.progress").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="damaged"):
        HistoryFile(path, "cave:a@b")


def test_reading_roots(tmp_path: Path) -> None:
    path = tmp_path / "roots.txt"
    path.write_text(f"# mine\n{2**64 - 1}\n12, 13;14 # more\n")
    assert read_roots(path) == [2**64 - 1, 12, 13, 14]
    for text in ("", "# none", "12 x", "-3", "1.5", str(2**64), "0"):
        path.write_text(text)
        with pytest.raises(InputError):
            read_roots(path)


# the whole


def run_import(address: str, out: Path, **options: Any) -> HistorySummary:
    return import_history(address, out, per_second=1000.0, report=lambda *_: None, **options)


def test_an_import_that_broke_off_is_gone_on_with(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text(json.dumps({"token": TOKEN}))
    past = Past(server, {root: [root, root + 1] for root in range(1, 61)})
    past.trouble[45] = say(401, {})
    address, out = f"cave:{NAME}@{server.url}", tmp_path / "edits.jsonl"
    with pytest.raises(AuthError):
        run_import(address, out, roots=range(1, 61))
    assert {o.operation_id for o in read_history(out)} == set(range(1, 42))
    past.trouble[45] = say(500, {"message": "too large"})
    summary = run_import(address, out, roots=range(1, 61))
    assert (summary.roots, summary.already, summary.imported) == (60, 40, 19)
    (line,) = summary.skipped
    assert line.startswith("45: ")
    past.trouble.clear()
    last = run_import(address, out, roots=range(1, 61))
    assert (last.already, last.imported, last.skipped) == (59, 1, ())
    assert sorted(o.operation_id for o in read_history(out)) == list(range(1, 62))
    assert last.operations == 61


_CHILD = """
import sys
from app.services.history import import_history
import_history(sys.argv[1], __import__("pathlib").Path(sys.argv[2]), roots=range(1, 200),
               per_second=200.0, report=lambda *_: print("more", flush=True))
"""


def test_killed_at_any_moment_nothing_is_lost_or_twice(server: FaultServer, tmp_path: Path) -> None:
    secrets = tmp_path / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text(json.dumps({"token": TOKEN}))
    Past(server, {root: [root, root + 1, root + 2] for root in range(1, 200)})
    address, out = f"cave:{NAME}@{server.url}", tmp_path / "edits.jsonl"
    environment = os.environ | {"HOME": str(tmp_path)}
    for lines in (1, 7, 55):
        with subprocess.Popen(
            [sys.executable, "-c", _CHILD, address, str(out)],
            stdout=subprocess.PIPE,
            env=environment,
        ) as child:
            assert child.stdout is not None
            for _ in range(lines):
                assert child.stdout.readline() == b"more\n"
            child.send_signal(signal.SIGKILL)
    summary = run_import(address, out, roots=range(1, 200))
    assert summary.already >= 60
    found = [operation.operation_id for operation in read_history(out)]
    assert sorted(found) == list(range(1, 202))


def test_real_edits_of_a_mouse_arrive_as_they_were(
    server: FaultServer, history: CaveHistory, tmp_path: Path
) -> None:
    edits = json.loads(shared_data("microns_split_operations.json").read_text())
    of: dict[int, list[int]] = {}
    for edit in edits:
        of.setdefault(int(edit["neuron_id"]), []).append(edit["operation_id"])
    past = Past(server, of)
    past.forgotten.update(edit["operation_id"] for edit in edits)
    past.rows = {edit["operation_id"]: real_row(edit) for edit in edits}
    with HistoryFile(tmp_path / "mouse.jsonl", "cave:mouse@server") as file:
        for found in history.of_roots(of, file.known):
            file.write(found)
    read = {operation.operation_id: operation for operation in read_history(file.path)}
    assert len(read) == len({edit["operation_id"] for edit in edits}) > 100
    for edit in edits:
        operation = read[edit["operation_id"]]
        assert operation.kind == "split"
        assert operation.time.timestamp() == edit["timestamp"]
        assert [str(root) for root in operation.before_roots] == edit["before_root_ids"]
        assert [str(root) for root in operation.after_roots] == edit["after_root_ids"]


def real_row(edit: dict[str, Any]) -> dict[str, Any]:
    """Return the row of the change log that such an edit was taken from."""
    return change_row(edit["operation_id"], 0) | {
        "timestamp": edit["timestamp"] * 1000,
        "is_merge": edit["is_merge"],
        "before_root_ids": [int(root) for root in edit["before_root_ids"]],
        "after_root_ids": [int(root) for root in edit["after_root_ids"]],
    }


def test_a_flat_segmentation_has_no_history(ingested: Path, tmp_path: Path) -> None:
    volume = OfflineDatastack(ingested).folder.supervoxels
    with pytest.raises(DatastackError, match="flat segmentation"):
        run_import(f"precomputed:{volume}", tmp_path / "edits.jsonl", roots=[1])
    with pytest.raises(InputError, match="not clear"):
        run_import(f"precomputed:{volume}", tmp_path / "edits.jsonl")


def test_the_past_of_an_offline_datastack(folder: Path, tmp_path: Path) -> None:
    opened = OfflineDatastack(folder)
    out = tmp_path / "edits.jsonl"
    began = datetime.now(UTC) - timedelta(minutes=1)
    pairs = [
        [GraphPoint(opened.supervoxel_at(tube_point(t, x)), tube_point(t, x)) for x in (66, 78)]
        for t in (0, 1)
    ]
    receipts = [opened.graph.merge(MergeRequest(a, b)) for a, b in pairs]
    undone = opened.graph.undo(receipts[0].operation_id)
    assert undone is not None
    try:
        since = run_import(str(folder), out, since=began, everything=True)
        assert (since.roots, since.new_operations, since.skipped) == (3, 3, ())
        found = {operation.operation_id: operation for operation in read_history(out)}
        merge, undo = found[receipts[1].operation_id], found[undone.operation_id]
        assert merge.kind == "merge"
        assert merge.after_roots == receipts[1].new_roots
        assert merge.added_edges == ((pairs[1][0].supervoxel, pairs[1][1].supervoxel),)
        assert np.abs(np.subtract(merge.source_coords_nm[0], pairs[1][0].position_nm)).max() <= 16
        assert (undo.kind, undo.of_operation) == ("undo", receipts[0].operation_id)
        assert set(undo.after_roots) == set(undone.new_roots)
        assert found[receipts[0].operation_id].kind == "merge"
        again = run_import(str(folder), out, roots=receipts[1].new_roots, everything=True)
        assert (again.already, again.new_operations) == (1, 0)
        with pytest.raises(InputError, match="everything"):
            run_import(str(folder), out, since=began)
        lasting = tmp_path / "lasting.jsonl"
        run_import(str(folder), lasting, since=began)
        assert receipts[0].operation_id not in {o.operation_id for o in read_history(lasting)}
    finally:
        opened.close()
