"""What a cut would leave near its points: the part of every voxel, and the surfaces.

Voxels take the part of their supervoxel. The surface is the object's own; each of its
triangles goes to the part of the nearest voxels, so that nothing has to be meshed anew.
What lies beyond the box that is looked at belongs to no part, and is not drawn in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, NotFoundError
from connectome.graph import Ids, SplitPreview
from connectome.space import BoxNm, Cutout, PointNm
from ngplugin.after import AfterPicture, Surface

if TYPE_CHECKING:
    from connectome.datastack import Datastack, Mesh

__all__ = ["CutPicture", "box_around", "cut_picture", "faces_of"]

MARGIN_NM = 700.0
LEAST_MARGIN_NM = 100.0
MOST_VOXELS = 6_000_000
REACH_NM = 150.0
"""A vertex farther than this from every voxel of the parts belongs to none of them."""
_SLAB = 250_000

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CutPicture:
    """What to show of a cut, and the volume of each part in the box, in nm³."""

    picture: AfterPicture
    volumes_nm3: tuple[float, float]


def cut_picture(
    datastack: Datastack, root: int, points_nm: Sequence[PointNm], preview: SplitPreview
) -> CutPicture:
    """Return what a previewed cut would leave near its points.

    Raises
    ------
    InputError
        If the points are too far apart for their surroundings to be drawn.
    ServiceError
        If voxels or surfaces cannot be read.
    """
    box = box_around(points_nm, datastack.segmentation.scales[0].voxel_nm)
    cutout = datastack.segmentation.read_supervoxels(box)
    labels = _labels(cutout.data, preview.parts[:2])
    voxel_nm3 = float(np.prod(cutout.scale.voxel_nm))
    counts = np.bincount(labels.ravel(), minlength=3)
    try:
        mesh = datastack.meshes.mesh(root, box)
    except NotFoundError:
        surfaces = (_empty(), _empty())  # The slices show it all the same.
    else:
        surfaces = _parts_of(mesh, labels, cutout)
    return CutPicture(
        AfterPicture(labels, cutout.first_voxel, surfaces),
        (float(counts[1]) * voxel_nm3, float(counts[2]) * voxel_nm3),
    )


def box_around(points_nm: Sequence[PointNm], voxel_nm: PointNm) -> BoxNm:
    """Return a box with room around all points, less of it the farther they are apart.

    Raises
    ------
    InputError
        If even the least room makes it hold too much.
    """
    lower, upper = np.min(points_nm, axis=0), np.max(points_nm, axis=0)
    margin = MARGIN_NM
    while np.prod((upper - lower + 2 * margin) / np.asarray(voxel_nm)) > MOST_VOXELS:
        margin *= 0.8
        if margin < LEAST_MARGIN_NM:
            raise InputError("The points are too far apart to draw what lies between them.")
    (x, y, z), (u, v, w) = (lower - margin).tolist(), (upper + margin).tolist()
    return BoxNm((x, y, z), (u, v, w))


def _labels(supervoxels: NDArray[np.uint64], parts: Sequence[Ids]) -> Labels:
    """Return 1 and 2 where a voxel is of the first and of the second part, else 0."""
    known = np.concatenate([np.asarray(part, np.uint64) for part in parts])
    part_of = np.repeat(np.array([1, 2], np.uint8), [len(part) for part in parts])
    order = np.argsort(known)
    known, part_of = known[order], part_of[order]
    flat, found = supervoxels.ravel(), np.zeros(supervoxels.size, np.uint8)
    # In pieces: each holds the interpreter for milliseconds, and a window waits for it.
    for start in range(0, len(flat), _SLAB):
        piece = flat[start : start + _SLAB]
        place = np.minimum(np.searchsorted(known, piece), len(known) - 1)
        found[start : start + _SLAB] = np.where(known[place] == piece, part_of[place], 0)
    return found.reshape(supervoxels.shape)


def _parts_of(mesh: Mesh, labels: Labels, cutout: Cutout) -> tuple[Surface, Surface]:
    from scipy.spatial import cKDTree

    shell = _shell(labels)
    if not len(shell):
        return _empty(), _empty()
    voxel = np.asarray(cutout.scale.voxel_nm)
    centers = (shell[:, ::-1] + 0.5 + np.asarray(cutout.first_voxel)) * voxel
    inside = _within(mesh.vertices_nm, cutout.bounds_nm)
    distance, nearest = cKDTree(centers).query(
        mesh.vertices_nm[inside], distance_upper_bound=REACH_NM
    )
    near = np.isfinite(distance)
    of_vertex = np.zeros(len(mesh.vertices_nm), np.uint8)
    z, y, x = shell[np.where(near, nearest, 0)].T
    of_vertex[np.flatnonzero(inside)] = np.where(near, labels[z, y, x], 0)
    # A triangle with corners in both goes to the one that holds two of them.
    of_face = np.median(of_vertex[mesh.faces.astype(np.int64)], axis=1)
    one, two = (faces_of(mesh, of_face == part) for part in (1, 2))
    return one, two


def _shell(labels: Labels) -> NDArray[np.int64]:
    """Return the indices (n, 3) of labelled voxels beside others; only they meet a surface."""
    edge = np.zeros(labels.shape, np.bool_)
    for axis in range(3):
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        differs = labels[tuple(ahead)] != labels[tuple(behind)]
        edge[tuple(ahead)] |= differs
        edge[tuple(behind)] |= differs
    return np.argwhere(edge & (labels > 0))


def _within(vertices: NDArray[np.float32], box: BoxNm) -> NDArray[np.bool_]:
    low, high = np.asarray(box.lower), np.asarray(box.upper)
    return np.asarray(((vertices >= low) & (vertices < high)).all(axis=1))


def faces_of(mesh: Mesh, chosen: NDArray[np.bool_]) -> Surface:
    """Return the chosen triangles of a mesh, with the vertices that they use."""
    used, faces = np.unique(mesh.faces[chosen], return_inverse=True)
    return Surface(mesh.vertices_nm[used.astype(np.int64)], faces.reshape(-1, 3).astype(np.uint32))


def _empty() -> Surface:
    return Surface(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32))
