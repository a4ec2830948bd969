"""Edits are sent once, and whatever is not clearly refused or done is called unknown."""

from __future__ import annotations

import json
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome.cave import CaveGraph, connect
from connectome.errors import (
    AuthError,
    DatastackError,
    EditRejectedError,
    EditUnknownError,
    NotFoundError,
    OfflineError,
    ServiceError,
)
from connectome.graph import EditReceipt, GraphPoint, MergeRequest, SplitRequest
from connectome.space import BoxNm
from tests.contract.faults import NAME, Answer, FaultServer, drop, in_turn, say

TOKEN = "0123456789abcdef" * 2
ROOT = (4 << 56) | 7
MERGE = MergeRequest(
    GraphPoint((1 << 56) | 2**53 + 1, (1000.5, 2000.0, 3000.0)),
    GraphPoint((1 << 56) | 2**53 + 3, (1100.0, 2000.0, 3000.0)),
)
CUT = SplitRequest(
    (GraphPoint(2**64 - 1, (1000.5, 2000.0, 3000.0)), GraphPoint(2**53 + 1, (1.0, 2.0, 3.0))),
    (GraphPoint((1 << 56) | 2**53 + 3, (1100.0, 2000.0, 3000.0)),),
)
CUT_BODY = {
    "sources": [[2**64 - 1, 1000.5, 2000.0, 3000.0], [2**53 + 1, 1.0, 2.0, 3.0]],
    "sinks": [[(1 << 56) | 2**53 + 3, 1100.0, 2000.0, 3000.0]],
}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def graph(server: FaultServer) -> Iterator[CaveGraph]:
    found = CaveGraph(connect(NAME, server.url, TOKEN, edit_seconds=0.5))
    yield found
    found.close()


def test_a_dropped_connection_is_unknown_and_sent_once(
    server: FaultServer, graph: CaveGraph
) -> None:
    server.answers["/merge"] = drop
    with pytest.raises(EditUnknownError) as caught:
        graph.merge(MERGE)
    assert server.count("/merge") == 1
    assert caught.value.__cause__ is not None


def test_positions_are_sent_in_nanometres(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/merge"] = say(200, {"operation_id": 5, "new_root_ids": [ROOT]})
    assert graph.merge(MERGE) == EditReceipt(5, (ROOT,))
    (body,) = (body for _, path, body in server.requests if path.endswith("/merge"))
    assert json.loads(body) == [
        [MERGE.a.supervoxel, 1000.5, 2000.0, 3000.0],
        [MERGE.b.supervoxel, 1100.0, 2000.0, 3000.0],
    ]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_edits(server: FaultServer, graph: CaveGraph, status: int) -> None:
    server.answers["/merge"] = say(status, {"code": status, "message": "must belong elsewhere"})
    with pytest.raises(EditRejectedError, match="must belong elsewhere"):
        graph.merge(MERGE)
    assert server.count("/merge") == 1


@pytest.mark.parametrize(
    "answer",
    [
        say(500, {"code": 500, "message": "Could not acquire root lock"}),
        say(404, {"code": 404, "message": "gone"}),
        say(409, {}),
        say(502, b"<html>"),
        say(503, {}),
        say(504, {}),
        say(429, {}),
        say(200, b"not json"),
        say(200, {"operation_id": None, "new_root_ids": []}),
        say(200, {"operation_id": 4, "new_root_ids": []}),
        say(200, {"new_root_ids": [1]}),
        say(200, []),
        say(307, {}, Location="/segmentation/api/v1/table/x/merge"),
        say(302, {}, Location="/login"),
    ],
)
def test_everything_else_is_unknown_and_sent_once(
    server: FaultServer, graph: CaveGraph, answer: Answer
) -> None:
    server.answers["/merge"] = answer
    with pytest.raises(EditUnknownError):
        graph.merge(MERGE)
    assert server.count("/merge") == 1
    assert server.count("/login") == 0


def test_an_edit_without_answer_ends(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/merge"] = server.hang
    started = time.monotonic()
    with pytest.raises(EditUnknownError):
        graph.merge(MERGE)
    assert time.monotonic() - started < 20
    assert server.count("/merge") == 1


def test_a_cut_is_sent_once_with_exact_ids_and_nanometres(
    server: FaultServer, graph: CaveGraph
) -> None:
    answer = {"operation_id": 6, "new_root_ids": [2**64 - 1, ROOT + 1]}
    server.answers["/split"] = say(200, answer)
    assert graph.split(CUT) == EditReceipt(6, (2**64 - 1, ROOT + 1))
    (body,) = (body for _, path, body in server.requests if path.endswith("/split"))
    assert json.loads(body) == CUT_BODY


def test_a_partial_cut_names_its_one_root(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/split"] = say(200, {"operation_id": 6, "new_root_ids": [ROOT]})
    assert graph.split(CUT) == EditReceipt(6, (ROOT,))


def test_refused_and_unclear_cuts(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/split"] = say(400, {"code": 400, "message": "points too close together"})
    with pytest.raises(EditRejectedError, match="too close together"):
        graph.split(CUT)
    # A cut that the graph could not find is a 500 in production, as is one that was applied.
    server.answers["/split"] = say(500, {"code": 500, "message": "no cut was found"})
    with pytest.raises(EditUnknownError):
        graph.split(CUT)
    server.answers["/split"] = say(200, {"operation_id": 6, "new_root_ids": []})
    with pytest.raises(EditUnknownError):
        graph.split(CUT)
    server.answers["/split"] = drop
    with pytest.raises(EditUnknownError):
        graph.split(CUT)
    assert server.count("/split") == 4


def test_a_preview_names_the_parts(server: FaultServer, graph: CaveGraph) -> None:
    parts = [[2**64 - 1, 2**53 + 1], [7], [8, 9]]
    answer = {"supervoxel_connected_components": parts, "illegal_split": False}
    server.answers["/split_preview"] = in_turn(drop, say(503, {}), say(200, answer))
    preview = graph.preview_split(CUT)
    assert [part.tolist() for part in preview.parts] == parts
    assert all(part.dtype == np.uint64 for part in preview.parts)
    assert not preview.illegal
    bodies = [json.loads(b) for _, path, b in server.requests if path.endswith("/split_preview")]
    assert bodies == [CUT_BODY] * 3


@pytest.mark.parametrize(("parts", "illegal"), [([[1], [2]], True), ([[1, 2]], False), ([], False)])
def test_a_preview_that_cuts_nothing_is_illegal(
    server: FaultServer, graph: CaveGraph, parts: list[list[int]], illegal: bool
) -> None:
    answer = {"supervoxel_connected_components": parts, "illegal_split": illegal}
    server.answers["/split_preview"] = say(200, answer)
    assert graph.preview_split(CUT).illegal


@pytest.mark.parametrize("status", [400, 500])
def test_a_preview_without_a_cut_says_why(
    server: FaultServer, graph: CaveGraph, status: int
) -> None:
    server.answers["/split_preview"] = say(status, {"code": status, "message": "overlap badly"})
    with pytest.raises(EditRejectedError, match="overlap badly"):
        graph.preview_split(CUT)
    assert server.count("/split_preview") == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (drop, OfflineError),
        (say(503, {"message": "upstream"}), ServiceError),
        (say(500, b"<html>oops"), ServiceError),
        (say(200, b"not json"), ServiceError),
        (say(200, {"illegal_split": False}), ServiceError),
        (say(404, {"message": "no such table"}), NotFoundError),
        (say(401, {"error": "invalid_token"}), AuthError),
        (say(403, {"error": "missing_permission"}), AuthError),
        (say(302, {}, Location="/login"), AuthError),
    ],
)
def test_a_preview_that_fails_is_a_failed_read(
    server: FaultServer, graph: CaveGraph, answer: Answer, error: type[ServiceError]
) -> None:
    server.answers["/split_preview"] = answer
    with pytest.raises(error):
        graph.preview_split(CUT)
    assert server.count("/login") == 0


def test_nothing_to_undo(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/undo"] = say(200, {"operation_id": None, "new_root_ids": []})
    assert graph.undo(3) is None
    server.answers["/undo"] = say(200, {"operation_id": 9, "new_root_ids": [ROOT, ROOT + 1]})
    assert graph.undo(3) == EditReceipt(9, (ROOT, ROOT + 1))
    server.answers["/undo"] = drop
    with pytest.raises(EditUnknownError):
        graph.undo(3)
    assert server.count("/undo") == 3


def test_missing_terms_open_no_browser(
    server: FaultServer, graph: CaveGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    refusal = {"error": "missing_tos", "data": {"tos_form_url": "https://terms.example"}}
    server.answers["/merge"] = server.answers["/is_latest_roots"] = say(403, refusal)
    with pytest.raises(EditRejectedError, match=r"https://terms\.example"):
        graph.merge(MERGE)
    with pytest.raises(AuthError, match=r"https://terms\.example"):
        graph.is_latest(np.array([ROOT], np.uint64))
    assert opened == []


def test_reads_are_tried_again_a_few_times(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/is_latest_roots"] = in_turn(say(503, {}), say(200, {"is_latest": [True]}))
    assert graph.is_latest(np.array([ROOT], np.uint64)).tolist() == [True]
    assert server.count("/is_latest_roots") == 2
    server.answers["/is_latest_roots"] = say(503, {})
    with pytest.raises(ServiceError):
        graph.is_latest(np.array([ROOT], np.uint64))
    assert server.count("/is_latest_roots") == 5
    server.answers["/is_latest_roots"] = drop
    with pytest.raises(OfflineError):
        graph.is_latest(np.array([ROOT], np.uint64))
    assert server.count("/is_latest_roots") == 8


def test_only_ids_of_the_root_layer_are_roots(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/is_latest_roots"] = say(200, {"is_latest": [True]})
    ids = np.array([MERGE.a.supervoxel, ROOT, 0], np.uint64)
    assert graph.is_latest(ids).tolist() == [False, True, False]


def test_operations_are_read_in_nanometres(server: FaultServer, graph: CaveGraph) -> None:
    row = {
        "user": "12",
        "roots": [ROOT],
        "added_edges": [[1, 2]],
        "source_coords": [[10, 20, 3]],
        "sink_coords": [[11, 20, 3]],
        "operation_status": 0,
        "timestamp": "2026-05-04 17:00:00.123000+00:00",
    }
    server.answers["/operation_details"] = say(200, {"7": row, "8": {}})
    details = graph.operations([7, 8])
    assert set(details) == {7}
    assert details[7].applied
    assert details[7].source_coords_nm == ((80.0, 160.0, 120.0),)
    assert details[7].added_edges == ((1, 2),)
    assert details[7].timestamp is not None
    assert details[7].timestamp.utcoffset() is not None


def test_a_refused_operation_is_not_applied(server: FaultServer, graph: CaveGraph) -> None:
    row = {"user": "1", "operation_status": 1, "timestamp": "Mon, 04 May 2026 17:00:00 GMT"}
    server.answers["/operation_details"] = say(200, {"7": row})
    details = graph.operations([7])[7]
    assert not details.applied
    assert details.timestamp is not None


def test_roots_carry_no_clock_of_this_machine(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/roots_binary"] = say(200, np.array([ROOT], "<u8").tobytes())
    ids = np.array([0, MERGE.a.supervoxel], np.uint64)
    assert graph.roots(ids).tolist() == [0, ROOT]
    (body,) = (body for _, path, body in server.requests if path.endswith("/roots_binary"))
    assert body == ids[1:].tobytes()


def test_an_answer_of_another_length_is_not_believed(server: FaultServer, graph: CaveGraph) -> None:
    server.answers["/roots_binary"] = say(200, np.array([ROOT], "<u8").tobytes())
    with pytest.raises(ServiceError):
        graph.roots(np.array([MERGE.a.supervoxel, MERGE.b.supervoxel], np.uint64))


def test_leaves_outside_the_volume_are_none(graph: CaveGraph) -> None:
    assert graph.leaves(ROOT, BoxNm((-10.0, -10.0, -10.0), (-5.0, -5.0, -5.0))).size == 0


def test_a_rejected_token_is_named(server: FaultServer) -> None:
    server.answers[f"/full/{NAME}"] = say(401, {"error": "invalid_token"})
    with pytest.raises(AuthError, match="token"):
        connect(NAME, server.url, TOKEN)


def test_an_unknown_datastack_is_named(server: FaultServer) -> None:
    with pytest.raises(NotFoundError, match="other_name"):
        connect("other_name", server.url, TOKEN)


def test_a_missing_permission_is_named(server: FaultServer) -> None:
    server.answers[f"/full/{NAME}"] = say(403, {"error": "missing_permission"})
    with pytest.raises(AuthError, match="may not read"):
        connect(NAME, server.url, TOKEN)


def test_a_missing_token_is_named(server: FaultServer) -> None:
    with pytest.raises(AuthError, match="no CAVE token"):
        connect(NAME, server.url)
    assert server.requests == []


def test_a_broken_token_file_is_named(server: FaultServer, tmp_path: Path) -> None:
    secrets = tmp_path / ".cloudvolume" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "cave-secret.json").write_text("{")
    with pytest.raises(AuthError, match="cannot be read"):
        connect(NAME, server.url)


def test_no_server_at_all() -> None:
    with pytest.raises(OfflineError, match="does not answer"):
        connect(NAME, "http://127.0.0.1:9", TOKEN)


def test_a_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(DatastackError, match="not encrypted"):
        connect(NAME, "http://cave.example", TOKEN)


def test_the_token_is_not_shown(graph: CaveGraph, server: FaultServer) -> None:
    assert TOKEN not in repr(connect(NAME, server.url, TOKEN))
