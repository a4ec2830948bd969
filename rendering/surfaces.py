"""Meshes made ready to draw: checked, and cut down to what a view can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Mesh
from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from rendering.mesh_blocks import MeshBlocks
from rendering.spec import COLOR_A

__all__ = [
    "BrokenMeshError",
    "NotInViewError",
    "PartialMeshError",
    "Surface",
    "joined",
    "prepare",
    "prepared",
    "sound",
    "to_surface",
]


class BrokenMeshError(InputError):
    """A mesh that cannot be drawn: no faces, NaN vertices, or faces without vertices."""


class NotInViewError(InputError):
    """A mesh of which nothing reaches into the view."""


class PartialMeshError(InputError):
    """A mesh of which pieces are missing that would be seen.

    Parameters
    ----------
    missing : tuple of int
        The level-2 nodes without a surface.
    """

    def __init__(self, message: str, missing: tuple[int, ...]) -> None:
        super().__init__(message, "Wait until the server has made it, then try again.")
        self.missing = missing


@dataclass(frozen=True)
class Surface:
    """Triangles around a site.

    Parameters
    ----------
    positions : ndarray, shape (n, 3), float32
        Vertices xyz in nm relative to the centre of the site; float32 would lose
        whole nm at the far end of a large dataset.
    normals : ndarray, shape (n, 3), float32
    faces : ndarray, shape (m, 3), int32
    color : str
        ``#rrggbb``.
    missing : tuple of int
        The level-2 nodes that would be seen here and have no surface; such a surface is
        for people, who are told, and never for a judge.
    """

    positions: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    color: str = COLOR_A
    missing: tuple[int, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing of the mesh reaches the view."""
        return not len(self.faces)


def sound(mesh: Mesh) -> Mesh:
    """Return a mesh that can be drawn as it is.

    Raises
    ------
    BrokenMeshError
        If it has no faces, a face names a vertex that does not exist, or a vertex is no
        number.
    """
    _check(mesh.vertices_nm, mesh.faces)
    return mesh


def prepared(mesh: Mesh, detail_nm: float = 0.0) -> MeshBlocks:
    """Return a sound mesh with normals, simplified and sorted, to be cropped at many sites.

    Parameters
    ----------
    detail_nm : float
        Vertices in one cell of this grid become one, at their mean; 0 keeps all.

    """
    if detail_nm > 0:
        coarse = _cluster(mesh, detail_nm)
        # A body smaller than a cell would vanish; it has few faces anyway.
        mesh = coarse if len(coarse.faces) else mesh
    return MeshBlocks.of(mesh, _normals(mesh))


def joined(pieces: Sequence[Mesh]) -> Mesh:
    """Return pieces as one mesh in which vertices at the very same place are one.

    The fragments of a chunked graph repeat the vertices on the faces of their chunks;
    left apart, they would show a seam in the shading.
    """
    starts = np.cumsum([0, *(len(piece.vertices_nm) for piece in pieces[:-1])])
    vertices = np.concatenate([piece.vertices_nm for piece in pieces])
    faces = np.concatenate(
        [piece.faces + np.uint32(start) for piece, start in zip(pieces, starts, strict=True)]
    )
    _, first, number = np.unique(_place_keys(vertices), return_index=True, return_inverse=True)
    if not np.array_equal(vertices[first[number]], vertices):
        # Two places fell on one key: as good as never, and harmless if left apart.
        return Mesh(vertices, faces)
    return Mesh(vertices[first], number[faces].astype(np.uint32))


def _place_keys(vertices: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a number for each vertex that tells its place, shape (n,)."""
    # Adding zero makes -0.0 and 0.0 the same bits.
    bits = np.ascontiguousarray(vertices + np.float32(0)).view(np.uint32).astype(np.uint64)
    keys = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    keys ^= bits[:, 1] * np.uint64(0xC2B2AE3D27D4EB4F)
    keys ^= bits[:, 2] * np.uint64(0x165667B19E3779F9)
    return keys


def to_surface(
    blocks: MeshBlocks,
    center_nm: PointNm,
    half_extent_nm: float,
    color: str = COLOR_A,
    missing: tuple[int, ...] = (),
) -> Surface:
    """Return the part of a mesh in the cube around a site, relative to its centre."""
    part = blocks.crop(center_nm, half_extent_nm)
    return Surface(part.positions, part.normals, part.faces, color, missing)


def prepare(mesh: Mesh, box: BoxNm, cell_nm: float = 0.0) -> MeshBlocks:
    """Return a mesh of which the part in a box is wanted; see `sound` and `prepared`."""
    del box  # `to_surface` crops.
    return prepared(sound(mesh), cell_nm)


def _cluster(mesh: Mesh, cell_nm: float) -> Mesh:
    cells = np.floor(mesh.vertices_nm.astype(np.float64) / cell_nm).astype(np.int64)
    cells -= cells.min(axis=0)
    sizes = cells.max(axis=0) + 1
    keys = (cells[:, 2] * sizes[1] + cells[:, 1]) * sizes[0] + cells[:, 0]
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    origin = mesh.vertices_nm[0].astype(np.float64)
    means = [
        np.bincount(group, weights=mesh.vertices_nm[:, axis] - origin[axis]) / counts + origin[axis]
        for axis in range(3)
    ]
    faces = group[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (a != c)]
    return Mesh(np.stack(means, axis=1).astype(np.float32), faces.astype(np.uint32))


def _normals(mesh: Mesh) -> NDArray[np.float32]:
    """Return the mean of the face normals around each vertex, weighted by area, shape (n, 3)."""
    corners = mesh.vertices_nm[mesh.faces]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((len(mesh.vertices_nm), 3))
    for axis in range(3):
        for corner in range(3):
            total[:, axis] += np.bincount(
                mesh.faces[:, corner], weights=faces[:, axis], minlength=len(total)
            )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    # Two sheets that fell into one have no normal; any will do.
    total[length[:, 0] == 0] = (0.0, 0.0, 1.0)
    length[length == 0] = 1.0
    normals: NDArray[np.float32] = (total / length).astype(np.float32)
    return normals


def _check(vertices: NDArray[np.float32], faces: NDArray[np.uint32]) -> None:
    hint = "The mesh has to be made again."
    if not len(vertices) or not len(faces):
        raise BrokenMeshError("The mesh has no faces.", hint)
    if int(faces.max()) >= len(vertices):
        raise BrokenMeshError("The mesh names vertices that it does not have.", hint)
    if not np.isfinite(vertices).all():
        raise BrokenMeshError("The mesh has vertices that are no numbers.", hint)
