"""EM slices through a site, with the masks of its two segments.

Orientation is that of Neuroglancer's panels: ``xy`` shows x to the right and y down,
``xz`` shows x to the right and z down, ``yz`` shows -z to the right and y down (its
panel is the xy one turned by 90 degrees about y, which points +z to the left). ``best``
is the oblique plane in which the pair shows most (`rendering.oblique`).
Sampling is isotropic (anisotropic voxels are stretched, linearly for grey values and
by nearest neighbour for ids). Outside the volume is absent, never black tissue.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Imagery, Segmentation
from connectome.errors import InputError, OutsideVolumeError
from connectome.greys import Stretch, tissue_values
from connectome.space import BoxNm, Cutout, PointNm, Scale
from rendering.oblique import BestPlane, best_plane, search_step_nm
from rendering.sampling import (
    PLANES,
    Frame,
    Plane,
    ScatteredPoints,
    offsets_nm,
    plane_of,
    plane_points,
)
from rendering.slices import Slices, other_boundaries
from rendering.spec import BEST, EMSpec

__all__ = [
    "PLANES",
    "Frame",
    "Plane",
    "Slices",
    "cut_slices",
    "grey_range",
    "other_boundaries",
    "slice_cutouts",
]

_TILE_PX = 160
"""An oblique plane is read in tiles: the box around all of it would be mostly unused."""


_Reader = Callable[[BoxNm], Cutout]


@dataclass(frozen=True)
class _Reading:
    """Where the voxels of one site come from; readers raise `OutsideVolumeError`."""

    em: _Reader
    ids: _Reader
    em_scale: Scale
    id_scale: Scale
    search: _Reader
    stretch: Stretch | None = None


def cut_slices(
    imagery: Imagery,
    segmentation: Segmentation,
    center_nm: PointNm,
    spec: EMSpec,
    pair: Sequence[int] = (),
) -> Slices:
    """Read and sample the slices of a site from a datastack.

    One thin slab is read per plane, at the coarsest scale that still has a voxel for
    every pixel.

    Parameters
    ----------
    pair : sequence of int
        The one or two segments that the ``best`` plane shows, if the spec names it.

    Raises
    ------
    OutsideVolumeError
        If the field of view holds no voxel.
    InputError
        If the spec names an unknown plane, or ``best`` and no pair is given.
    """
    step = 2 * spec.half_extent_nm / spec.size_px
    em_scale = _scale_for(imagery.scales, step)
    id_scale = _scale_for(segmentation.scales, step)
    search_scale = _scale_for(segmentation.scales, search_step_nm(spec))
    slices = _slices(
        _Reading(
            em=lambda box: imagery.read(box, em_scale),
            ids=lambda box: segmentation.read_roots(box, id_scale),
            em_scale=imagery.scales[em_scale],
            id_scale=segmentation.scales[id_scale],
            search=lambda box: segmentation.read_roots(box, search_scale),
            stretch=getattr(imagery, "stretch", None),
        ),
        center_nm,
        spec,
        pair,
    )
    if not slices.present.any():
        raise OutsideVolumeError(
            f"The position {tuple(round(p) for p in center_nm)} nm lies outside the imagery.",
            "Choose a position inside the volume.",
        )
    return slices


def slice_cutouts(
    em: Cutout, ids: Cutout, center_nm: PointNm, spec: EMSpec, pair: Sequence[int] = ()
) -> Slices:
    """Sample the slices of a site from voxels that were read already."""
    reading = _Reading(lambda _: em, lambda _: ids, em.scale, ids.scale, lambda _: ids)
    return _slices(reading, center_nm, spec, pair)


_Layer = tuple[NDArray[np.float32], NDArray[np.uint64], NDArray[np.bool_]]


def _slices(reading: _Reading, center_nm: PointNm, spec: EMSpec, pair: Sequence[int]) -> Slices:
    best = _best(reading, center_nm, spec, pair) if BEST in spec.planes else None
    layers = [
        _oblique_layer(reading, best.frame, center_nm, spec)
        if name == BEST and best is not None
        else _panel_layer(reading, name, center_nm, spec)
        for name in spec.planes
    ]
    grey, ids, present = (np.stack(parts) for parts in zip(*layers, strict=True))
    em, contrast = _contrast(grey, present, spec)
    voxels = reading.em_scale.voxel_nm, reading.id_scale.voxel_nm
    return Slices(em, ids, present, center_nm, spec, best, *voxels, contrast, reading.stretch)


def _best(reading: _Reading, center_nm: PointNm, spec: EMSpec, pair: Sequence[int]) -> BestPlane:
    if not pair:
        raise InputError(
            f"The plane {BEST!r} needs the segments that it is to show.",
            "Name one or two segments, or leave the plane out.",
        )
    radius = spec.oblique_inner * spec.half_extent_nm
    try:
        ids = reading.search(BoxNm.around(center_nm, radius))
    except OutsideVolumeError:
        return BestPlane(PLANES["xy"].frame, (0.0,) * len(pair))
    return best_plane(ids, pair, center_nm, radius)


def _panel_layer(reading: _Reading, name: str, center_nm: PointNm, spec: EMSpec) -> _Layer:
    plane = plane_of(name)
    points = plane_points(name, center_nm, spec)
    try:
        em = reading.em(_slab(plane, center_nm, spec, reading.em_scale))
    except OutsideVolumeError:
        return _absent_layer(spec.size_px, spec.size_px)
    grey, present = points.linear(em)
    try:
        ids = reading.ids(_slab(plane, center_nm, spec, reading.id_scale))
    except OutsideVolumeError:
        return grey, np.zeros(grey.shape, np.uint64), present
    return grey, points.nearest(ids), present


def _oblique_layer(reading: _Reading, frame: Frame, center_nm: PointNm, spec: EMSpec) -> _Layer:
    offsets, layer = offsets_nm(spec), _absent_layer(spec.size_px, spec.size_px)
    count = math.ceil(spec.size_px / _TILE_PX)
    edges = [spec.size_px * i // count for i in range(count + 1)]
    parts = [slice(first, last) for first, last in pairwise(edges)]
    for rows, columns in product(parts, parts):
        points = frame.positions(center_nm, offsets[None, columns], offsets[rows, None])
        grey, ids, present = _tile(reading, ScatteredPoints(points))
        where = (rows, columns)
        layer[0][where], layer[1][where], layer[2][where] = grey, ids, present
    return layer


def _tile(reading: _Reading, points: ScatteredPoints) -> _Layer:
    try:
        grey, present = points.linear(reading.em(_box_around(points, reading.em_scale)))
    except OutsideVolumeError:
        return _absent_layer(*points.xyz_nm[0].shape)
    try:
        ids = points.nearest(reading.ids(_box_around(points, reading.id_scale)))
    except OutsideVolumeError:
        return grey, np.zeros(grey.shape, np.uint64), present
    return grey, ids, present


def _absent_layer(height: int, width: int) -> _Layer:
    shape = (height, width)
    return np.zeros(shape, np.float32), np.zeros(shape, np.uint64), np.zeros(shape, np.bool_)


def _scale_for(scales: Sequence[Scale], step_nm: float) -> int:
    """Return the coarsest scale whose finest edge is no longer than a pixel."""
    fitting = [i for i, s in enumerate(scales) if min(s.voxel_nm) <= step_nm * 1.001]
    return max(fitting, default=0)


def _slab(plane: Plane, center_nm: PointNm, spec: EMSpec, scale: Scale) -> BoxNm:
    """Return the box of a plane with one voxel more on every side, for interpolation."""
    reach = [spec.half_extent_nm] * 3
    reach[plane.across] = 0.0
    pads = [r + v for r, v in zip(reach, scale.voxel_nm, strict=True)]
    (x, y, z), (px, py, pz) = center_nm, pads
    return BoxNm((x - px, y - py, z - pz), (x + px, y + py, z + pz))


def _box_around(points: ScatteredPoints, scale: Scale) -> BoxNm:
    """Return the box of a flat tile of points with one voxel more on every side."""
    # A flat tile reaches farthest in its corners.
    corners = np.stack([values[[0, 0, -1, -1], [0, -1, 0, -1]] for values in points.xyz_nm])
    voxel = np.asarray(scale.voxel_nm)
    x0, y0, z0 = (corners.min(axis=1) - voxel).tolist()
    x1, y1, z1 = (corners.max(axis=1) + voxel).tolist()
    return BoxNm((x0, y0, z0), (x1, y1, z1))


def _contrast(
    grey: NDArray[np.float32], present: NDArray[np.bool_], spec: EMSpec
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Return the pictures and the values that became black and white."""
    if not present.any():
        return np.zeros(grey.shape, np.uint8), (0.0, 255.0)
    low, high = np.percentile(grey[present], [spec.low_percentile, spec.high_percentile])
    span = max(float(high) - float(low), 1.0)
    scaled = np.clip((grey - low) * (255.0 / span), 0, 255).astype(np.uint8)
    return np.where(present, scaled, np.uint8(0)), (float(low), float(low) + span)


def grey_range(
    imagery: Imagery, low_percentile: float = 0.5, high_percentile: float = 99.5
) -> tuple[float, float]:
    """Return the stored values to show as black and white, from a piece of tissue.

    Raises
    ------
    ServiceError
        If a server did not answer.
    """
    values = tissue_values(imagery.scales[0], imagery.read)
    low, high = (float(v) for v in np.percentile(values, [low_percentile, high_percentile]))
    high = max(high, low + 1.0)
    stretch: Stretch | None = getattr(imagery, "stretch", None)
    return (low, high) if stretch is None else (stretch.stored(low), stretch.stored(high))
