"""Imagery read in aligned blocks that are kept, since slices of one place share them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Imagery
from connectome.greys import Stretch
from connectome.space import BoxNm, Cutout, Scale
from rendering.cache import ByteCache

__all__ = ["BlockImagery", "snapped"]

Index = tuple[int, int, int]


class BlockImagery:
    """Imagery that keeps the blocks it has read; microscopy does not change with edits.

    Parameters
    ----------
    imagery : Imagery
        Where blocks come from.
    cache : ByteCache
        Where they are kept.
    name : str
        The datastack, so that several may share a cache.
    edge : int
        Edge length of a block in voxels.
    """

    def __init__(
        self, imagery: Imagery, cache: ByteCache[NDArray[np.uint8]], name: str, edge: int = 64
    ) -> None:
        self._imagery = imagery
        self._cache = cache
        self._name = name
        self._edge = edge

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        return self._imagery.scales

    @property
    def stretch(self) -> Stretch | None:
        """How stored values became 8 bits, if they had to."""
        found: Stretch | None = getattr(self._imagery, "stretch", None)
        return found

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint8 voxels of the box cut at the volume's faces; see `Imagery.read`."""
        grid = self.scales[scale]
        first, last = grid.clip(box)
        data = np.empty(
            tuple(b - a for a, b in zip(first[::-1], last[::-1], strict=True)), np.uint8
        )
        ranges = [
            range(a // self._edge, -(-b // self._edge)) for a, b in zip(first, last, strict=True)
        ]
        for bx, by, bz in product(*ranges):
            low, block = self._block((bx, by, bz), scale)
            source, target = [], []
            for axis in (2, 1, 0):
                start = max(first[axis], low[axis])
                stop = min(last[axis], low[axis] + block.shape[2 - axis])
                source.append(slice(start - low[axis], stop - low[axis]))
                target.append(slice(start - first[axis], stop - first[axis]))
            data[tuple(target)] = block[tuple(source)]
        return Cutout(data, first, grid)

    def _block(self, block: Index, scale: int) -> tuple[Index, NDArray[np.uint8]]:
        """Return the first voxel (x, y, z) of a block and its voxels (zyx)."""
        grid, edge = self.scales[scale], self._edge
        low = [max(i * edge, o) for i, o in zip(block, grid.offset, strict=True)]

        def make() -> NDArray[np.uint8]:
            v = grid.voxel_nm
            lower = [i * edge * e for i, e in zip(block, v, strict=True)]
            upper = [(i + 1) * edge * e for i, e in zip(block, v, strict=True)]
            box = BoxNm((lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2]))
            return np.ascontiguousarray(self._imagery.read(box, scale).data)

        data = self._cache.get((self._name, scale, *block), make)
        return (low[0], low[1], low[2]), data


def snapped(box: BoxNm, step_nm: float) -> BoxNm:
    """Return the smallest box around this one whose faces lie on multiples of a length."""
    low = [math.floor(v / step_nm) * step_nm for v in box.lower]
    high = [math.ceil(v / step_nm) * step_nm for v in box.upper]
    return BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2]))
