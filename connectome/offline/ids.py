"""64-bit node ids of a chunked graph: layer, chunk and number in one integer.

From the highest bit down an id holds the layer (8 bits), the chunk's x, y and z
(as many bits each as the layer needs) and the node's number in its chunk, as in the
production's chunked graph. Layer 1 are supervoxels, layer 2 their connected
components inside one chunk, and the highest layer holds the roots.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from connectome.errors import InputError
from connectome.graph import Ids

__all__ = ["LAYER_BITS", "SPATIAL_BITS", "ChunkLayout", "chunk_size_for", "layer_of"]

LAYER_BITS = 8
SPATIAL_BITS = 10
"""Bits per axis in layers 1 and 2, so at most 1,024 chunks along an axis."""


def layer_of(ids: ArrayLike) -> NDArray[np.int64]:
    """Return the layer of each id, same shape as ``ids``."""
    layers = np.asarray(ids, dtype=np.uint64) >> np.uint64(64 - LAYER_BITS)
    return layers.astype(np.int64)


def chunk_size_for(resolution_nm: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return a chunk size (x, y, z) in voxels: powers of two, roughly a cube in nm.

    Isotropic volumes get 64 x 64 x 64.
    """
    side_nm = 64 * math.prod(resolution_nm) ** (1 / 3)
    x, y, z = (2 ** min(8, max(4, round(math.log2(side_nm / r)))) for r in resolution_nm)
    return (x, y, z)


@dataclass(frozen=True)
class ChunkLayout:
    """How a volume is cut into chunks and how ids are packed.

    Parameters
    ----------
    chunk_size : tuple of int
        Voxels (x, y, z) of a chunk of layers 1 and 2.
    shape : tuple of int
        Voxels (x, y, z) of the volume.
    """

    chunk_size: tuple[int, int, int]
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or min(self.chunk_size) < 1:
            raise InputError("The volume has no voxels.", "Give arrays with at least one voxel.")
        if max(self.grid) > 2**SPATIAL_BITS:
            raise InputError(
                f"The volume needs {max(self.grid)} chunks along one axis; 1,024 are possible.",
                "Cut the volume into blocks and ingest them one by one.",
            )

    @cached_property
    def grid(self) -> tuple[int, int, int]:
        """Number of chunks (x, y, z)."""
        x, y, z = (-(-s // c) for s, c in zip(self.shape, self.chunk_size, strict=True))
        return (x, y, z)

    @cached_property
    def n_layers(self) -> int:
        """The layer of the roots, at least 3."""
        return max(3, math.ceil(math.log2(max(self.grid))) + 2)

    @cached_property
    def spatial_bits(self) -> Mapping[int, int]:
        """Bits per axis for each layer."""
        upper = {n: max(1, self.n_layers - n) for n in range(3, self.n_layers + 1)}
        return {1: SPATIAL_BITS, 2: SPATIAL_BITS} | upper

    def segment_bits(self, layer: int) -> int:
        """Return how many of the lowest bits number the nodes of one chunk."""
        return 64 - LAYER_BITS - 3 * self.spatial_bits[layer]

    def pack(self, layer: int, chunk: ArrayLike, segment: ArrayLike) -> Ids:
        """Return ids for chunks (..., 3) as (x, y, z) and numbers (...) in them.

        Raises
        ------
        InputError
            If a chunk coordinate or number does not fit its bits.
        """
        xyz = np.asarray(chunk, dtype=np.uint64)
        number = np.asarray(segment, dtype=np.uint64)
        bits, low = self.spatial_bits[layer], self.segment_bits(layer)
        if (xyz >> np.uint64(bits)).any() or (number >> np.uint64(low)).any():
            raise InputError(f"A chunk or number does not fit an id of layer {layer}.")
        place = [np.uint64(low + k * bits) for k in (2, 1, 0)]
        packed = np.uint64(layer << (64 - LAYER_BITS)) | number
        for axis in range(3):
            packed = packed | (xyz[..., axis] << place[axis])
        return np.asarray(packed, dtype=np.uint64)

    def chunk_of(self, ids: ArrayLike, layer: int) -> NDArray[np.int64]:
        """Return the chunk (x, y, z) of ids of one layer, shape (..., 3)."""
        values = np.asarray(ids, dtype=np.uint64)
        bits, low = self.spatial_bits[layer], self.segment_bits(layer)
        mask = np.uint64(2**bits - 1)
        parts = [(values >> np.uint64(low + k * bits)) & mask for k in (2, 1, 0)]
        return np.stack(parts, axis=-1).astype(np.int64)

    def segment_of(self, ids: ArrayLike, layer: int) -> Ids:
        """Return the number of each id in its chunk, for ids of one layer."""
        mask = np.uint64(2 ** self.segment_bits(layer) - 1)
        return np.asarray(ids, dtype=np.uint64) & mask

    def chunk_key(self, ids: ArrayLike, layer: int) -> Ids:
        """Return the ids with their number set to zero: equal within a chunk and layer."""
        values = np.asarray(ids, dtype=np.uint64)
        low = np.uint64(self.segment_bits(layer))
        return (values >> low) << low

    def parent_chunk(self, chunk: ArrayLike, layer: int) -> NDArray[np.int64]:
        """Return the chunk (..., 3) of layer ``layer + 1`` that holds a chunk of ``layer``.

        Layers 1 and 2 share their chunks; above, eight chunks make one.
        """
        xyz = np.asarray(chunk, dtype=np.int64)
        return xyz if layer == 1 else xyz >> 1

    def chunk_bounds(self, chunk: tuple[int, int, int]) -> tuple[int, int, int, int, int, int]:
        """Return the voxels x0, x1, y0, y1, z0, z1 of a chunk, cut at the volume's faces."""
        low = [c * s for c, s in zip(chunk, self.chunk_size, strict=True)]
        high = [min(a + s, n) for a, s, n in zip(low, self.chunk_size, self.shape, strict=True)]
        return (low[0], high[0], low[1], high[1], low[2], high[2])

    def chunks_meeting(
        self, bounds: tuple[int, int, int, int, int, int]
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Return the first and past-the-end chunk (x, y, z) that meet a box of voxels.

        An empty or outside box gives an empty range.
        """
        x0, x1, y0, y1, z0, z1 = bounds
        first, last = [], []
        for low, high, size, count in zip(
            (x0, y0, z0), (x1, y1, z1), self.chunk_size, self.grid, strict=True
        ):
            first.append(min(max(0, low // size), count))
            last.append(max(first[-1], min(count, -(-high // size))))
        return (first[0], first[1], first[2]), (last[0], last[1], last[2])
