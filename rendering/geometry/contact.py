"""Which parts of two surfaces touch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rendering.geometry.tensor import GeometrySpec
from rendering.surfaces import Surface

__all__ = ["contact_surfaces"]

Singles = NDArray[np.float32]

_MAX_HALVINGS = 12
"""A face is cut into pieces 4,096 times shorter at most."""


def contact_surfaces(surfaces: Sequence[Surface], spec: GeometrySpec) -> list[Surface]:
    """Return the parts of two surfaces within ``spec.contact_nm`` of each other.

    Faces are cut into pieces no longer than a quarter of that distance (half a pixel, if
    that is longer); a piece counts if its centre is that close to the centre of a piece
    of the other surface.

    Returns
    -------
    list of Surface
        One part of each surface; empty if no contact is asked for, or nothing touches.
    """
    if not spec.contact_nm > 0 or len(surfaces) != 2:
        return []
    longest = max(spec.contact_nm / 4, spec.nm_per_px / 2)
    reach = spec.half_extent_nm * max(spec.crop_factor, 1.0) + spec.contact_nm
    a, b = (_inside(s.positions[s.faces], -reach, reach) for s in surfaces)
    a = _pieces(_close_to(a, b, spec.contact_nm), longest)
    b = _pieces(_close_to(b, a, spec.contact_nm), longest)
    return _touching(a, b, spec.contact_nm)


def _close_to(corners: Singles, other: Singles, distance: float) -> Singles:
    """Return the faces (k, 3, 3) that meet the other's bounding box, grown by a distance."""
    if not len(other):
        return corners[:0]
    points = other.reshape(-1, 3)
    return _inside(corners, points.min(axis=0) - distance, points.max(axis=0) + distance)


def _inside(corners: Singles, lower: Singles | float, upper: Singles | float) -> Singles:
    """Return the faces whose bounding boxes meet a box; those with NaN do not."""
    meets = (corners.max(axis=1) >= lower) & (corners.min(axis=1) <= upper)
    kept: Singles = corners[meets.all(axis=1)]
    return kept


def _pieces(corners: Singles, longest: float) -> Singles:
    """Return the faces cut in four until no edge is longer than a length."""
    finished = []
    for _ in range(_MAX_HALVINGS):
        edges = corners - np.roll(corners, 1, axis=1)
        long = (np.einsum("ijk,ijk->ij", edges, edges) > longest * longest).any(axis=1)
        finished.append(corners[~long])
        corners = _quartered(corners[long])
    return np.concatenate([*finished, corners])


def _quartered(corners: Singles) -> Singles:
    middles = (corners + np.roll(corners, -1, axis=1)) / 2
    at_corners = [
        np.stack([corners[:, k], middles[:, k], middles[:, k - 1]], axis=1) for k in range(3)
    ]
    return np.concatenate([*at_corners, middles])


def _touching(a: Singles, b: Singles, distance: float) -> list[Surface]:
    from scipy.spatial import cKDTree

    if not len(a) or not len(b):
        return []
    middles = [corners.mean(axis=1) for corners in (a, b)]
    parts = []
    for corners, own, other in ((a, *middles), (b, *middles[::-1])):
        far, _ = cKDTree(other).query(own, distance_upper_bound=distance)
        parts.append(_surface(corners[np.isfinite(far)]))
    return [part for part in parts if not part.empty]


def _surface(corners: Singles) -> Surface:
    positions = np.ascontiguousarray(corners.reshape(-1, 3))
    faces = np.arange(len(positions), dtype=np.int32).reshape(-1, 3)
    return Surface(positions, np.zeros_like(positions), faces, "#000000")
