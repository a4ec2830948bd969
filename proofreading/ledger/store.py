"""The ledger file: events are added, one transaction each, and never changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from connectome.closing import Closing
from connectome.errors import SessionError
from proofreading.decisions import Decision
from proofreading.ledger.codec import decode_event, encode_event
from proofreading.ledger.copy import Header, LedgerCopy, Row
from proofreading.ledger.database import (
    closing_on_error,
    connect,
    schema_version,
    set_schema_version,
    transaction,
    translated,
)
from proofreading.ledger.events import DecisionRestored, DecisionWithdrawn, Entry, Event
from proofreading.ledger.fold import LedgerState, apply

__all__ = ["SCHEMA_VERSION", "Ledger"]

SCHEMA_VERSION = 2
"""2: releases, verdict rows, reasons of an edit's state."""

# A REPLACE would delete a row without asking the delete trigger; the insert trigger stops it.
_SCHEMA = (
    "CREATE TABLE events (number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL,"
    " body TEXT NOT NULL)",
    "CREATE TRIGGER events_stay BEFORE UPDATE ON events"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER events_last BEFORE DELETE ON events"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER events_follow BEFORE INSERT ON events"
    " WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM events)"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)


def _now() -> datetime:
    return datetime.now(UTC)


class Ledger(Closing):
    """The events of a session, and the state that they add up to.

    Any thread may use it. `state` is kept up to date by every append; events that another
    process wrote are taken in by `refresh` and before every append.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, clock: Callable[[], datetime] = _now
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._clock = clock
        self._lock = threading.RLock()
        self._state = LedgerState()
        self._newer = False
        self._copy: LedgerCopy | None = None
        self._db = connect(path, read_only=read_only)
        with closing_on_error(self._db):
            self._prepare()
            self.refresh()

    @classmethod
    def open(
        cls, path: Path, *, read_only: bool = False, clock: Callable[[], datetime] = _now
    ) -> Self:
        """Open a ledger, made new if it may be written and does not exist.

        Raises
        ------
        SessionError
            If it is damaged, missing (read-only), or newer than this program and to be written.
        StorageError
            If the folder cannot be written or the disk is full.
        """
        return cls(path, read_only=read_only, clock=clock)

    @property
    def state(self) -> LedgerState:
        """The fold over all events; kept up to date in place."""
        return self._state

    @property
    def lock(self) -> threading.RLock:
        """Held while an event is written; hold it to read several things of one moment."""
        return self._lock

    def append(
        self, event: Event, *, only_if: Callable[[LedgerState], bool] | None = None
    ) -> int | None:
        """Add one event; it is on the disk when this returns.

        Parameters
        ----------
        event : Event
            What happened.
        only_if : callable, optional
            Asked with the newest state inside the transaction; False writes nothing.

        Returns
        -------
        int or None
            The event's number, or None if `only_if` said no.

        Raises
        ------
        StorageError
            If the disk is full; the ledger is as it was before.
        """
        numbers = self._append([event], only_if)
        return numbers[0] if numbers else None

    def append_all(self, events: Iterable[Event]) -> list[int]:
        """Add several events in one transaction: all of them, or none."""
        return self._append(list(events), None)

    def undo(self) -> Decision | None:
        """Withdraw the person's newest answer and return it; None if there is none."""
        with self._lock:
            decision = self._state.last_undoable()
            if decision is not None:
                self.append(DecisionWithdrawn(decision.id))
            return decision

    def redo(self) -> Decision | None:
        """Give the answer that was withdrawn last again and return it; None if there is none."""
        with self._lock:
            decision = self._state.last_redoable()
            if decision is not None:
                self.append(DecisionRestored(decision.id))
            return decision

    def refresh(self) -> int:
        """Take in what other processes wrote and return the number of the last event."""
        with self._lock:
            for entry in self.events(self._state.last_number):
                self._state = apply(self._state, entry)
            return self._state.last_number

    def events(self, after: int = 0) -> Iterator[Entry]:
        """Yield the events whose number is greater than ``after``, in order."""
        for number, at, kind, body in self.rows(after):
            event = decode_event(kind, body, newer=self._newer)
            yield Entry(number, datetime.fromisoformat(at), event)

    def rows(self, after: int = 0) -> Iterator[Row]:
        """Yield the events as the table has them, in order."""
        while rows := self._page(after):
            yield from rows
            after = rows[-1][0]

    def keep_copy(self, path: Path, header: Header) -> None:
        """Write every event, past and to come, to a second place too.

        Raises
        ------
        SessionError
            If the copy knows events that this ledger has lost.
        StorageError
            If the copy cannot be written.
        """
        with self._lock:
            self._copy = LedgerCopy(path, header, self.rows())

    @property
    def copy_problem(self) -> str:
        """Why the second copy is not written any more; empty while it is."""
        return "" if self._copy is None else self._copy.problem

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            self._db.close()
            if self._copy is not None:
                self._copy.close()

    def _append(
        self, events: list[Event], only_if: Callable[[LedgerState], bool] | None
    ) -> list[int]:
        if self.read_only:
            raise SessionError(
                "This session is open for reading only.", "Open it for writing to change it."
            )
        rows = [encode_event(event) for event in events]
        with self._lock, translated(self.path):
            with transaction(self._db):
                self.refresh()
                if only_if is not None and not only_if(self._state):
                    return []
                entries = self._insert(events, rows)
            if self._copy is not None:
                self._copy.add(
                    (entry.number, entry.at.isoformat(), kind, body)
                    for entry, (kind, body) in zip(entries, rows, strict=True)
                )
            # Folded only after the commit: the state never runs ahead of the disk.
            for entry in entries:
                self._state = apply(self._state, entry)
            return [entry.number for entry in entries]

    def _insert(self, events: list[Event], rows: list[tuple[str, str]]) -> list[Entry]:
        first = self._state.last_number + 1
        at = self._clock()
        self._db.executemany(
            "INSERT INTO events (number, at, kind, body) VALUES (?, ?, ?, ?)",
            [(first + i, at.isoformat(), kind, body) for i, (kind, body) in enumerate(rows)],
        )
        return [Entry(first + i, at, event) for i, event in enumerate(events)]

    def _page(self, after: int, size: int = 2000) -> list[Row]:
        with self._lock, translated(self.path):
            return self._db.execute(
                "SELECT number, at, kind, body FROM events WHERE number > ? "
                "ORDER BY number LIMIT ?",
                (after, size),
            ).fetchall()

    def _prepare(self) -> None:
        with translated(self.path):
            version = schema_version(self._db)
            self._newer = version > SCHEMA_VERSION
            if self.read_only:
                return
            if self._newer:
                raise SessionError(
                    f"{self.path} was written by a newer Proofdesk (version {version}).",
                    "Update Proofdesk, or open the session read-only.",
                )
            if version == 0:
                self._create()
            elif version < SCHEMA_VERSION:
                # The tables are the same; only an older program must not write here any more.
                set_schema_version(self._db, SCHEMA_VERSION)

    @classmethod
    def rebuilt(cls, path: Path, rows: Iterable[Row]) -> Self:
        """Return a new ledger with these events, all of them or none.

        Raises
        ------
        SessionError
            If there is a ledger already, or an event is not one.
        """
        if path.exists():
            raise SessionError(f"{path} exists.", "Move it away first.")
        made = cls(path)
        with closing_on_error(made._db):
            with translated(path), transaction(made._db):
                made._db.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
            made.refresh()
        return made

    def _create(self) -> None:
        with transaction(self._db):
            if schema_version(self._db):
                return  # another process was faster
            for statement in _SCHEMA:
                self._db.execute(statement)
            set_schema_version(self._db, SCHEMA_VERSION)
