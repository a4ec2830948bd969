"""Skeletons of the objects of a whole volume, after TEASAR (Sato et al. 2000).

The tree of an object is grown among *knots*, the connected parts of objects within the
cells of a grid: a volume has many times fewer of these than voxels, and no step depends on
how large a box an object spans. Paths go from the farthest part that has none to a path
that is there already, and what lies around a path needs none of its own. They lead through
the deepest voxel of each knot and the deepest between each two, so that they follow the
middle and narrow places stay narrow.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.trace_tree import Tree

__all__ = ["TracedVolume", "Tracing"]

CELL_NM = 80.0
_CELL_VOXELS = 4
"""About the edge of a cell, and its least number of voxels."""
Ints = NDArray[np.int32]
Labels = NDArray[np.unsignedinteger[Any]]
Voxel = tuple[float, float, float]


@dataclass(frozen=True)
class Tracing:
    """How paths are drawn.

    Parameters
    ----------
    scale, const_nm : float
        A path clears what lies within ``scale * radius + const_nm`` around it.
    soma_nm : float
        An object of this radius has a soma, from whose middle all its paths start.
    soma_scale, soma_const_nm : float
        What the middle of a soma clears.
    """

    scale: float = 1.5
    const_nm: float = 300.0
    soma_nm: float = 3500.0
    soma_scale: float = 2.0
    soma_const_nm: float = 300.0


@dataclass(frozen=True, eq=False)
class _Scratch:
    """Room for the longest lists of knots and voxels."""

    order: Ints
    queue: Ints
    source: Ints
    path: Ints
    walked: Ints
    voxels: Ints

    @classmethod
    def of(cls, knots: int, voxels: int) -> _Scratch:
        lengths = (*[knots + 1] * 4, 2 * knots + 2, voxels + 1)
        order, queue, source, path, walked, room = (np.empty(n, np.int32) for n in lengths)
        return cls(order, queue, source, path, walked, room)


class TracedVolume:
    """A volume, prepared so that its pieces can be traced one by one.

    Voxels are numbered through a volume with a rim of background, one voxel wide.

    Parameters
    ----------
    labels : ndarray, shape (z, y, x)
        Unsigned ids; 0 is background.
    voxel_nm : tuple of float
        Edge lengths (x, y, z) of a voxel in nm.
    threads : int
        How many prepare it.
    """

    def __init__(
        self,
        labels: Labels,
        voxel_nm: Voxel,
        settings: Tracing | None = None,
        *,
        threads: int = 1,
    ) -> None:
        import cc3d
        import edt

        self.settings, self.threads = settings or Tracing(), threads
        self.kernels: Any = import_module("connectome.trace_kernels")
        self.voxel = np.array(voxel_nm[::-1], np.float64)
        found = cc3d.connected_components(labels, connectivity=26, out_dtype=np.uint32)
        self.borders = _border_voxels(found, self.voxel)
        depth = edt.edt(
            found, anisotropy=tuple(self.voxel), black_border=False, parallel=self.threads
        )
        self.shape = tuple(n + 2 for n in found.shape)
        self.piece = np.pad(found.view(np.int32), 1)
        self.radii: NDArray[np.float32] = np.pad(depth, 1).ravel()
        ways = np.array([w for w in itertools.product((-1, 0, 1), repeat=3) if any(w)], np.int64)
        self._ways = ways
        self.steps = (ways @ self.strides).astype(np.int32)
        self._knot()
        self.piece = self.piece.ravel()
        self._survey(labels)
        self._make_scratch()

    @property
    def strides(self) -> NDArray[np.int64]:
        """How far apart neighbours are along z, y and x."""
        _, height, width = self.shape
        return np.array([height * width, width, 1], np.int64)

    def positions(self, voxels: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """Return the voxels' lower corners (n, 3), zyx in nm from the volume's first corner."""
        zyx = np.stack(np.unravel_index(voxels, self.shape), axis=1) - 1
        return np.asarray(zyx * self.voxel)

    # Knots, and which of them touch.

    def _knot(self) -> None:
        import cc3d

        edges = [max(_CELL_VOXELS, round(CELL_NM / length)) for length in self.voxel]
        cells = [np.arange(n) // edge for n, edge in zip(self.shape, edges, strict=True)]
        self.cell_nm = float(np.linalg.norm(np.array(edges) * self.voxel))
        z, y, x = (cell.astype(np.uint32) % 2 for cell in cells)
        # Cells of one parity never touch, so that parts in two cells stay two parts.
        parted = self.piece.view(np.uint32) * np.uint32(8)
        parted += (4 * z)[:, None, None] + (2 * y)[:, None] + x
        parted[self.piece == 0] = 0
        knots = cc3d.connected_components(parted, connectivity=26, out_dtype=np.uint32)
        self.knot: Ints = knots.view(np.int32).ravel()
        count = int(self.knot.max(initial=0)) + 1
        self.knot_voxels, self.knot_piece, self.center = np.zeros((3, count), np.int32)
        self.kernels.measure(
            self.knot,
            self.piece.ravel(),
            self.radii,
            int(self.strides[0]),
            int(self.strides[1]),
            self.voxel,
            self.knot_voxels,
            self.knot_piece,
            np.zeros((count, 3)),
            self.center,
        )
        self.places = self.positions(self.center).astype(np.float32)
        self.depth = np.maximum(self.radii[self.center], np.float32(1e-3))
        self._link(cells, count)

    def _link(self, cells: list[NDArray[np.int64]], count: int) -> None:
        grid = np.zeros((3, max(self.shape)), np.int32)
        for axis, cell in enumerate(cells):
            grid[axis, : len(cell)] = cell
        last = np.full((count, 27), -1, np.int32)
        # Whole cells, so that no two threads meet the same knot.
        starts = np.flatnonzero(np.diff(cells[0], prepend=-1))
        bounds = starts[np.linspace(0, len(starts), self.threads + 1).astype(int)[:-1]].tolist()
        bounds = [max(1, low) for low in bounds] + [self.shape[0] - 1]
        with ThreadPoolExecutor(self.threads) as pool:
            parts = list(
                pool.map(lambda planes: self._links(grid, last, planes), itertools.pairwise(bounds))
            )
        ends, gates = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        self.gate: Ints = gates
        self.starts = np.zeros(count + 2, np.int32)
        self.near, self.links = np.empty((2, 2 * len(ends)), np.int32)
        self.kernels.index(ends, len(ends), self.starts, self.near, self.links)

    def _links(self, grid: Ints, last: Ints, planes: tuple[int, int]) -> tuple[Ints, Ints]:
        room = 16 * len(last) // self.threads
        while True:
            ends, gate = np.empty((room, 2), np.int32), np.empty(room, np.int32)
            found = self.kernels.link(
                self.knot,
                self.piece.ravel(),
                self.radii,
                self.shape,
                grid,
                self._ways,
                planes,
                last,
                ends,
                gate,
            )
            if found <= room:
                return ends[:found], gate[:found]
            room = found
            last[self._knots_in(planes)] = -1

    def _knots_in(self, planes: tuple[int, int]) -> Ints:
        _, height, width = self.shape
        low, high = (plane * height * width for plane in planes)
        return np.unique(self.knot[low:high])

    # Pieces.

    def _survey(self, labels: Labels) -> None:
        """Find of each piece its size, its object and its knots."""
        count = int(self.knot_piece.max(initial=0)) + 1
        self.voxels = np.bincount(self.knot_piece, self.knot_voxels, count).astype(np.int64)
        first = np.zeros(count, np.int64)
        # By place: the numbers of knots depend on what else is in the volume.
        backwards = np.argsort(self.center, kind="stable")[::-1]
        first[self.knot_piece[backwards]] = backwards
        self.a_knot = first
        at = np.stack(np.unravel_index(self.center[first], self.shape)) - 1
        self.deepest = np.zeros(count, np.float32)
        np.maximum.at(self.deepest, self.knot_piece, self.depth)
        self.labels = labels[tuple(np.maximum(at, 0))]

    def _make_scratch(self) -> None:
        voxels, knots = len(self.knot), len(self.center)
        # Pieces share no knot and no voxel, so that threads may share these.
        self.reached = np.full(knots, np.inf, np.float32)
        self.parents, self.came, self.marks = np.zeros((3, knots), np.int32)
        self.gone = np.zeros(knots, np.uint8)
        self.seen, self.used = np.zeros((2, voxels), np.uint8)
        self._own = threading.local()

    @property
    def own(self) -> _Scratch:
        """The scratch space of this thread."""
        if not hasattr(self._own, "scratch"):
            most = int(np.bincount(self.knot_piece[1:], minlength=1).max(initial=0))
            self._own.scratch = _Scratch.of(most, int(self.knot_voxels[1:].max(initial=0)))
        scratch: _Scratch = self._own.scratch
        return scratch

    def objects(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each object and its pieces, the largest object first."""
        found: dict[int, list[int]] = {}
        for piece in range(1, len(self.voxels)):
            found.setdefault(int(self.labels[piece]), []).append(piece)
        sizes = {root: int(self.voxels[pieces].sum()) for root, pieces in found.items()}
        for root in sorted(found, key=lambda root: (-sizes[root], root)):
            yield root, found[root]

    def trace(self, piece: int) -> list[Ints]:
        """Return the paths of a piece, each a list of voxels about half a cell apart.

        A path ends on a voxel of one before it; the first ends on the root of the tree.
        Several threads may trace pieces of one volume.
        """
        return Tree(self, piece).grow()


def _border_voxels(pieces: Labels, voxel: NDArray[np.float64]) -> dict[int, list[int]]:
    """Return for each piece the middles of its patches on the volume's faces, as voxels.

    Whoever continues the volume finds the neurite at the same place.
    """
    import cc3d
    import edt

    shape = tuple(n + 2 for n in pieces.shape)
    found: dict[int, set[int]] = {}
    for axis, end in itertools.product(range(3), (0, -1)):
        plane = np.ascontiguousarray(np.take(pieces, end, axis=axis))
        patches = cc3d.connected_components(plane, connectivity=8)
        across = tuple(np.delete(voxel, axis))
        depth = edt.edt(patches, anisotropy=across, black_border=True)
        for place in _deepest(patches, depth, np.array(across)):
            at = np.insert(np.array(place, np.int64), axis, pieces.shape[axis] - 1 if end else 0)
            piece = int(plane[place])
            found.setdefault(piece, set()).add(int(np.ravel_multi_index(tuple(at + 1), shape)))
    return {piece: sorted(voxels) for piece, voxels in found.items()}


def _deepest(
    patches: Labels, depth: NDArray[np.float32], lengths: NDArray[np.float64]
) -> list[tuple[int, ...]]:
    """Return the deepest place of each patch, of equals the one nearest to its centroid."""
    inside = np.nonzero(patches)
    patch = patches[inside].astype(np.int64)
    places = np.stack(inside, axis=1) * lengths
    sizes = np.maximum(np.bincount(patch), 1)
    middles = np.stack([np.bincount(patch, axis) / sizes for axis in places.T], axis=1)
    # Rounding keeps equals equal whatever else there is.
    apart = np.round(((places - middles[patch]) ** 2).sum(axis=1), 3)
    order = np.lexsort((np.arange(len(patch)), apart, -depth[inside], patch))
    first = order[np.flatnonzero(np.diff(patch[order], prepend=0))]
    return [tuple(place) for place in np.stack(inside, axis=1)[first].tolist()]
