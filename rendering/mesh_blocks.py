"""A mesh in small blocks of neighbouring faces, so that its part near a site is found fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Mesh
from connectome.space import PointNm

__all__ = ["MeshBlocks", "Part"]

_BLOCK_FACES = 2048
"""Small enough that a box takes in few needless faces, large enough that blocks are few."""
_BITS = 10
"""Of each coordinate along the curve."""

_SPREADING = ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249))

_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True)
class Part:
    """Faces near a site.

    Parameters
    ----------
    positions : ndarray, shape (n, 3), float32
        Vertices xyz in nm relative to the site.
    normals : ndarray, shape (n, 3), float32
    faces : ndarray, shape (m, 3), int32
    """

    positions: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True)
class MeshBlocks:
    """A mesh whose faces follow a space-filling curve, cut into blocks of their own vertices.

    Parameters
    ----------
    vertices_nm, normals : ndarray, shape (n, 3), float32
        Block after block; a vertex that two blocks use is there twice.
    faces : ndarray, shape (m, 3), int32
        Block after block, numbered within the block.
    vertex_starts, face_starts : ndarray, shape (blocks + 1,), int64
        Where each block begins.
    lower, upper : ndarray, shape (blocks, 3), float32
        The box around each block in nm.
    """

    vertices_nm: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    vertex_starts: NDArray[np.int64]
    face_starts: NDArray[np.int64]
    lower: NDArray[np.float32]
    upper: NDArray[np.float32]

    @classmethod
    def of(cls, mesh: Mesh, normals: NDArray[np.float32]) -> MeshBlocks:
        """Return the blocks of a mesh that has faces."""
        faces = mesh.faces[_along_curve(mesh)]
        count = len(mesh.vertices_nm)
        number = np.empty(count, np.int32)
        kept, renumbered = [], []
        for start in range(0, len(faces), _BLOCK_FACES):
            block = faces[start : start + _BLOCK_FACES]
            used = _first_uses(block.ravel(), number)
            number[used] = np.arange(len(used), dtype=np.int32)
            kept.append(used)
            renumbered.append(number[block])
        order = np.concatenate(kept)
        vertices = mesh.vertices_nm[order]
        vertex_starts = np.cumsum([0, *(len(used) for used in kept)])
        return cls(
            vertices,
            normals[order],
            np.concatenate(renumbered),
            vertex_starts,
            np.cumsum([0, *(len(block) for block in renumbered)]),
            np.minimum.reduceat(vertices, vertex_starts[:-1]),
            np.maximum.reduceat(vertices, vertex_starts[:-1]),
        )

    @property
    def nbytes(self) -> int:
        """What it weighs in memory."""
        arrays = (self.vertices_nm, self.normals, self.faces, self.vertex_starts)
        more = (self.face_starts, self.lower, self.upper)
        return sum(array.nbytes for array in (*arrays, *more))

    def crop(self, center_nm: PointNm, half_extent_nm: float) -> Part:
        """Return the faces whose bounding boxes meet the cube around a site.

        A face stays whole, so the cut leaves no jagged rim inside the cube and a triangle
        larger than the cube is not lost. Open ends stay open: no lid is added.
        """
        low = np.asarray(center_nm) - half_extent_nm
        high = np.asarray(center_nm) + half_extent_nm
        meets = ((self.lower <= high) & (self.upper >= low)).all(axis=1)
        inside = ((self.lower >= low) & (self.upper <= high)).all(axis=1)
        # Only the blocks that the cube cuts have to be looked at face by face.
        rim = self._take(np.flatnonzero(meets & ~inside), center_nm)
        rim = _compact(rim, _meeting(rim, half_extent_nm))
        if not inside.any():
            return rim
        whole = self._take(np.flatnonzero(inside), center_nm)
        return Part(
            np.concatenate([whole.positions, rim.positions]),
            np.concatenate([whole.normals, rim.normals]),
            np.concatenate([whole.faces, rim.faces + np.int32(len(whole.positions))]),
        )

    def _take(self, chosen: NDArray[np.intp], center_nm: PointNm) -> Part:
        """Return the faces of some blocks."""
        vertices = _gather(self.vertices_nm, self.vertex_starts, chosen)
        faces = _gather(self.faces, self.face_starts, chosen)
        counts = np.diff(self.vertex_starts)[chosen]
        starts = (counts.cumsum() - counts).astype(np.int32)
        faces += np.repeat(starts, np.diff(self.face_starts)[chosen])[:, None]
        # Float32 would lose whole nm at the far end of a large dataset.
        local = (vertices - np.asarray(center_nm, np.float64)).astype(np.float32)
        return Part(local, _gather(self.normals, self.vertex_starts, chosen), faces)


def _along_curve(mesh: Mesh) -> NDArray[np.intp]:
    """Return the order of the faces along a Z-shaped curve through space, shape (m,)."""
    low = mesh.vertices_nm.min(axis=0)
    edge = float((mesh.vertices_nm.max(axis=0) - low).max()) or 1.0
    grid = ((mesh.vertices_nm - low) * np.float32(((1 << _BITS) - 1) / edge)).astype(np.uint32)
    x, y, z = (_spread(grid[:, axis]) for axis in range(3))
    code = x | y << np.uint32(1) | z << np.uint32(2)
    # A face lies where its first vertex lies: it is small against a block.
    return np.argsort(code[mesh.faces[:, 0]], kind="stable")


def _spread(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return numbers of 10 bits with two zero bits before each bit."""
    spread = values
    for shift, mask in _SPREADING:
        spread = (spread | spread << np.uint32(shift)) & np.uint32(mask)
    return spread


def _first_uses(uses: NDArray[np.uint32], scratch: NDArray[np.int32]) -> NDArray[np.uint32]:
    """Return every vertex of a list once, without sorting it."""
    turns = np.arange(len(uses), dtype=np.int32)
    scratch[uses] = turns
    firsts: NDArray[np.uint32] = uses[scratch[uses] == turns]
    return firsts


def _gather(rows: NDArray[_T], starts: NDArray[np.int64], chosen: NDArray[Any]) -> NDArray[_T]:
    """Return the rows of the chosen blocks; neighbours on the curve are copied in one go."""
    if not len(chosen):
        return rows[:0].copy()
    breaks = np.flatnonzero(np.diff(chosen) != 1) + 1
    runs = np.split(chosen, breaks)
    return np.concatenate([rows[starts[run[0]] : starts[run[-1] + 1]] for run in runs])


def _meeting(part: Part, half_extent_nm: float) -> NDArray[np.int32]:
    """Return the faces that do not lie wholly beyond one side of the cube."""
    codes = np.zeros(len(part.positions), np.uint8)
    for axis in range(3):
        column = part.positions[:, axis]
        codes |= (column < -half_extent_nm).astype(np.uint8) << (2 * axis)
        codes |= (column > half_extent_nm).astype(np.uint8) << (2 * axis + 1)
    a, b, c = codes[part.faces[:, 0]], codes[part.faces[:, 1]], codes[part.faces[:, 2]]
    kept: NDArray[np.int32] = part.faces[(a & b & c) == 0]
    return kept


def _compact(part: Part, faces: NDArray[np.int32]) -> Part:
    """Return these faces with the vertices that they use."""
    used = np.zeros(len(part.positions), np.bool_)
    used[faces] = True
    number = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return Part(part.positions[used], part.normals[used], number[faces])
