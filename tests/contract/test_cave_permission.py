"""Whether edits may be sent is asked before any is, and the answer names what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectome.cave import connect, edit_permission
from connectome.errors import AuthError, OfflineError
from connectome.graph import Permission
from connectome.offline.datastack import OfflineDatastack
from connectome.opening import open_datastack
from tests.contract.faults import NAME, Answer, FaultServer, drop, say

TOKEN = "0123456789abcdef" * 2
PERSON: dict[str, Any] = {
    "id": 12,
    "missing_tos": [],
    "permissions_v2": {"mouse": ["view", "edit"]},
    "permissions_v2_ignore_tos": {"mouse": ["view", "edit"]},
}
TERMS = {"dataset_name": "mouse", "tos_id": 2, "tos_name": "mouse terms"}
CACHE = "/auth/api/v1/user/cache"
NEW_MAPPING = f"/auth/api/v1/service/pychunkedgraph/table/{NAME}/dataset"
OLD_MAPPING = f"/tablemapping/service/pychunkedgraph/table/{NAME}/permission_group"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.answers[NEW_MAPPING] = say(200, "mouse")
        yield running


def permission(server: FaultServer) -> Permission:
    connection = connect(NAME, server.url, TOKEN)
    try:
        return edit_permission(connection)
    finally:
        connection.close()


def test_an_editor_may_edit(server: FaultServer) -> None:
    server.answers[CACHE] = say(200, PERSON)
    assert permission(server) == Permission(True, user="12")


def test_an_older_server_maps_its_tables_elsewhere(server: FaultServer) -> None:
    server.answers[CACHE] = say(200, PERSON)
    server.answers[NEW_MAPPING] = say(404, {"message": "not here"})
    server.answers[OLD_MAPPING] = say(200, "mouse")
    assert permission(server).allowed is True


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        ({"permissions_v2": {"mouse": ["view"]}}, "see but not edit the", "'mouse'"),
        ({"permissions_v2": {"fly": ["edit"]}}, "neither see nor edit", "'mouse'"),
        (
            {"permissions_v2": {}, "missing_tos": [TERMS]},
            "'mouse terms' were not accepted",
            "/sticky_auth/api/v1/tos/2/accept",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(
    server: FaultServer, change: dict[str, object], message: str, hint: str
) -> None:
    server.answers[CACHE] = say(200, PERSON | change)
    found = permission(server)
    assert found.allowed is False
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(("level", "allowed"), [(2, True), (1, False), (0, False)])
def test_permissions_as_numbers(server: FaultServer, level: int, allowed: bool) -> None:
    server.answers[CACHE] = say(200, {"id": 12, "permissions": {"mouse": level}})
    assert permission(server).allowed is allowed


def test_without_a_mapping_an_equal_name_is_believed_and_no_other(server: FaultServer) -> None:
    server.answers[NEW_MAPPING] = say(403, {"message": "for services only"})
    server.answers[CACHE] = say(200, PERSON)
    assert permission(server).allowed is None
    server.answers[CACHE] = say(200, PERSON | {"permissions_v2": {NAME: ["view"]}})
    assert permission(server).allowed is False
    unaccepted = {"permissions_v2": {}, "permissions_v2_ignore_tos": {NAME: ["edit"]}}
    terms = {"missing_tos": [TERMS | {"dataset_name": NAME}]}
    server.answers[CACHE] = say(200, PERSON | unaccepted | terms)
    assert "not accepted" in permission(server).message


@pytest.mark.parametrize("answer", [say(404, {}), say(200, [])])
def test_a_server_that_does_not_tell_forbids_nothing(server: FaultServer, answer: Answer) -> None:
    server.answers[CACHE] = answer
    assert permission(server).allowed is None


def test_an_expired_token_is_an_error(server: FaultServer) -> None:
    server.answers[CACHE] = say(401, {"error": "invalid_token"})
    with pytest.raises(AuthError, match="expired"):
        permission(server)


def test_no_answer_is_an_error(server: FaultServer) -> None:
    server.answers[CACHE] = drop
    with pytest.raises(OfflineError):
        permission(server)


def test_asking_changes_nothing(server: FaultServer) -> None:
    server.answers[CACHE] = say(200, PERSON)
    permission(server)
    assert {method for method, _, _ in server.requests} == {"GET"}


def test_everyone_may_edit_their_own_datastack(folder: Any) -> None:
    opened = OfflineDatastack(folder)
    try:
        assert opened.may_edit() == Permission(True, user="1")
    finally:
        opened.close()


def test_a_flat_segmentation_takes_no_edits(ingested: Any) -> None:
    volume = OfflineDatastack(ingested).folder.supervoxels
    opened = open_datastack(f"precomputed:{volume}")
    found = opened.may_edit()
    opened.close()
    assert found.allowed is False
    assert "flat segmentation" in found.message
    assert opened.annotations is None
