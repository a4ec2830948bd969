"""A skeleton in the formats of the skeleton service: flat JSON, SWC, precomputed."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from connectome.graph import Ids

__all__ = ["KeptSkeleton", "flat_json", "precomputed", "precomputed_info", "swc"]

_UNKNOWN = 0
"""SWC's compartment of what has not been told apart."""


@dataclass(frozen=True, eq=False)
class KeptSkeleton:
    """The skeleton of a root and how its L2 nodes lie along it.

    Parameters
    ----------
    root : int
        The object.
    vertices : ndarray, shape (n, 3), float32
        Positions (x, y, z) in nm.
    edges : ndarray, shape (m, 2), uint32
        Pairs of vertices.
    radius : ndarray, shape (n,), float32
        In nm.
    lvl2_ids : ndarray, shape (k,), uint64
        The L2 nodes of the object, ascending.
    mesh_to_skel_map : ndarray, shape (k,), int64
        The vertex nearest to each L2 node's representative point.
    """

    root: int
    vertices: NDArray[np.float32]
    edges: NDArray[np.uint32]
    radius: NDArray[np.float32]
    lvl2_ids: Ids
    mesh_to_skel_map: NDArray[np.int64]

    @cached_property
    def start(self) -> int:
        """The thickest vertex, from which the others are counted."""
        return int(self.radius.argmax())


def flat_json(skeleton: KeptSkeleton) -> bytes:
    """Return the service's ``flatdict``: JSON, packed with gzip."""
    record = {
        "meta": {"root_id": skeleton.root, "skeleton_type": "kimimaro"},
        "root": skeleton.start,
        "vertices": skeleton.vertices.tolist(),
        "edges": skeleton.edges.tolist(),
        "radius": skeleton.radius.tolist(),
        "compartment": [_UNKNOWN] * len(skeleton.vertices),
        "lvl2_ids": skeleton.lvl2_ids.tolist(),
        "mesh_to_skel_map": skeleton.mesh_to_skel_map.tolist(),
    }
    return gzip.compress(json.dumps(record).encode(), mtime=0)


def swc(skeleton: KeptSkeleton) -> bytes:
    """Return lines ``id type x y z radius parent`` in micrometres, parents first.

    As in the production ids start at 0, there is no header, and -1 is no parent. Each
    connected piece begins at its thickest vertex.
    """
    order, parent = _walk(skeleton)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    lines = []
    for k, vertex in enumerate(order.tolist()):
        x, y, z = (skeleton.vertices[vertex].astype(np.float64) / 1000).tolist()
        radius = float(skeleton.radius[vertex]) / 1000
        above = int(number[parent[vertex]]) if parent[vertex] >= 0 else -1
        lines.append(f"{k} {_UNKNOWN} {x:.6g} {y:.6g} {z:.6g} {radius:.6g} {above}\n")
    return "".join(lines).encode()


def precomputed_info(*, wide: bool) -> dict[str, object]:
    """Return the ``info`` of skeletons that `precomputed` writes."""
    kinds = {"radius": "float32", "compartment": "float32" if wide else "uint8"}
    return {
        "@type": "neuroglancer_skeletons",
        "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
        "vertex_attributes": [
            {"id": name, "data_type": kind, "num_components": 1} for name, kind in kinds.items()
        ],
    }


def precomputed(skeleton: KeptSkeleton, *, wide: bool) -> bytes:
    """Return Neuroglancer's binary skeleton.

    Its shaders want compartments as floats (`wide`); the newest version of the service's
    format has bytes.
    """
    counts = np.asarray([len(skeleton.vertices), len(skeleton.edges)], dtype="<u4")
    parts = (
        counts,
        skeleton.vertices.astype("<f4"),
        skeleton.edges.astype("<u4"),
        skeleton.radius.astype("<f4"),
        np.full(len(skeleton.vertices), _UNKNOWN, dtype="<f4" if wide else np.uint8),
    )
    return b"".join(part.tobytes() for part in parts)


def _walk(skeleton: KeptSkeleton) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all vertices, parents before children, and the parent of each, -1 for none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    n = len(skeleton.vertices)
    a, b = skeleton.edges.T.astype(np.int64)
    links = coo_array((np.ones(len(a)), (a, b)), shape=(n, n)).tocsr()
    parent = np.full(n, -1, dtype=np.int64)
    seen = np.zeros(n, dtype=np.bool_)
    parts = []
    for start in np.argsort(-skeleton.radius, kind="stable").tolist():
        if not seen[start]:
            found, above = breadth_first_order(links, start, directed=False)
            parent[found[1:]] = above[found[1:]]
            seen[found] = True
            parts.append(found.astype(np.int64))
    return np.concatenate(parts), parent
