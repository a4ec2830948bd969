"""Edges between touching supervoxels, and the nodes that they make at ingest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.offline.base import FAKE_AFFINITY, BaseGraph
from connectome.offline.ids import ChunkLayout
from connectome.offline.membranes import openness
from connectome.offline.partition import Supervoxels

__all__ = ["build_graph"]

_SLAB = 32
_LOWEST_AFFINITY = 1e-3
_NO_EM_AFFINITY = 0.5


@dataclass(frozen=True, eq=False)
class _Contacts:
    """Touching pairs (positions, a < b): area in nm² and mean openness, 0 to 255."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    area_nm2: NDArray[np.float64]
    openness: NDArray[np.float64]


def build_graph(
    supervoxels: Supervoxels,
    em: NDArray[np.uint8] | None,
    layout: ChunkLayout,
    voxel_nm: tuple[float, float, float],
    created_ms: int,
) -> BaseGraph:
    """Return the graph whose roots are exactly the segments.

    The affinity of a contact is the mean `openness` of the voxels on both sides of it, the
    share of the contact without a membrane, and at least 0.001. Without EM it is 0.5.
    Pieces of one original supervoxel in neighbouring chunks are joined by infinite affinity.
    Parts of a segment that do not touch are joined by one edge of `FAKE_AFFINITY` each, from
    the centres nearest to the segment's largest part.
    """
    free = None if em is None else openness(em, voxel_nm)
    contacts = _contacts(supervoxels.numbers, free, voxel_nm)
    key = layout.chunk_key(supervoxels.ids, 1)
    a, b = contacts.a, contacts.b
    cut = (supervoxels.originals[a] == supervoxels.originals[b]) & (key[a] != key[b])
    affinity = np.where(cut, np.inf, _affinity(contacts, free is not None)).astype(np.float32)
    active = supervoxels.segments[a] == supervoxels.segments[b]
    join_a, join_b = _joins(supervoxels, a[active], b[active], voxel_nm)
    a, b = np.append(a, join_a), np.append(b, join_b)
    affinity = np.append(affinity, np.full(len(join_a), FAKE_AFFINITY, dtype=np.float32))
    area = np.append(contacts.area_nm2, np.zeros(len(join_a))).astype(np.float32)
    active = np.append(active, np.ones(len(join_a), dtype=np.bool_))
    order = np.lexsort((b, a))
    a, b, active = a[order], b[order], active[order]
    inside = active & (key[a] == key[b])
    sv_l2 = _labels(len(supervoxels.ids), a[inside], b[inside])
    l2_first = np.unique(sv_l2, return_index=True)[1]
    root_labels, root_number = np.unique(supervoxels.segments, return_inverse=True)
    roots = layout.pack(layout.n_layers, np.zeros(3), np.arange(1, len(root_labels) + 1))
    return BaseGraph(
        layout=layout,
        created_ms=created_ms,
        sv_ids=supervoxels.ids,
        sv_sizes=supervoxels.sizes,
        sv_centers_nm=((supervoxels.centers + 0.5) * np.asarray(voxel_nm)).astype(np.float32),
        sv_l2=sv_l2.astype(np.int32),
        l2_ids=_l2_ids(supervoxels, l2_first, layout),
        l2_root=roots[root_number[l2_first]],
        root_labels=root_labels,
        edge_a=a.astype(np.int32),
        edge_b=b.astype(np.int32),
        edge_affinity=affinity[order],
        edge_area_nm2=area[order],
        edge_active=active,
    )


def _contacts(
    numbers: NDArray[np.uint32],
    free: NDArray[np.uint8] | None,
    voxel_nm: tuple[float, float, float],
) -> _Contacts:
    """Return every pair of supervoxels that share a voxel face."""
    n = int(numbers.max()) + 1
    x, y, z = voxel_nm
    face = {0: x * y, 1: x * z, 2: y * z}
    parts: list[NDArray[np.float64]] = []
    keys: list[NDArray[np.int64]] = []
    for start in range(0, numbers.shape[0], _SLAB):
        # One plane of overlap, so that contacts across slabs along z are seen once.
        here = slice(start, start + _SLAB)
        more = slice(start, start + _SLAB + 1)
        for axis in range(3):
            span = more if axis == 0 else here
            key, stats = _slab_contacts(
                numbers[span], None if free is None else free[span], axis, n
            )
            keys.append(key)
            parts.append(np.column_stack([stats, stats[:, 0] * face[axis]]))
    key, slot = np.unique(np.concatenate(keys), return_inverse=True)
    faces, total, area = (
        np.bincount(slot, column, len(key)).astype(np.float64) for column in np.concatenate(parts).T
    )
    return _Contacts(key // n - 1, key % n - 1, area, total / np.maximum(faces, 1))


def _slab_contacts(
    numbers: NDArray[np.uint32], free: NDArray[np.uint8] | None, axis: int, n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return keys a * n + b and, for each, the faces and their summed openness."""
    steps = [
        tuple(slice(a, b) if k == axis else slice(None) for k in range(3))
        for a, b in ((None, -1), (1, None))
    ]
    low, high = numbers[steps[0]], numbers[steps[1]]
    where = np.flatnonzero((low != high) & (low != 0) & (high != 0))
    p, q = low.ravel()[where].astype(np.int64), high.ravel()[where].astype(np.int64)
    key, slot = np.unique(np.minimum(p, q) * n + np.maximum(p, q), return_inverse=True)
    stats = np.zeros((len(key), 2))
    stats[:, 0] = np.bincount(slot, minlength=len(key))
    if free is not None:
        near, far = free[steps[0]].ravel()[where], free[steps[1]].ravel()[where]
        stats[:, 1] = np.bincount(slot, (near.astype(np.float64) + far) / 2, minlength=len(key))
    return key, stats


def _affinity(contacts: _Contacts, measured: bool) -> NDArray[np.float64]:
    if not measured:
        return np.full(len(contacts.a), _NO_EM_AFFINITY)
    return np.asarray(np.clip(contacts.openness / 255, _LOWEST_AFFINITY, 1.0), dtype=np.float64)


def _labels(n: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the connected component of each of 0 to n - 1, numbered by first member."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(n, n))
    _, found = connected_components(graph, directed=False)
    _, first, label = np.unique(found, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(rank[label], dtype=np.int64)


def _l2_ids(
    supervoxels: Supervoxels, first: NDArray[np.int64], layout: ChunkLayout
) -> NDArray[np.uint64]:
    """Return ids for the L2 nodes, numbered from 1 in each chunk, ascending."""
    chunks = layout.chunk_of(supervoxels.ids[first], 1)
    keys = layout.pack(2, chunks, np.zeros(len(first)))
    new_chunk = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    start = np.flatnonzero(new_chunk)
    number = np.arange(len(keys)) - np.repeat(start, np.diff(np.append(start, len(keys)))) + 1
    return keys + number.astype(np.uint64)


def _joins(
    supervoxels: Supervoxels,
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    voxel_nm: tuple[float, float, float],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return edges that join the parts of each segment to its largest part."""
    from scipy.spatial import KDTree

    part = _labels(len(supervoxels.ids), a, b)
    part_size = np.bincount(part, supervoxels.sizes)
    part_segment = supervoxels.segments[np.unique(part, return_index=True)[1]]
    names, n_parts = np.unique(part_segment, return_counts=True)
    by_part = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[by_part], np.arange(len(part_size) + 1))
    points = supervoxels.centers * np.asarray(voxel_nm)
    pairs: list[tuple[int, int]] = []
    for name in names[n_parts > 1]:
        own = np.flatnonzero(part_segment == name)
        main = int(own[np.argmax(part_size[own])])
        body = by_part[bounds[main] : bounds[main + 1]]
        tree = KDTree(points[body])
        for other in own[own != main]:
            loose = by_part[bounds[other] : bounds[other + 1]]
            found = tree.query(points[loose])
            distance, nearest = np.asarray(found[0]), np.asarray(found[1], dtype=np.int64)
            k = int(np.argmin(distance))
            i, j = int(loose[k]), int(body[nearest[k]])
            pairs.append((min(i, j), max(i, j)))
    joined = np.asarray(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return joined[:, 0], joined[:, 1]
