"""The same tensors by casting a ray through the centre of every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import trimesh
from numpy.typing import NDArray

from rendering.geometry import GeometrySpec
from rendering.surfaces import Surface

__all__ = ["cast_depth", "cast_owner"]


def cast_depth(surface: Surface, spec: GeometrySpec) -> NDArray[np.float64]:
    """Return the depth of the nearest surface, shape (views, size, size); -inf for none."""
    mesh = trimesh.Trimesh(surface.positions, surface.faces, process=False)
    size, half = spec.size_px, spec.half_extent_nm
    depth = np.full((len(spec.views), size * size), -np.inf)
    centers = (np.arange(size) + 0.5) * spec.nm_per_px - half
    rightwards, upwards = np.meshgrid(centers, -centers)
    start = half * spec.crop_factor
    for row, (right, up, near) in zip(depth, spec.cameras(), strict=True):
        origins = rightwards.reshape(-1, 1) * right + upwards.reshape(-1, 1) * up + start * near
        hit = mesh.ray.intersects_first(origins, np.tile(-near, (len(origins), 1)))
        found = np.flatnonzero(hit >= 0)
        normals = mesh.face_normals[hit[found]]
        corners = mesh.triangles[hit[found], 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            along = np.einsum("ij,ij->i", corners - origins[found], normals) / (normals @ -near)
        row[found] = (start - along) / half
    depth[~(depth >= -spec.crop_factor)] = -np.inf
    return depth.reshape(-1, size, size)


def cast_owner(
    surfaces: Sequence[Surface], spec: GeometrySpec
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return whose surface is nearest, and where both are, each (views, size, size)."""
    a, b = (cast_depth(surface, spec) for surface in surfaces)
    owner = np.where(b > a, 2, np.where(a > -np.inf, 1, 0)).astype(np.uint8)
    return owner, (a > -np.inf) & (b > -np.inf)
