"""Attributes of level-2 nodes from the server's cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from connectome.cave.client import CaveConnection
from connectome.cave.transport import retried
from connectome.graph import Ids

__all__ = ["level2_attributes"]

_BATCH = 5_000


def level2_attributes(
    connection: CaveConnection, nodes: Ids, names: Sequence[str]
) -> dict[int, dict[str, Any]]:
    """Return what the cache knows of each node; nothing of one too new or too small for it.

    Raises
    ------
    ServiceError
        If the server has no such cache, or does not answer.
    """
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(nodes), _BATCH):
        part = nodes[start : start + _BATCH].tolist()
        with connection.reading("attributes of level-2 nodes"):
            answer = retried(partial(_ask, connection, part, names))
            found |= {int(node): dict(values) for node, values in answer.items()}
    return found


def _ask(connection: CaveConnection, nodes: list[int], names: Sequence[str]) -> dict[str, Any]:
    answer = connection.session.post(
        f"{connection.local_server}/l2cache/api/v1/table/{connection.table}/attributes",
        params={"attribute_names": ",".join(names)},
        data=json.dumps({"l2_ids": nodes}),
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found
