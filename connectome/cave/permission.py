"""May this person edit here? Asked before anything is sent, and only by reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from connectome.cave.client import CaveConnection
from connectome.cave.translate import reading
from connectome.cave.transport import retried
from connectome.graph import Permission

__all__ = ["edit_permission"]

_LEVEL_EDIT = 2
"""Of the numbers that auth services gave before they named permissions: none, view, edit."""
_MAPPINGS = (
    "/auth/api/v1/service/pychunkedgraph/table/{table}/dataset",
    "/info/api/v2/tablemapping/service/pychunkedgraph/table/{table}/permission_group",
)
"""Where newer and older servers tell to which group of permissions a table belongs."""


def edit_permission(connection: CaveConnection) -> Permission:
    """Return whether the account may edit the datastack's graph, and if not, what is missing.

    ``allowed`` is None where the server does not tell.

    Raises
    ------
    AuthError
        If the token is not accepted.
    OfflineError
        If the server does not answer.
    """
    server = connection.server
    with reading(server, "your permissions"):
        rights = _json(connection, "/auth/api/v1/user/cache")
        if not isinstance(rights, Mapping):
            return Permission(None, f"The server {server} does not tell what you may do.")
        return _judged(connection, rights)


def _judged(connection: CaveConnection, rights: Mapping[str, Any]) -> Permission:
    user = str(rights.get("id", ""))
    granted, promised = _granted(rights), rights.get("permissions_v2_ignore_tos") or {}
    dataset = _dataset(connection, granted, promised)
    if dataset is None:
        return Permission(
            None, f"The server {connection.server} does not tell what you may do.", user=user
        )
    held = granted.get(dataset) or ()
    if "edit" in held:
        return Permission(True, user=user)
    terms = _missing_terms(rights, dataset)
    if terms is not None:
        return Permission(
            False,
            f"The terms of service {terms.get('tos_name', '')!r} were not accepted yet.",
            f"Accept them: {connection.server}/sticky_auth/api/v1/tos/{terms.get('tos_id')}/accept",
            user=user,
        )
    may = "see but not edit" if "view" in held else "neither see nor edit"
    return Permission(
        False,
        f"Your CAVE account may {may} the datastack {connection.name}.",
        f"Ask the owners of the dataset for the permission 'edit' on {dataset!r}.",
        user=user,
    )


def _granted(rights: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the permissions in force by dataset."""
    named = rights.get("permissions_v2")
    if isinstance(named, Mapping):
        return named
    levels = rights.get("permissions") or {}
    return {
        dataset: ("view", "edit")[: 1 + (level >= _LEVEL_EDIT)]
        for dataset, level in levels.items()
        if level
    }


def _dataset(
    connection: CaveConnection, granted: Mapping[str, Any], promised: Mapping[str, Any]
) -> str | None:
    """Return the name under which the auth service keeps the permissions of the table."""
    for path in _MAPPINGS:
        found = _json(connection, path.format(table=connection.table))
        if isinstance(found, str) and found:
            return found
    # Without a mapping the names are often the same; a name without any permission says nothing.
    names = (connection.table, connection.name, connection.volume)
    return next((name for name in names if name in granted or name in promised), None)


def _missing_terms(rights: Mapping[str, Any], dataset: str) -> Mapping[str, Any] | None:
    missing = rights.get("missing_tos") or ()
    return next((terms for terms in missing if terms.get("dataset_name") == dataset), None)


def _json(connection: CaveConnection, path: str) -> object:
    """Return what stands at a path of the auth server; None where it has no such path."""
    answer = retried(lambda: _asked(connection.session, connection.server + path))
    if "json" not in answer.headers.get("content-type", "") or not answer.ok:
        return None
    found: object = answer.json()
    return found


def _asked(session: requests.Session, url: str) -> requests.Response:
    answer = session.get(url)
    # Some servers let only their own services ask for the mapping; that is no failure.
    if answer.status_code not in (400, 403, 404):
        answer.raise_for_status()
    return answer
