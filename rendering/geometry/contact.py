"""Which parts of two surfaces touch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rendering.geometry.assemble import packed
from rendering.geometry.tensor import GeometrySpec
from rendering.surfaces import Surface

__all__ = ["contact_surfaces"]

Singles = NDArray[np.float32]

_COARSER = (8, 4, 2)
"""How many times longer the pieces of the first looks may be."""
_MAX_HALVINGS = 12
"""A face is cut into pieces 4,096 times shorter at most."""


def contact_surfaces(surfaces: Sequence[Surface], spec: GeometrySpec) -> list[Surface]:
    """Return the parts of two surfaces within ``spec.contact_nm`` of each other.

    Faces are cut into pieces no longer than a third of that distance (half a pixel, if
    that is longer); a piece counts if its centre is that close to the centre of a piece
    of the other surface.

    Returns
    -------
    list of Surface
        One part of each surface; empty if no contact is asked for, or nothing touches.
    """
    if not spec.contact_nm > 0 or len(surfaces) != 2:
        return []
    longest = max(spec.contact_nm / 3, spec.nm_per_px / 2)
    # However the cameras are turned, they see nothing beyond the corners of a cube.
    corner = math.sqrt(3) * spec.half_extent_nm * max(spec.crop_factor, 1.0)
    reach = corner + spec.contact_nm
    a, b = (_inside(s.positions[s.faces], -reach, reach) for s in surfaces)
    # Coarsely first, so that few faces are cut into the finest pieces: no point of a piece is
    # farther from its centre than two thirds of the longest edge.
    for times in _COARSER:
        a, b = _pieces(a, times * longest), _pieces(b, times * longest)
        a, b = _close_pairs(a, b, spec.contact_nm + 4 / 3 * times * longest)
    a, b = _close_pairs(_pieces(a, longest), _pieces(b, longest), spec.contact_nm)
    return [_surface(part) for part in (a, b) if len(part)]


def _close_pairs(a: Singles, b: Singles, distance: float) -> tuple[Singles, Singles]:
    """Return the pieces of each whose centre is that close to a centre of the other."""
    from scipy.spatial import cKDTree

    if not len(a) or not len(b):
        return a[:0], b[:0]
    of_a, of_b = a.mean(axis=1), b.mean(axis=1)
    from_a, _ = cKDTree(of_b).query(of_a, distance_upper_bound=distance)
    from_b, _ = cKDTree(of_a).query(of_b, distance_upper_bound=distance)
    return a[np.isfinite(from_a)], b[np.isfinite(from_b)]


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


def _surface(corners: Singles) -> Surface:
    positions = corners.reshape(-1, 3)
    faces = np.arange(len(positions), dtype=np.int32).reshape(-1, 3)
    return packed(Surface(positions, np.zeros_like(positions), faces))
