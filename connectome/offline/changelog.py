"""The log of edits as tables: what changed a root, when, and by whom.

Free of I/O. The columns and the rules of relevance are those of the production's
change logs (PyChunkedGraph 2.21, ``graph/segmenthistory.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectome.graph import Ids, OperationStatus
from connectome.offline.history import RootLineage, operation_ending
from connectome.offline.state import GraphState
from connectome.offline.store import Operation

__all__ = [
    "Change",
    "changes_of",
    "merges_of",
    "operations_of_user",
    "past_operations",
    "standing",
    "summary",
    "table_of",
]

RootsAt = Callable[[Ids], Ids]
"""Maps supervoxels to their roots at some moment."""


@dataclass(frozen=True)
class Change:
    """One edit in the past of a root.

    Parameters
    ----------
    operation : Operation
        The edit.
    before, after : tuple of int
        Roots that it replaced, and those it made of the first of them; only such as the
        root was made of.
    in_neuron : bool
        Whether the root holds what was edited: all of a merge, any of a split.
    is_relevant : bool
        Whether the edit still shows: a merge joined what was ingested apart, a split
        parted what is still apart.
    """

    operation: Operation
    before: tuple[int, ...]
    after: tuple[int, ...]
    in_neuron: bool
    is_relevant: bool

    @property
    def is_merge(self) -> bool:
        """Whether edges were added; else they were removed."""
        return is_merge(self.operation)


def is_merge(operation: Operation) -> bool:
    """Tell whether an operation adds edges, as a merge does or the undo of a split."""
    return "added_edges" in operation.request


def past_operations(state: GraphState, graph: RootLineage, root: int) -> dict[int, list[int]]:
    """Return the operations that led to a root, ascending, and the roots each replaced."""
    found: dict[int, list[int]] = {}
    for old in sorted(graph.ancestors(root)):
        number = operation_ending(state, old)
        if number is not None:
            found.setdefault(number, []).append(old)
    return dict(sorted(found.items()))


def changes_of(
    state: GraphState,
    graph: RootLineage,
    root: int,
    log: Mapping[int, Operation],
    now: RootsAt,
    ingested: RootsAt,
) -> list[Change]:
    """Return every edit in the past of a root, oldest first.

    Parameters
    ----------
    state : GraphState
        The graph.
    graph : RootLineage
        A lineage that goes back from the root.
    root : int
        The root.
    log : mapping
        The rows of its past operations.
    now, ingested : callable
        The roots of supervoxels when the root was made, and before any edit.
    """
    new_of = graph.new_of()
    found = []
    for number, before in past_operations(state, graph, root).items():
        operation = log[number]
        edited = _edited(operation)
        here, first = now(edited), ingested(edited)
        if is_merge(operation):
            inside, relevant = bool((here == root).all()), len(np.unique(first)) != 1
        else:
            inside, relevant = bool((here == root).any()), len(np.unique(here)) != 1
        after = tuple(new_of.get(before[0], ()))
        found.append(Change(operation, tuple(before), after, inside, relevant))
    return found


def standing(changes: Iterable[Change]) -> list[Change]:
    """Return the edits that the root still shows."""
    return [change for change in changes if change.in_neuron and change.is_relevant]


def table_of(
    changes: Sequence[Change], names: Callable[[str], tuple[str, str]], *, filtered: bool
) -> dict[str, dict[str, object]]:
    """Return a change log as the columns that ``pandas.DataFrame.to_json`` would write.

    Parameters
    ----------
    changes : sequence of Change
        All changes of a root; the labels of rows count the ones that are left out too.
    names : callable
        Maps a user's id to name and affiliation.
    filtered : bool
        Leave out edits that the root does not show any more, and the columns that say so.
    """
    rows = {str(k): change for k, change in enumerate(changes)}
    if filtered:
        kept = standing(changes)
        rows = {label: change for label, change in rows.items() if change in kept}
    columns: dict[str, Callable[[Change], object]] = {
        "operation_id": lambda c: c.operation.id,
        "timestamp": lambda c: c.operation.ms,
        "user_id": lambda c: c.operation.user,
        "before_root_ids": lambda c: list(c.before),
        "after_root_ids": lambda c: list(c.after),
        "is_merge": lambda c: c.is_merge,
        "in_neuron": lambda c: c.in_neuron,
        "is_relevant": lambda c: c.is_relevant,
        "user_name": lambda c: names(c.operation.user)[0],
        "user_affiliation": lambda c: names(c.operation.user)[1],
    }
    if filtered:
        del columns["in_neuron"], columns["is_relevant"]
    return {
        name: {label: value(change) for label, change in rows.items()}
        for name, value in columns.items()
    }


def summary(changes: Sequence[Change]) -> dict[str, object]:
    """Return the numbers of merges and splits, by user too, and the ids that took part."""
    by_user: dict[str, dict[str, int]] = {}
    for change in changes:
        own = by_user.setdefault(change.operation.user, {"n_splits": 0, "n_mergers": 0})
        own["n_mergers" if change.is_merge else "n_splits"] += 1
    past = [root for change in changes for root in change.before]
    return {
        "n_splits": sum(own["n_splits"] for own in by_user.values()),
        # The production's key, whatever the client's documentation says.
        "n_mergers": sum(own["n_mergers"] for own in by_user.values()),
        "user_info": by_user,
        "operations_ids": np.asarray([change.operation.id for change in changes], np.uint64),
        "past_ids": np.asarray(past, dtype=np.uint64),
    }


def merges_of(operations: Iterable[Operation]) -> dict[str, list[object]]:
    """Return the requested edges of merges, and their two lists of points in voxels."""
    merges = [operation.request for operation in operations if is_merge(operation)]
    return {
        "merge_edges": [_pairs(request["added_edges"]) for request in merges],
        "merge_edge_coords": [
            [request.get("source_coords", []), request.get("sink_coords", [])] for request in merges
        ],
    }


def operations_of_user(
    log: Iterable[Operation], user: str | None, after_ms: int, until_ms: int, *, undone: bool
) -> list[Operation]:
    """Return a user's operations between two times, refused ones too.

    Parameters
    ----------
    log : iterable of Operation
        The whole log, oldest first.
    user : str or None
        Whose operations; everybody's if None.
    after_ms, until_ms : int
        UTC milliseconds, both inclusive.
    undone : bool
        Whether undos, redos, and what they took back count as well.
    """
    found = [row for row in log if after_ms <= row.ms <= until_ms]
    taken_back: set[int] = set()
    for row in found:
        if row.target is not None and row.status == OperationStatus.SUCCESS:
            (taken_back.add if row.kind == "undo" else taken_back.discard)(row.target)
    if not undone:
        found = [row for row in found if row.target is None and row.id not in taken_back]
    return [row for row in found if user is None or row.user == user]


def _edited(operation: Operation) -> Ids:
    """Return the supervoxels that an edit named."""
    request = operation.request
    named = [int(node) for key in ("sink_ids", "source_ids") for node in request.get(key, ())]
    if not named:
        edges = request.get("added_edges", request.get("removed_edges", ()))
        named = [int(node) for edge in edges for node in edge]
    return np.unique(np.asarray(named, dtype=np.uint64))


def _pairs(edges: Iterable[Any]) -> Ids:
    return np.asarray([[int(a), int(b)] for a, b in edges], dtype=np.uint64)
