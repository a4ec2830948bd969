"""Annotation tables beside a graph: rows that others can read, written once each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Annotations"]


class Annotations(Protocol):
    """The annotation tables of one datastack.

    Rows are sent exactly once. As with edits, `EditRejectedError` means certainly not
    written and `EditUnknownError` that only `find` can tell.
    """

    def ensure(self, table: str, schema: str, description: str) -> None:
        """Make the table if it does not exist; positions in it are nanometres.

        Raises
        ------
        EditRejectedError
            If it exists with another schema, or may not be made.
        """
        ...

    def find(self, table: str, column: str, value: str | int) -> list[int]:
        """Return the ids of the valid rows whose column has this value."""
        ...

    def post(self, table: str, row: Mapping[str, object]) -> int:
        """Write one row, sent once, and return its id.

        Points are given as ``{"pt": {"position": (x, y, z)}}`` in nm.
        """
        ...
