"""Surfaces of the L2 nodes of one chunk, and their Draco encoding. Free of file access."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Mesh

__all__ = ["decode", "encode", "extend_into_rim", "grid_size_nm", "surfaces"]

_REDUCTION = 6
_FEWEST_FACES = 40
_COMPRESSION = 1
_FIRST_ERROR = 1e-6
"""Where the simplification's error begins, in squared voxels: fewer passes than from 0."""


def grid_size_nm(voxel_nm: tuple[float, float, float]) -> int:
    """Return the spacing of the lattice that vertices are rounded to, in nm.

    The lattice begins at the origin for every fragment, so that fragments fit together.
    """
    return max(1, int(min(voxel_nm) / 8))


def extend_into_rim(labels: NDArray[np.uint32], objects: NDArray[np.int64]) -> None:
    """Carry labels one voxel across the chunk's faces where the object goes on.

    Marching cubes then closes an object that ends at the face and leaves open one that
    goes on, whose next fragment begins there.

    Parameters
    ----------
    labels : ndarray, shape (z + 2, y + 2, x + 2), uint32
        Labels of a chunk with a rim of one voxel; the rim is overwritten.
    objects : ndarray, same shape
        Object of each voxel, 0 for background, the rim included.
    """
    labels[[0, -1]] = 0
    labels[:, [0, -1]] = 0
    labels[:, :, [0, -1]] = 0
    for axis in range(3):
        label, thing = np.moveaxis(labels, axis, 0), np.moveaxis(objects, axis, 0)
        for rim, inner in ((0, 1), (-1, -2)):
            goes_on = (thing[rim] == thing[inner]) & (thing[rim] != 0)
            label[rim] = np.where(goes_on, label[inner], 0)


def surfaces(
    labels: NDArray[np.uint32],
    origin: tuple[int, int, int],
    voxel_nm: tuple[float, float, float],
) -> dict[int, Mesh]:
    """Return a simplified surface for each label.

    Parameters
    ----------
    labels : ndarray, shape (z, y, x), uint32
        0 is background.
    origin : tuple of int
        Voxel index (x, y, z) of ``labels[0, 0, 0]``.
    voxel_nm : tuple of float
        Voxel size (x, y, z) in nm.

    Returns
    -------
    dict
        Label to surface, vertices (x, y, z) in nm measured from the volume's origin.
    """
    import zmesh

    mesher = zmesh.Mesher(voxel_nm)
    mesher.mesh(labels.T)
    shift = np.asarray(origin, dtype=np.float64) * np.asarray(voxel_nm)
    first_error = _FIRST_ERROR * min(voxel_nm) ** 2
    found: dict[int, Mesh] = {}
    for label in mesher.ids():
        fine = mesher.get(label, reduction_factor=0, max_error=0.0, voxel_centered=True)
        mesher.erase(label)
        # Four times quicker than the simplification of Mesher.get, at the same error.
        target = max(_FEWEST_FACES, len(fine.faces) // _REDUCTION)
        kept = fine
        if len(fine.faces) > target:
            kept = zmesh.simplify_fqmr(
                fine, target_count=target, preserve_border=True, alpha=first_error
            )
        vertices = (kept.vertices + shift).astype(np.float32)
        found[int(label)] = Mesh(vertices, kept.faces.astype(np.uint32))
    return found


def encode(mesh: Mesh, grid_nm: int) -> bytes:
    """Return the surface as Draco, its vertices rounded to the lattice of `grid_size_nm`."""
    import DracoPy

    low = np.floor(mesh.vertices_nm.min(axis=0) / grid_nm) * grid_nm
    extent = float((mesh.vertices_nm - low).max())
    bits = max(1, math.ceil(math.log2(extent / grid_nm + 2)))
    packed: bytes = DracoPy.encode(
        mesh.vertices_nm,
        mesh.faces,
        quantization_bits=bits,
        quantization_range=float(grid_nm * (2**bits - 1)),
        quantization_origin=low,
        compression_level=_COMPRESSION,
    )
    return packed


def decode(data: bytes) -> Mesh:
    """Return the surface that `encode` packed."""
    import DracoPy

    mesh = DracoPy.decode(data)
    points = np.asarray(mesh.points, dtype=np.float32).reshape(-1, 3)
    return Mesh(points, np.asarray(mesh.faces, dtype=np.uint32).reshape(-1, 3))
