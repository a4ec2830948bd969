"""The paths through one piece of an object; see `connectome.tracing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from connectome.tracing import TracedVolume

__all__ = ["Tree"]

_DEEP_NM = 500.0
"""From this depth on a way is as good as one in the middle."""
_BEYOND_NM = 40.0
"""About how far a knot reaches beyond its deepest voxel."""

Ints = NDArray[np.int32]


class Tree:
    """The paths of one piece."""

    def __init__(self, volume: TracedVolume, piece: int) -> None:
        self.volume, self.settings, self.piece = volume, volume.settings, piece
        self.targets = list(volume.borders.get(piece, ()))
        self.paths: list[Ints] = []
        self._least = float(volume.voxel.min())
        self._deep = np.float32(min(_DEEP_NM, float(volume.deepest[piece])))
        self._steepest = max(1.0, float(self._deep) / self._least) ** 2
        self._soma_nm = 0.0

    def grow(self) -> list[Ints]:
        """Return the paths."""
        volume, root = self.volume, self._root()
        self.root, knot = root, int(volume.knot[root])
        order = volume.own.order[: self._reach(knot, deep=False)].copy()
        self._reach(knot, deep=True)
        volume.gone[knot] = self.volume.kernels.ON_PATH
        volume.used[[root, volume.center[knot]]] = 1
        if root != volume.center[knot]:
            self.paths.append(np.array([volume.center[knot], root], np.int32))
        if self._soma_nm:
            self._cover(np.array([knot], np.int32), self._soma_nm)
        for voxel in self.targets:
            if volume.gone[volume.knot[voxel]] != self.volume.kernels.ON_PATH:
                self._draw(voxel)
        left = len(order)
        while left := volume.kernels.choose(order, left, volume.gone):
            self._draw(self._tip(int(order[left - 1])))
        if len(order) == 1:
            self._draw(self._far(knot, root))
        self._leave(order)
        return self.paths

    def _leave(self, knots: Ints) -> None:
        """Leave everything as it was, so that the piece can be traced again."""
        volume = self.volume
        volume.gone[knots] = volume.marks[knots] = 0
        for path in self.paths:
            volume.used[path] = 0

    def _root(self) -> int:
        """Return the voxel where the tree begins: in a soma, on the volume's face, or at a tip."""
        volume = self.volume
        some = int(volume.a_knot[self.piece])
        if self.targets and volume.deepest[self.piece] < self.settings.soma_nm:
            return self.targets.pop()
        count = self._reach(some, deep=False)
        knots = volume.own.order[:count]
        deepest = int(knots[volume.depth[knots].argmax()])
        radius = float(volume.depth[deepest])
        if radius >= self.settings.soma_nm:
            self._soma_nm = self.settings.soma_scale * radius + self.settings.soma_const_nm
            return int(volume.center[deepest])
        return self._tip(int(knots[-1]))

    def _reach(self, knot: int, *, deep: bool) -> int:
        """Find the ways from a knot to all others of the piece; return how many there are."""
        volume = self.volume
        deepest = self._deep if deep else np.float32(0)
        farthest = 2 * volume.cell_nm * (self._steepest if deep else 1)
        count: int = volume.kernels.spread(
            volume.starts,
            volume.near,
            volume.links,
            volume.places,
            volume.depth,
            deepest,
            knot,
            np.float32(self._least),
            np.float32(farthest),
            volume.reached,
            volume.parents,
            volume.came,
            volume.own.order,
        )
        volume.kernels.clear(volume.own.order, count, volume.reached)
        return count

    def _tip(self, knot: int) -> int:
        """Return the voxel of a knot that lies farthest from where its way comes from."""
        before = int(self.volume.parents[knot])
        return self._far(knot, int(self.volume.center[before if before >= 0 else knot]))

    def _far(self, knot: int, voxel: int) -> int:
        volume = self.volume
        place = volume.positions(np.array([voxel]))[0] + volume.voxel
        plane, width, _ = volume.strides
        found: int = volume.kernels.farthest(
            knot,
            int(volume.center[knot]),
            place,
            volume.knot,
            volume.steps,
            plane,
            width,
            volume.voxel,
            volume.seen,
            volume.own.voxels,
        )
        return int(found)

    def _draw(self, tip: int) -> None:
        """Draw the path from a voxel to what is drawn already."""
        volume = self.volume
        knots, voxels = volume.kernels.way_home(
            int(volume.knot[tip]),
            volume.gone,
            volume.parents,
            volume.came,
            volume.center,
            volume.gate,
            volume.used,
            volume.own.path,
            volume.own.walked,
        )
        path = volume.own.walked[:voxels]
        if not volume.used[tip]:
            path = np.concatenate([np.array([tip], np.int32), path])
            volume.used[tip] = 1
        self.paths.append(path.copy())
        self._cover(volume.own.path[:knots], None)

    def _cover(self, knots: Ints, reach_nm: float | None) -> None:
        volume, settings = self.volume, self.settings
        if reach_nm is None:
            reach = volume.depth[knots] * settings.scale + settings.const_nm - _BEYOND_NM
            reach = np.maximum(reach, 0.0).astype(np.float32)
        else:
            reach = np.full(len(knots), reach_nm, np.float32)
        volume.kernels.cover(
            knots,
            reach,
            volume.starts,
            volume.near,
            volume.places,
            volume.marks,
            volume.gone,
            volume.own.queue,
            volume.own.source,
        )
