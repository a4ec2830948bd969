"""A server with a past: operations, the roots they belong to, and roots that are trouble."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.contract.faults import Answer, FaultServer, say

BIG = 2**53 + 1
"""Ids beyond what JavaScript can count."""


class Past:
    """Scripts the change log and the operation log of a `FaultServer`.

    Root ``r`` has the operations ``of[r]``, with the rows ``rows`` of the change log where
    they are given; the roots in ``trouble`` are answered otherwise.
    """

    def __init__(self, server: FaultServer, of: dict[int, list[int]]) -> None:
        self.server = server
        self.of = of
        self.rows: dict[int, dict[str, Any]] = {}
        self.trouble: dict[int, Answer] = {}
        self.troubled_operations: dict[int, Answer] = {}
        self.forgotten: set[int] = set()
        self.asked: list[list[int]] = []
        self.asked_operations: list[list[int]] = []
        server.answers["/tabular_change_log_many"] = self._change_logs
        server.answers["/operation_details"] = self._details

    def _change_logs(self, request: BaseHTTPRequestHandler) -> None:
        roots = json.loads(self.server.requests[-1][2])["root_ids"]
        self.asked.append(roots)
        bad = next((self.trouble[root] for root in roots if root in self.trouble), None)
        (bad or say(200, {str(root): self._table(root) for root in roots}))(request)

    def _table(self, root: int) -> str:
        """Return the string that pandas makes of a table, column by column."""
        rows = [self.rows.get(one) or change_row(one, root) for one in self.of[root]]
        columns = {name: {str(i): row[name] for i, row in enumerate(rows)} for name in COLUMNS}
        return json.dumps(columns)

    def _details(self, request: BaseHTTPRequestHandler) -> None:
        assert len(request.path) < 4_000
        query = parse_qs(urlsplit(request.path).query)
        operations = json.loads(query["operation_ids"][0])
        self.asked_operations.append(operations)
        troubled = self.troubled_operations
        bad = next((troubled[one] for one in operations if one in troubled), None)
        rows = {str(one): {} if one in self.forgotten else log_row(one) for one in operations}
        (bad or say(200, rows))(request)


def change_row(operation: int, root: int) -> dict[str, Any]:
    """Return a row of the change log: even operations join, odd ones part."""
    return {
        "operation_id": operation,
        "timestamp": 1_700_000_000_123 + operation,
        "user_id": "12",
        "before_root_ids": [BIG + operation],
        "after_root_ids": [root],
        "is_merge": operation % 2 == 0,
        "user_name": "somebody",
        "user_affiliation": "",
    }


COLUMNS = list(change_row(0, 0))


def log_row(operation: int) -> dict[str, Any]:
    """Return a row of the operation log; every fifth is an undo of the one before."""
    kind = "added_edges" if operation % 2 == 0 else "removed_edges"
    undone = {"undo_operation_id": operation - 1} if operation % 5 == 0 else {}
    return undone | {
        "user": "12",
        "roots": [BIG + 100 + operation, BIG + 200 + operation],
        kind: [[BIG, BIG + 2]],
        "source_coords": [[10, 20, 3]],
        "sink_coords": [[11, 20, 3]],
        "operation_status": 0,
        "timestamp": "2023-11-14 22:13:20.123000+00:00",
    }
