"""Whether an offline datastack is whole: every invariant, looked at anew from the files.

Nothing here trusts what the engine derived while editing: nodes are compared with the
connected components of the active edges, and supervoxels with the voxels themselves.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids
from connectome.offline.base import BaseGraph
from connectome.offline.ids import ChunkLayout
from connectome.offline.layout import DatastackFolder
from connectome.offline.lookup import SupervoxelReader
from connectome.offline.meshing import MeshStore
from connectome.offline.state import EditRecord, GraphState
from connectome.offline.store import EditStore

__all__ = ["CheckReport", "Finding", "check_datastack", "check_state"]

Progress = Callable[[str, float], None]
_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One invariant: how many things were looked at, and what breaks it."""

    invariant: str
    looked_at: int
    broken: tuple[str, ...] = ()
    note: str = ""

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.broken


@dataclass(frozen=True)
class CheckReport:
    """Every invariant of one datastack."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether all of them hold."""
        return all(finding.ok for finding in self.findings)


def check_datastack(path: Path, progress: Progress = lambda *_: None) -> CheckReport:
    """Check the files of a datastack; reads only, also while it is being served.

    Parameters
    ----------
    path : Path
        The datastack's folder.
    progress : callable
        Told the stage in words and its finished share, 0 to 1.

    Raises
    ------
    DatastackError
        If the folder is no complete datastack or its files cannot be read at all.
    """
    folder = DatastackFolder.open(path)
    base = BaseGraph.load(folder.base_graph, folder.layout, folder.manifest.created_ms)
    progress("reading the log of edits", 0.0)
    findings = [_check_databases(folder)]
    if not findings[0].ok:
        # What is read from a damaged file would only name the same damage in other words.
        return CheckReport(folder.name, tuple(findings))
    store = EditStore(folder.graph_db, read_only=True)
    try:
        records = store.records(0)
        findings.append(_check_operations(store, records, folder.manifest.created_ms))
    finally:
        store.close()
    progress("comparing nodes with edges", 0.0)
    state = GraphState.start(base).advance(records)
    findings += check_state(state)
    findings.append(_check_voxels(folder, base, progress))
    findings.append(_check_meshes(folder, state, progress))
    return CheckReport(folder.name, tuple(findings))


def check_state(state: GraphState) -> list[Finding]:
    """Check the graph at one moment; free of I/O."""
    return [
        _check_supervoxels(state.base),
        _check_edges(state),
        _check_level2(state),
        _check_roots(state),
        _check_lineage(state),
    ]


def _check_supervoxels(base: BaseGraph) -> Finding:
    """Look whether ids ascend, so that each occurs once, and lie in chunks that exist."""
    ids = base.sv_ids
    broken = [f"{int(i)} is not above the id before it" for i in _few(ids[1:][ids[1:] <= ids[:-1]])]
    chunks = base.layout.chunk_of(ids, 1)
    outside = ids[(chunks >= base.layout.grid).any(axis=1)]
    broken += [f"{int(i)} lies in no chunk of the volume" for i in _few(outside)]
    return Finding("each supervoxel is there once", len(ids), tuple(broken))


def _check_edges(state: GraphState) -> Finding:
    """Look whether both ends of every edge exist, in one root if the edge is active."""
    rows = np.arange(len(state.edge_active), dtype=np.int64)
    a, b = state.edge_ends(rows)
    n = len(state.base.sv_ids)
    lost = (a < 0) | (b < 0) | (a >= n) | (b >= n)
    broken = [f"edge {row} ends at no supervoxel" for row in _few(rows[lost])]
    whole = rows[~lost & state.edge_active]
    root = state.l2_root[state.sv_l2]
    apart = whole[root[a[whole]] != root[b[whole]]]
    broken += [f"edge {row} is active between two roots" for row in _few(apart)]
    return Finding("no edge dangles or leaves its root", len(rows), tuple(broken))


def _check_level2(state: GraphState) -> Finding:
    """Compare L2 nodes with the connected components of the active edges inside a chunk."""
    key = state.base.sv_chunk_keys
    rows = np.flatnonzero(state.edge_active).astype(np.int64)
    a, b = state.edge_ends(rows)
    inside = key[a] == key[b]
    label = _labels(len(key), a[inside], b[inside])
    broken = _differing(label, np.asarray(state.sv_l2), state.base.sv_ids, "level-2 node")
    owner = state.base.layout.chunk_key(state.l2_ids[state.sv_l2], 2)
    home = state.base.layout.pack(
        2, state.base.layout.chunk_of(state.base.sv_ids, 1), np.zeros(len(key))
    )
    broken += [
        f"{int(i)} has a node of another chunk" for i in _few(state.base.sv_ids[owner != home])
    ]
    return Finding(
        "level-2 nodes are the pieces of each chunk", int(label.max(initial=-1)) + 1, tuple(broken)
    )


def _check_roots(state: GraphState) -> Finding:
    """Compare roots with the connected components of all active edges."""
    rows = np.flatnonzero(state.edge_active).astype(np.int64)
    label = _labels(len(state.base.sv_ids), *state.edge_ends(rows))
    root = state.l2_root[state.sv_l2]
    broken = _differing(label, root, state.base.sv_ids, "root")
    retired = [int(r) for r in state.current_roots if int(r) in state.history.retired]
    broken += [f"root {r} is replaced and still holds supervoxels" for r in retired[:_EXAMPLES]]
    return Finding(
        "each supervoxel is in exactly one root", len(state.current_roots), tuple(broken)
    )


def _check_lineage(state: GraphState) -> Finding:
    """Look whether links go forward in time, so that they cannot form a circle."""
    history, start = state.history, state.base.created_ms
    current = {int(root) for root in state.current_roots}
    broken: list[str] = []
    n = 0
    for old, new in _links(state):
        n += 1
        made_old, made_new = (history.born.get(node, (start, 0))[0] for node in (old, new))
        if made_old >= made_new:
            broken.append(f"{new} is not younger than {old}, out of which it was made")
        if history.retired.get(old) != made_new:
            broken.append(f"{old} was not retired when {new} was made")
        if old in current:
            broken.append(f"{old} was replaced and is current")
    for root in history.born:
        if root not in current and root not in history.retired and _is_root(state, root):
            broken.append(f"root {root} is neither current nor replaced")
    return Finding("lineage is acyclic and complete", n, tuple(broken[:_EXAMPLES]))


def _check_databases(folder: DatastackFolder) -> Finding:
    broken: list[str] = []
    files = sorted(folder.path.glob("*.sqlite"))
    for file in files:
        try:
            connection = sqlite3.connect(file, timeout=5.0)
            try:
                found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
                loose = connection.execute("PRAGMA foreign_key_check").fetchall()
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            broken.append(f"{file.name}: {error}")
            continue
        broken += [f"{file.name}: {text}" for text in found if text != "ok"]
        broken += [f"{file.name}: a row of {row[0]} refers to nothing" for row in loose[:_EXAMPLES]]
    return Finding("databases are sound", len(files), tuple(broken))


def _check_operations(store: EditStore, records: list[EditRecord], created_ms: int) -> Finding:
    """Look whether times increase with the numbers, and what was applied made roots."""
    rows = store.log()
    broken: list[str] = []
    for before, after in itertools.pairwise(rows):
        if after.ms <= before.ms:
            broken.append(f"operation {after.id} is not later than {before.id}")
    if rows and rows[0].ms <= created_ms:
        broken.append(f"operation {rows[0].id} is older than the datastack")
    broken += [f"operation {r.operation_id} made no root" for r in records if not r.new_roots]
    if missing := {row.id for row in rows if row.status == 0} - {r.operation_id for r in records}:
        broken.append(f"operation {min(missing)} is logged as applied and changed nothing")
    return Finding("operations follow each other in time", len(rows), tuple(broken[:_EXAMPLES]))


def _check_voxels(folder: DatastackFolder, base: BaseGraph, progress: Progress) -> Finding:
    """Compare the supervoxels of the volume with those of the graph, voxel for voxel."""
    layout = base.layout
    reader = SupervoxelReader(folder.supervoxels, folder.scale)
    seen = np.zeros(len(base.sv_ids), dtype=np.int64)
    broken: list[str] = []
    chunks = list(itertools.product(*(range(n) for n in layout.grid)))
    for k, (x, y, z) in enumerate(chunks):
        x0, x1, y0, y1, z0, z1 = layout.chunk_bounds((x, y, z))
        ids, counts = np.unique(reader.read((x0, y0, z0), (x1, y1, z1)), return_counts=True)
        known = base.positions(ids[ids != 0])
        broken += _strangers(layout, ids[ids != 0], known, (x, y, z))
        seen[known[known >= 0]] += counts[ids != 0][known >= 0]
        progress("comparing supervoxels with voxels", (k + 1) / len(chunks))
    wrong = np.flatnonzero(seen != base.sv_sizes)
    broken += [
        f"{int(base.sv_ids[i])} has {seen[i]} voxels instead of {base.sv_sizes[i]}"
        for i in _few(wrong)
    ]
    return Finding("voxels and supervoxels agree", len(base.sv_ids), tuple(broken[:_EXAMPLES]))


def _strangers(
    layout: ChunkLayout, ids: Ids, known: NDArray[np.int64], chunk: tuple[int, int, int]
) -> list[str]:
    found = [f"the voxels hold {int(i)}, which the graph does not" for i in _few(ids[known < 0])]
    away = (layout.chunk_of(ids, 1) != chunk).any(axis=1)
    return found + [f"{int(i)} lies outside its chunk" for i in _few(ids[away])]


def _check_meshes(folder: DatastackFolder, state: GraphState, progress: Progress) -> Finding:
    """Look for the fragments of current nodes; those of new nodes may be under way."""
    meshes = MeshStore(folder)
    rows = np.unique(state.sv_l2)
    n_base = len(state.base.l2_ids)
    absent: list[int] = []
    for k, row in enumerate(rows):
        l2 = int(state.l2_ids[row])
        if not meshes.path_of(meshes.name_of(l2)).is_file():
            absent.append(int(row))
        if k % 10_000 == 0:
            progress("looking for meshes", k / len(rows))
    pending = [row for row in absent if row >= n_base]
    lost = [int(state.l2_ids[row]) for row in absent if row < n_base]
    return Finding(
        "meshes are present",
        len(rows),
        tuple(f"node {l2} has no fragment" for l2 in lost[:_EXAMPLES]),
        f"{len(pending)} nodes made by edits get theirs when first asked for" if pending else "",
    )


def _labels(n: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return np.asarray(label, dtype=np.int64)


def _differing(
    label: NDArray[np.int64], node: NDArray[np.generic], ids: Ids, what: str
) -> list[str]:
    """Name supervoxels whose component and node do not correspond one to one."""
    _, own = np.unique(node, return_inverse=True)
    broken = []
    for one, other, text in (
        (label, own, f"is connected with another {what}"),
        (own, label, f"is not connected with the rest of its {what}"),
    ):
        order = np.lexsort((other, one))
        same = one[order][1:] == one[order][:-1]
        split = same & (other[order][1:] != other[order][:-1])
        broken += [f"{int(i)} {text}" for i in _few(ids[order[1:][split]])]
    return broken


def _links(state: GraphState) -> Iterator[tuple[int, int]]:
    for old, later in state.history.successors.items():
        for new in later:
            yield old, new


def _is_root(state: GraphState, node: int) -> bool:
    return node >> 56 == state.base.layout.n_layers


def _few(values: NDArray[np.generic]) -> list[int]:
    return [int(v) for v in values[:_EXAMPLES].tolist()]
