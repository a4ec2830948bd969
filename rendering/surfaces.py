"""Meshes made ready to draw: checked, and cut down to what a view can show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Mesh
from connectome.errors import InputError
from connectome.space import BoxNm, PointNm

__all__ = ["BrokenMeshError", "Surface", "crop_mesh", "to_surface"]


class BrokenMeshError(InputError):
    """A mesh that cannot be drawn: no faces, NaN vertices, or faces without vertices."""


@dataclass(frozen=True)
class Surface:
    """Triangles around a site.

    Parameters
    ----------
    positions : ndarray, shape (n, 3), float32
        Vertices xyz in nm relative to the centre of the site; float32 would lose
        whole nm at the far end of a large dataset.
    faces : ndarray, shape (m, 3), int32
    color : str
        ``#rrggbb``.
    """

    positions: NDArray[np.float32]
    faces: NDArray[np.int32]
    color: str

    @property
    def empty(self) -> bool:
        """Whether nothing of the mesh reaches the view."""
        return not len(self.faces)


def crop_mesh(mesh: Mesh, box: BoxNm) -> Mesh:
    """Return the faces whose bounding boxes meet the box, with the vertices they use.

    A face stays whole, so the cut leaves no jagged rim inside the box and a triangle
    larger than the box is not lost. Open ends stay open.

    Raises
    ------
    BrokenMeshError
        If the mesh has no faces, a face names a vertex that does not exist, or a vertex
        in use is no number.
    """
    vertices, faces = mesh.vertices_nm, mesh.faces
    _check(vertices, faces)
    outside = _outcodes(vertices, box)
    corners = outside[faces]
    kept = faces[(corners[:, 0] & corners[:, 1] & corners[:, 2]) == 0]
    used, inverse = np.unique(kept, return_inverse=True)
    part = vertices[used]
    return Mesh(part, inverse.reshape(kept.shape).astype(np.uint32))


def to_surface(mesh: Mesh, center_nm: PointNm, half_extent_nm: float, color: str) -> Surface:
    """Return the part of a mesh in the cube around a site, relative to its centre.

    Raises
    ------
    BrokenMeshError
        See `crop_mesh`.
    """
    part = crop_mesh(mesh, BoxNm.around(center_nm, half_extent_nm))
    local = part.vertices_nm.astype(np.float64) - np.asarray(center_nm)
    return Surface(local.astype(np.float32), part.faces.astype(np.int32), color)


def _check(vertices: NDArray[np.float32], faces: NDArray[np.uint32]) -> None:
    hint = "The mesh has to be made again."
    if not len(vertices) or not len(faces):
        raise BrokenMeshError("The mesh has no faces.", hint)
    if int(faces.max()) >= len(vertices):
        raise BrokenMeshError("The mesh names vertices that it does not have.", hint)
    if not np.isfinite(vertices).all():
        raise BrokenMeshError("The mesh has vertices that are no numbers.", hint)


def _outcodes(vertices: NDArray[np.float32], box: BoxNm) -> NDArray[np.uint8]:
    """Return one bit per face of the box that a vertex lies beyond, shape (n,)."""
    codes = np.zeros(len(vertices), np.uint8)
    for axis in range(3):
        column = vertices[:, axis]
        codes |= (column < box.lower[axis]).astype(np.uint8) << (2 * axis)
        codes |= (column > box.upper[axis]).astype(np.uint8) << (2 * axis + 1)
    return codes
