"""Rows of annotation tables are sent once and found again by what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from connectome.cave import CaveAnnotations, connect
from connectome.errors import (
    AuthError,
    EditRejectedError,
    EditUnknownError,
    NotFoundError,
    OfflineError,
    ServiceError,
)
from connectome.offline.service import RunningService
from tests.contract.faults import NAME, Answer, FaultServer, after, by_method, drop, in_turn, say

TOKEN = "0123456789abcdef" * 2
TABLE = "proofdesk_verdicts"
ROW = {
    "pt": {"position": (1000.5, 2000.0, 3000.0)},
    "tag": "merge:accept",
    "pt2": {"position": (1100.0, 2000.0, 3000.0)},
    "tag2": "5b0c|op=7",
}
METADATA = {
    "schema_type": "bound_2tag",
    "voxel_resolution_x": 1.0,
    "voxel_resolution_y": 1.0,
    "voxel_resolution_z": 1.0,
}
ROWS, QUERY = f"/{TABLE}/annotations", f"/datastack/{NAME}/query"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def tables(server: FaultServer) -> Iterator[CaveAnnotations]:
    connection = connect(NAME, server.url, TOKEN, edit_seconds=0.5)
    yield CaveAnnotations(connection)
    connection.close()


def test_a_row_is_sent_once_in_nanometres(server: FaultServer, tables: CaveAnnotations) -> None:
    server.answers[ROWS] = say(200, [41])
    assert tables.post(TABLE, ROW) == 41
    (sent,) = ((m, p, b) for m, p, b in server.requests if p.endswith(ROWS))
    assert sent[0] == "POST"
    assert sent[1] == f"/annotation/api/v2/aligned_volume/volume/table/{TABLE}/annotations"
    body = json.loads(sent[2])
    assert body["annotations"][0]["pt"]["position"] == [1000.5, 2000.0, 3000.0]
    assert body == {"annotations": [json.loads(json.dumps(ROW))]}


@pytest.mark.parametrize("status", [400, 401, 403, 413, 422])
def test_refused_rows(server: FaultServer, tables: CaveAnnotations, status: int) -> None:
    server.answers[ROWS] = say(status, {"code": status, "message": "no such field"})
    with pytest.raises(EditRejectedError, match="no such field"):
        tables.post(TABLE, ROW)
    assert server.count(ROWS) == 1


@pytest.mark.parametrize(
    "answer",
    [
        drop,
        say(404, {"message": "anything may have happened"}),
        say(500, {"message": "oops"}),
        say(502, b"<html>"),
        say(503, {}),
        say(504, {}),
        say(200, b"not json"),
        say(200, []),
        say(200, [1, 2]),
        say(200, {}),
        say(307, {}, Location=f"/annotation/api/v2/aligned_volume/volume/table{ROWS}"),
    ],
)
def test_every_other_answer_to_a_row_is_unknown_and_sent_once(
    server: FaultServer, tables: CaveAnnotations, answer: Answer
) -> None:
    server.answers[ROWS] = answer
    with pytest.raises(EditUnknownError):
        tables.post(TABLE, ROW)
    assert server.count(ROWS) == 1


def test_a_row_without_an_answer_ends(server: FaultServer, tables: CaveAnnotations) -> None:
    server.answers[ROWS] = server.hang
    with pytest.raises(EditUnknownError):
        tables.post(TABLE, ROW)
    assert server.count(ROWS) == 1


def test_terms_not_accepted_refuse_a_row(server: FaultServer, tables: CaveAnnotations) -> None:
    refusal = {"error": "missing_tos", "data": {"tos_form_url": "https://terms.example"}}
    server.answers[ROWS] = say(403, refusal)
    with pytest.raises(EditRejectedError, match=r"https://terms\.example"):
        tables.post(TABLE, ROW)


def test_a_missing_table_is_made_in_nanometres(
    server: FaultServer, tables: CaveAnnotations
) -> None:
    names: list[str] = []
    made = after(say(200, b'"ok"'), lambda: names.append(TABLE))
    server.answers[f"/table/{TABLE}"] = say(201, METADATA)
    server.answers["/volume/table"] = by_method(GET=say(200, names), POST=made)
    tables.ensure(TABLE, "bound_2tag", "What was decided.")
    tables.ensure(TABLE, "bound_2tag", "What was decided.")
    (body,) = (
        json.loads(b)
        for m, p, b in server.requests
        if m == "POST" and p.endswith("/annotation/api/v2/aligned_volume/volume/table")
    )
    assert body["table_name"] == TABLE
    assert body["schema_type"] == "bound_2tag"
    assert body["metadata"]["description"] == "What was decided."
    assert [body["metadata"][f"voxel_resolution_{axis}"] for axis in "xyz"] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "says"),
    [({"schema_type": "bound_tag"}, "bound_tag"), ({"voxel_resolution_x": 4.0}, "nanometres")],
)
def test_a_table_of_another_kind_is_refused(
    server: FaultServer, tables: CaveAnnotations, change: dict[str, object], says: str
) -> None:
    server.answers["/volume/table"] = say(200, [TABLE])
    server.answers[f"/table/{TABLE}"] = say(201, METADATA | change)
    with pytest.raises(EditRejectedError, match=says):
        tables.ensure(TABLE, "bound_2tag", "")
    assert not [path for method, path, _ in server.requests if method == "POST"]


def test_a_table_whose_making_was_answered_badly_is_looked_up(
    server: FaultServer, tables: CaveAnnotations
) -> None:
    names: list[str] = []
    server.answers[f"/table/{TABLE}"] = say(201, METADATA)
    listed = say(200, names)
    made = after(drop, lambda: names.append(TABLE))
    server.answers["/volume/table"] = by_method(GET=listed, POST=made)
    tables.ensure(TABLE, "bound_2tag", "")
    names.clear()
    server.answers["/volume/table"] = by_method(GET=listed, POST=drop)
    with pytest.raises(EditUnknownError):
        tables.ensure(TABLE, "bound_2tag", "")
    refused = say(400, {"message": "Table names are small letters."})
    server.answers["/volume/table"] = by_method(GET=listed, POST=refused)
    with pytest.raises(EditRejectedError, match="small letters"):
        tables.ensure(TABLE, "bound_2tag", "")
    server.answers["/volume/table"] = by_method(GET=listed, POST=say(200, b'"ok"'))
    with pytest.raises(EditUnknownError, match="not there"):
        tables.ensure(TABLE, "bound_2tag", "")


def arrow(**columns: list[object]) -> bytes:
    table, sink = pa.table(columns), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def test_rows_are_found_by_what_they_say(server: FaultServer, tables: CaveAnnotations) -> None:
    tags: list[object] = ["5b0c|op=7", "5b0c|op=7", "other", "5b0c|op=7"]
    found = arrow(id=[9, 4, 5, 6], tag2=tags, valid=[True, True, True, False])
    server.answers[QUERY] = in_turn(say(503, {}), say(200, found))
    assert tables.find(TABLE, "tag2", "5b0c|op=7") == [4, 9]
    method, path, sent = next(r for r in server.requests if r[1].endswith(QUERY))
    assert (method, path) == ("POST", f"/materialize/api/v3/datastack/{NAME}/query")
    body = json.loads(sent)
    assert body["table"] == TABLE
    assert body["filter_equal_dict"] == {TABLE: {"tag2": "5b0c|op=7"}}
    # As of the server's clock, and never before it.
    asked = datetime.fromisoformat(body["timestamp"]).replace(tzinfo=UTC)
    assert timedelta(0) <= asked + timedelta(seconds=1) - datetime.now(UTC) < timedelta(minutes=1)


def test_no_rows_are_found(server: FaultServer, tables: CaveAnnotations) -> None:
    server.answers[QUERY] = say(200, arrow(id=[], tag2=[]))
    assert tables.find(TABLE, "tag2", "5b0c") == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (say(404, {"message": "there is no materialization"}), NotFoundError),
        (say(500, {"message": "busy"}), ServiceError),
        (say(200, b"not arrow"), ServiceError),
        (say(401, {}), AuthError),
        (drop, OfflineError),
    ],
)
def test_what_cannot_be_asked_is_not_called_absent(
    server: FaultServer, tables: CaveAnnotations, answer: Answer, error: type[ServiceError]
) -> None:
    server.answers[QUERY] = answer
    with pytest.raises(error):
        tables.find(TABLE, "tag2", "5b0c")


def test_the_offline_service_keeps_the_rows(service: RunningService) -> None:
    annotations = CaveAnnotations(connect(service.address.name, service.url, service.token))
    annotations.ensure(TABLE, "bound_2tag", "What was decided.")
    annotations.ensure(TABLE, "bound_2tag", "What was decided.")
    with pytest.raises(EditRejectedError, match="bound_2tag"):
        annotations.ensure(TABLE, "bound_tag_valid", "Something else.")
    assert annotations.find(TABLE, "tag2", "5b0c|op=7") == []
    first = annotations.post(TABLE, ROW)
    second = annotations.post(TABLE, ROW | {"tag2": "5b0c|op=8"})
    assert annotations.find(TABLE, "tag2", "5b0c|op=7") == [first]
    assert annotations.find(TABLE, "tag2", "5b0c|op=8") == [second]
    with pytest.raises(EditRejectedError):
        annotations.post(TABLE, {"tag": "a row without its points"})
