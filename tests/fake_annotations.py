"""Annotation tables in memory, with faults on demand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from connectome.errors import EditRejectedError, EditUnknownError, OfflineError
from tests.fakes import Crash, FakeClock, Fault

__all__ = ["MemoryAnnotations"]


class MemoryAnnotations:
    """Annotation tables in memory; `faults` as those of `MemoryGraph`, one for each post."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.faults: list[Fault] = []
        self.unreadable = 0
        self.late_s = 60.0
        self.schemas: dict[str, str] = {}
        self.rows: dict[str, list[Mapping[str, object]]] = {}
        self._late: list[tuple[datetime, str, Mapping[str, object]]] = []

    def ensure(self, table: str, schema: str, description: str) -> None:
        self._arrive()
        if self.schemas.setdefault(table, schema) != schema:
            raise EditRejectedError(f"{table} has another schema.")
        self.rows.setdefault(table, [])

    def find(self, table: str, column: str, value: str | int) -> list[int]:
        self._arrive()
        rows = enumerate(self.rows.get(table, ()), start=1)
        return [number for number, row in rows if row.get(column) == value]

    def post(self, table: str, row: Mapping[str, object]) -> int:
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        if fault is Fault.LATE:
            due = self.clock() + timedelta(seconds=self.late_s)
            self._late.append((due, table, row))
        if fault in (Fault.LATE, Fault.DROP_BEFORE):
            raise EditUnknownError("the connection dropped")
        if fault is Fault.REJECT:
            raise EditRejectedError("The server refused.")
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        self.rows[table].append(row)
        if fault in (Fault.DROP_AFTER, Fault.ERROR_AFTER):
            raise EditUnknownError("500 Internal Server Error")
        if fault is Fault.CRASH_AFTER:
            raise Crash
        return len(self.rows[table])

    def _arrive(self) -> None:
        for due, table, row in [late for late in self._late if late[0] <= self.clock()]:
            self._late.remove((due, table, row))
            self.rows[table].append(row)
        if self.unreadable:
            self.unreadable -= 1
            raise OfflineError("no network", "Try again later.")
