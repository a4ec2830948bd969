"""What people have edited in a dataset, read from its server.

The change log of a root names the operations in its past and the roots before each; the
operation log adds the points and the supervoxels. The two are put together here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import requests

from connectome.cave.graph import CaveGraph
from connectome.cave.operations import HistoryOperation, joined
from connectome.cave.pace import Pace
from connectome.cave.patience import is_busy, of_what_was_asked
from connectome.cave.records import operation_of
from connectome.cave.transport import retried
from connectome.errors import ServiceError
from connectome.graph import OperationDetails

__all__ = ["CaveHistory", "RootHistory"]

T = TypeVar("T")

_ROOTS_AT_ONCE = 20
_OPERATIONS_AT_ONCE = 100
_QUERY_LENGTH = 3_000
"""Characters of ids in an address; gunicorn refuses request lines beyond 4,094."""
_WINDOW = timedelta(days=30)
_LATEST_AT_ONCE = 5_000
_SKIPPED_IN_A_ROW = 5


@dataclass(frozen=True)
class RootHistory:
    """What was read of one root: operations not known before, or why it was skipped."""

    root: int
    operations: tuple[HistoryOperation, ...]
    problem: str = ""


@dataclass(frozen=True)
class _Asked(Generic[T]):
    """One thing that was asked for: the answer, or why there is none."""

    item: int
    answer: T | None
    problem: str = ""


class CaveHistory:
    """Reads edit histories, slowly and persistently.

    Parameters
    ----------
    graph : CaveGraph
        The chunked graph.
    pace : Pace
        How many requests a second.
    everything : bool
        Whether to read edits as well that left no trace in the root: taken back since, or
        made to what was then part of it.
    tries : int
        How often a root or operation is asked for before it is skipped.
    """

    def __init__(
        self, graph: CaveGraph, pace: Pace, *, everything: bool = False, tries: int = 3
    ) -> None:
        self.graph = graph
        self._connection = graph.connection
        self._client = graph.connection.graph
        self._pace = pace
        self._everything = everything
        self._tries = tries
        self._skipped_in_a_row = 0

    def changed_roots(self, since: datetime, until: datetime | None = None) -> list[int]:
        """Return the present roots that edits have made since a time, ascending.

        Raises
        ------
        ServiceError
            If the server cannot be asked.
        """
        found: set[int] = set()
        end = until or datetime.now(UTC)
        while since < end:
            # A whole year at once takes longer than servers allow.
            following = min(since + _WINDOW, end)
            ask = partial(self._client.get_delta_roots, since, following)
            with self._connection.reading("the roots that have changed"):
                _, new = self._patiently(ask, None)
                found.update(int(root) for root in new)
            since = following
        return [
            root for part in _batches(sorted(found), _LATEST_AT_ONCE) for root in self._now(part)
        ]

    def of_roots(self, roots: Iterable[int], known: Collection[int] = ()) -> Iterator[RootHistory]:
        """Yield the history of each root as it is read.

        Parameters
        ----------
        roots : iterable of int
            The roots.
        known : collection of int
            Operations that are not wanted again; looked at anew before each request.

        Raises
        ------
        AuthError
            If the account may not read the history.
        OfflineError
            If the server does not answer.
        ServiceError
            If one root after the other fails, so that the server is in trouble itself.
        """
        for batch in _batches(list(dict.fromkeys(roots)), _ROOTS_AT_ONCE):
            yield from self._of_batch(batch, known)

    def _of_batch(self, roots: Sequence[int], known: Collection[int]) -> Iterator[RootHistory]:
        logs = {log.item: log for log in self._in_halves(roots, self._change_logs)}
        wanted = {
            int(row["operation_id"])
            for log in logs.values()
            for row in log.answer or ()
            if int(row["operation_id"]) not in known
        }
        details = {
            found.item: found
            for part in _by_length(sorted(wanted))
            for found in self._in_halves(part, self._details)
        }
        given: set[int] = set()
        for root in roots:
            yield _history(root, logs[root], details, given)

    def _change_logs(self, roots: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
        tables = self._client.get_tabular_change_log(list(roots), filtered=not self._everything)
        return {int(root): table.to_dict("records") for root, table in tables.items()}

    def _details(self, operations: Sequence[int]) -> dict[int, OperationDetails | None]:
        rows = self._client.get_operation_details(list(operations))
        voxel_nm = self.graph.base_scale.voxel_nm
        # An operation of which the server kept nothing is answered with an empty row, or none.
        found = {
            int(key): operation_of(int(key), row, voxel_nm) for key, row in rows.items() if row
        }
        return {operation: found.get(operation) for operation in operations}

    def _in_halves(
        self, items: Sequence[int], ask: Callable[[Sequence[int]], dict[int, T]]
    ) -> Iterator[_Asked[T]]:
        """Ask for many; where that fails, for each half, down to the one that is the trouble."""
        if not items:
            return
        alone = len(items) == 1
        try:
            with self._connection.reading("the edit history"):
                found = self._patiently(partial(ask, items), None if alone else is_busy)
                answers = [_Asked(item, found[item]) for item in items]
        except ServiceError as error:
            if not of_what_was_asked(error.__cause__):
                raise
            if alone:
                yield self._skip(items[0], error)
                return
        else:
            self._skipped_in_a_row = 0
            yield from answers
            return
        middle = len(items) // 2
        yield from self._in_halves(items[:middle], ask)
        yield from self._in_halves(items[middle:], ask)

    def _skip(self, item: int, error: ServiceError) -> _Asked[Any]:
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= _SKIPPED_IN_A_ROW:
            raise ServiceError(
                f"The server failed {_SKIPPED_IN_A_ROW} times in a row; the last time: "
                f"{error.message}",
                "What was read is kept; go on later with the same command.",
            ) from error
        return _Asked(item, None, error.message)

    def _patiently(
        self, read: Callable[[], T], again: Callable[[requests.RequestException], bool] | None
    ) -> T:
        def paced() -> T:
            self._pace.take()
            return read()

        return retried(
            paced, tries=self._tries, pause_seconds=1.0, wait=self._pace.wait, again=again
        )

    def _now(self, roots: Sequence[int]) -> list[int]:
        self._pace.take()
        latest = self.graph.is_latest(np.array(roots, np.uint64))
        return list(itertools.compress(roots, latest.tolist()))


def _history(
    root: int,
    log: _Asked[list[dict[str, Any]]],
    details: dict[int, _Asked[OperationDetails | None]],
    given: set[int],
) -> RootHistory:
    """Put the logs of one root together, without the operations that were given already."""
    operations, problem = [], log.problem
    for row in log.answer or ():
        found = details.get(int(row["operation_id"]))
        if found is None or found.item in given:
            continue
        if found.problem:
            problem = f"Operation {found.item}: {found.problem}"
            continue
        given.add(found.item)
        operations.append(joined(row, found.answer))
    return RootHistory(root, tuple(sorted(operations, key=lambda one: one.order)), problem)


def _batches(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _by_length(operations: Sequence[int]) -> Iterator[list[int]]:
    """Yield the ids in parts whose query (``%2C+`` between ids) is not too long."""
    part: list[int] = []
    length = 0
    for operation in operations:
        longer = length + len(str(operation)) + 4
        if part and (longer > _QUERY_LENGTH or len(part) == _OPERATIONS_AT_ONCE):
            yield part
            part, longer = [], len(str(operation)) + 4
        part.append(operation)
        length = longer
    if part:
        yield part
