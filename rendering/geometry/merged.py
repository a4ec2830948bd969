"""Several surfaces as one body, without the seam that would give the answer away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from rendering.surfaces import Surface

__all__ = ["merged"]

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]

_FACING = -0.5
"""Cosine between the normals of faces that face each other."""
_MAX_STEPS = 64


def merged(surfaces: Sequence[Surface], weld_nm: float = 1.0, bury_nm: float = 80.0) -> Surface:
    """Return surfaces as one, in the colour of the first.

    1. Vertices in one cell of a grid of ``weld_nm`` become one: the ends of fragments
       that were cut at the border of a chunk, and the border that two segments share.
    2. Of faces with the same three vertices both go if they face each other (the wall
       between two bodies) and one stays if they do not (a fragment that came twice).
    3. Faces whose middle lies within ``bury_nm`` of another surface that faces them go
       too, on both sides: walls whose two sides were simplified apart.
    4. Vertices on open rims within ``bury_nm`` of the rim of an earlier surface move
       there. Rims do not match vertex by vertex: slits narrower than an edge may stay.
    5. Normals are those of the faces that are left, weighted by area, and so run on
       across what was welded and joined.

    A mesh of the merged body itself is better wherever one can be had.

    Parameters
    ----------
    weld_nm : float
        Edge of the cells in nm.
    bury_nm : float
        0 leaves out the third step and the fourth.

    Raises
    ------
    InputError
        If there is no surface.
    """
    if not surfaces:
        raise InputError("There is no surface to merge.")
    positions, faces, source = _welded(surfaces, weld_nm)
    faces, source = _without_doubles(faces, source)
    if bury_nm > 0 and len(surfaces) > 1:
        walls = _walls(positions, faces, source, bury_nm)
        faces, source = faces[~walls], source[~walls]
        faces = _joined_rims(positions, faces, source, bury_nm)
    missing = {node for surface in surfaces for node in surface.missing}
    return replace(_surface(positions, faces, surfaces[0].color), missing=tuple(sorted(missing)))


def _welded(surfaces: Sequence[Surface], weld_nm: float) -> tuple[Doubles, Ints, Ints]:
    """Return vertices (n, 3), faces (m, 3) and the number of each face's surface (m,)."""
    starts = np.cumsum([0, *(len(s.positions) for s in surfaces)])
    positions = np.concatenate([s.positions for s in surfaces]).astype(np.float64)
    faces = np.concatenate([s.faces + start for s, start in zip(surfaces, starts, strict=False)])
    source = np.repeat(np.arange(len(surfaces)), [len(s.faces) for s in surfaces])
    cells = np.round(positions / weld_nm)
    _, first, group = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = group.reshape(-1)[faces]
    kept = _spanning(faces)
    return positions[first], faces[kept], source[kept]


def _spanning(faces: Ints) -> NDArray[np.bool_]:
    a, b, c = faces.T
    return np.asarray((a != b) & (b != c) & (c != a))


def _without_doubles(faces: Ints, source: Ints) -> tuple[Ints, Ints]:
    corners = np.sort(faces, axis=1)
    # Windings of the same three vertices: their cyclic order is the sorted one, or not.
    first = np.argmin(faces, axis=1)
    second = np.take_along_axis(faces, ((first + 1) % 3)[:, None], axis=1)[:, 0]
    winding = np.where(second == corners[:, 1], 1, -1)
    _, group = np.unique(corners, axis=0, return_inverse=True)
    group = group.reshape(-1)
    balance = np.bincount(group, weights=winding, minlength=0)[group]
    # One face of each group is left, of the winding that most of them have.
    candidates = np.flatnonzero(np.sign(balance) == winding)
    _, chosen = np.unique(group[candidates], return_index=True)
    kept = np.sort(candidates[chosen])
    return faces[kept], source[kept]


def _walls(positions: Doubles, faces: Ints, source: Ints, bury_nm: float) -> NDArray[np.bool_]:
    """Tell which faces lie close to a face of another surface that faces them."""
    corners = positions[faces]
    directions = _unit(_areas(positions, faces))
    wall = np.zeros(len(faces), np.bool_)
    for number in np.unique(source):
        own = np.flatnonzero(source == number)
        other = np.flatnonzero(source != number)
        if not len(other):
            continue
        samples, of_face = _samples(corners[other], bury_nm)
        near, found = _nearest(samples, corners[own].mean(axis=1), bury_nm)
        facing = directions[other[of_face[found]]]
        wall[own[near]] = np.einsum("ij,ij->i", directions[own[near]], facing) < _FACING
    return wall


def _nearest(of: Doubles, to: Doubles, within: float) -> tuple[NDArray[np.bool_], Ints]:
    """Return which points have a neighbour, and the indices of the neighbours of those."""
    from scipy.spatial import cKDTree

    far, found = cKDTree(of).query(to, distance_upper_bound=within)
    near = np.isfinite(np.asarray(far))
    return near, np.asarray(found, dtype=np.int64)[near]


def _samples(corners: Doubles, spacing: float) -> tuple[Doubles, Ints]:
    """Return points on faces, a spacing apart or closer, and the index of each one's face."""
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    steps = np.clip(np.ceil(longest / spacing), 1, _MAX_STEPS).astype(np.int64)
    points, of_face = [], []
    for count in np.unique(steps):
        chosen = np.flatnonzero(steps == count)
        i, j = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
        kept = i + j < count
        u, v = (i[kept] + 1 / 3) / count, (j[kept] + 1 / 3) / count
        weights = np.stack([u, v, 1 - u - v], axis=1)
        points.append(np.einsum("wk,fkx->fwx", weights, corners[chosen]).reshape(-1, 3))
        of_face.append(np.repeat(chosen, len(weights)))
    return np.concatenate(points), np.concatenate(of_face)


def _joined_rims(positions: Doubles, faces: Ints, source: Ints, bury_nm: float) -> Ints:
    """Return the faces with the vertices on open rims joined to the nearest of an earlier one."""
    target: Ints = np.arange(len(positions), dtype=np.int64)
    for number in np.unique(source)[1:]:
        own, before = _rim(faces[source == number]), _rim(faces[source < number])
        if not len(own) or not len(before):
            continue
        near, found = _nearest(positions[before], positions[own], bury_nm)
        target[own[near]] = before[found]
    joined = target[faces]
    return joined[_spanning(joined)]


def _rim(faces: Ints) -> Ints:
    """Return the vertices on edges that only one face has."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    single, counts = np.unique(edges, axis=0, return_counts=True)
    return np.unique(single[counts == 1])


def _surface(positions: Doubles, faces: Ints, color: str) -> Surface:
    areas = _areas(positions, faces)
    total = np.zeros_like(positions)
    for corner in range(3):
        np.add.at(total, faces[:, corner], areas)
    used, inverse = np.unique(faces, return_inverse=True)
    return Surface(
        positions[used].astype(np.float32),
        _unit(total[used]).astype(np.float32),
        inverse.reshape(-1, 3).astype(np.int32),
        color,
    )


def _areas(positions: Doubles, faces: Ints) -> Doubles:
    """Return vectors along the normals of faces, twice as long as these are large."""
    corners = positions[faces]
    areas: Doubles = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return areas


def _unit(vectors: Doubles) -> Doubles:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 0, vectors / np.where(length > 0, length, 1), (0.0, 0.0, 1.0))
