"""EM slices through a site, with the masks of its two segments.

Orientation is that of Neuroglancer's panels: ``xy`` shows x to the right and y down,
``xz`` shows x to the right and z down, ``yz`` shows -z to the right and y down (its
panel is the xy one turned by 90 degrees about y, which points +z to the left).
Sampling is isotropic (anisotropic voxels are stretched, linearly for grey values and
by nearest neighbour for ids). Outside the volume is absent, never black tissue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Imagery, Segmentation
from connectome.errors import OutsideVolumeError
from connectome.space import BoxNm, Cutout, PointNm, Scale
from rendering.spec import EMSpec

__all__ = ["PLANES", "Plane", "Slices", "cut_slices", "grey_range", "slice_cutouts"]


@dataclass(frozen=True)
class Plane:
    """The axes of a slice: xyz axis and sign to the right and downwards, and the one across."""

    right: int
    right_sign: int
    down: int
    down_sign: int
    across: int


PLANES = {
    "xy": Plane(right=0, right_sign=1, down=1, down_sign=1, across=2),
    "xz": Plane(right=0, right_sign=1, down=2, down_sign=1, across=1),
    "yz": Plane(right=2, right_sign=-1, down=1, down_sign=1, across=0),
}
"""Neuroglancer's cross-section panels."""


@dataclass(frozen=True)
class _Points:
    """Where a plane's pixels are: rows of x, y and z in nm, the one across single."""

    xyz_nm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    plane: Plane

    def as_picture(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (z, y, x) sampled at the rows as a picture (down, right)."""
        return values.transpose(2 - self.plane.down, 2 - self.plane.right, 2 - self.plane.across)[
            ..., 0
        ]


@dataclass(frozen=True)
class Slices:
    """Three slices through one point.

    Parameters
    ----------
    em : ndarray, shape (planes, size, size), uint8
        Grey values after contrast; 0 where absent.
    ids : ndarray, shape (planes, size, size), uint64
        Segment ids, 0 where absent or background.
    present : ndarray, shape (planes, size, size), bool
        Whether the pixel lies inside the volume.
    center_nm : tuple of float
        The point in the middle of every slice (between the four central pixels).
    """

    em: NDArray[np.uint8]
    ids: NDArray[np.uint64]
    present: NDArray[np.bool_]
    center_nm: PointNm
    spec: EMSpec

    @property
    def nm_per_px(self) -> float:
        """Edge length of a pixel in nm."""
        return 2 * self.spec.half_extent_nm / self.spec.size_px

    def mask(self, segment: int) -> NDArray[np.bool_]:
        """Return where a segment is, shape (planes, size, size)."""
        return np.equal(self.ids, np.uint64(segment))


def cut_slices(
    imagery: Imagery, segmentation: Segmentation, center_nm: PointNm, spec: EMSpec
) -> Slices:
    """Read and sample the slices of a site from a datastack.

    One thin slab is read per plane, at the coarsest scale that still has a voxel for
    every pixel.

    Raises
    ------
    OutsideVolumeError
        If the field of view holds no voxel.
    """
    step = 2 * spec.half_extent_nm / spec.size_px
    em_scale = _scale_for(imagery.scales, step)
    id_scale = _scale_for(segmentation.scales, step)
    layers = []
    for name in spec.planes:
        em_box = _slab(PLANES[name], center_nm, spec, imagery.scales[em_scale])
        id_box = _slab(PLANES[name], center_nm, spec, segmentation.scales[id_scale])
        try:
            em = imagery.read(em_box, em_scale)
        except OutsideVolumeError:
            layers.append(_absent_layer(spec))
            continue
        try:
            ids = segmentation.read_roots(id_box, id_scale)
        except OutsideVolumeError:
            ids = None
        layers.append(_layer(em, ids, _plane_points(name, center_nm, spec)))
    slices = _stack(layers, center_nm, spec)
    if not slices.present.any():
        raise OutsideVolumeError(
            f"The position {tuple(round(p) for p in center_nm)} nm lies outside the imagery.",
            "Choose a position inside the volume.",
        )
    return slices


def slice_cutouts(em: Cutout, ids: Cutout, center_nm: PointNm, spec: EMSpec) -> Slices:
    """Sample the slices of a site from voxels that were read already."""
    layers = [_layer(em, ids, _plane_points(name, center_nm, spec)) for name in spec.planes]
    return _stack(layers, center_nm, spec)


_Layer = tuple[NDArray[np.float32], NDArray[np.uint64], NDArray[np.bool_]]


def _layer(em: Cutout, ids: Cutout | None, points: _Points) -> _Layer:
    grey, present = _sample_linear(em, points)
    if ids is None:
        return grey, np.zeros(grey.shape, np.uint64), present
    return grey, _sample_nearest(ids, points), present


def _absent_layer(spec: EMSpec) -> _Layer:
    shape = (spec.size_px, spec.size_px)
    return np.zeros(shape, np.float32), np.zeros(shape, np.uint64), np.zeros(shape, np.bool_)


def _stack(layers: Sequence[_Layer], center_nm: PointNm, spec: EMSpec) -> Slices:
    grey, ids, present = (np.stack(parts) for parts in zip(*layers, strict=True))
    return Slices(_contrast(grey, present, spec), ids, present, center_nm, spec)


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


def _plane_points(name: str, center_nm: PointNm, spec: EMSpec) -> _Points:
    """Return the positions of a plane's pixels in nm: x, y and z, one of them single.

    The planes are aligned with the axes, so three rows of numbers say it all, and
    sampling axis by axis is ten times as fast as point by point.
    """
    plane = PLANES[name]
    step = 2 * spec.half_extent_nm / spec.size_px
    offsets = (np.arange(spec.size_px) + 0.5) * step - spec.half_extent_nm
    axes = [np.array([value], float) for value in center_nm]
    axes[plane.right] = axes[plane.right] + plane.right_sign * offsets
    axes[plane.down] = axes[plane.down] + plane.down_sign * offsets
    return _Points((axes[0], axes[1], axes[2]), plane)


def _voxel_coordinates(cutout: Cutout, points: _Points) -> list[NDArray[np.float64]]:
    """Return array coordinates z, y, x where voxel centres are whole numbers."""
    parts = zip(points.xyz_nm, cutout.origin_nm, cutout.scale.voxel_nm, strict=True)
    return [(nm - origin) / edge - 0.5 for nm, origin, edge in parts][::-1]


def _axis_by_axis(cutout: Cutout, points: _Points) -> list[tuple[int, NDArray[np.float64]]]:
    """Return array axes with their coordinates, the one across first.

    What follows then works on a plane, however large the cutout is.
    """
    pairs = list(enumerate(_voxel_coordinates(cutout, points)))
    return sorted(pairs, key=lambda pair: len(pair[1]))


def _inside(cutout: Cutout, points: _Points) -> NDArray[np.bool_]:
    coordinates = _voxel_coordinates(cutout, points)
    z, y, x = (
        (row >= -0.5) & (row < size - 0.5)
        for row, size in zip(coordinates, cutout.data.shape, strict=True)
    )
    return points.as_picture(z[:, None, None] & y[None, :, None] & x[None, None, :])


def _sample_linear(
    cutout: Cutout, points: _Points
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    values = cutout.data
    for axis, coordinates in _axis_by_axis(cutout, points):
        last = cutout.data.shape[axis] - 1
        clamped = np.clip(coordinates, 0, last)
        low = np.minimum(clamped.astype(np.intp), max(last - 1, 0))
        weight = np.expand_dims((clamped - low).astype(np.float32), _others(axis))
        below = values.take(low, axis).astype(np.float32)
        above = values.take(np.minimum(low + 1, last), axis)
        values = below + (above - below) * weight
    inside = _inside(cutout, points)
    return np.where(inside, points.as_picture(values), np.float32(0)), inside


def _others(axis: int) -> tuple[int, int]:
    first, second = (i for i in range(3) if i != axis)
    return first, second


def _sample_nearest(cutout: Cutout, points: _Points) -> NDArray[np.uint64]:
    # Plain indexing: an interpolating sampler would pass ids through float64 and
    # damage those beyond 2**53.
    values = cutout.data
    for axis, coordinates in _axis_by_axis(cutout, points):
        index = np.floor(coordinates + 0.5).astype(np.intp)
        values = values.take(np.clip(index, 0, cutout.data.shape[axis] - 1), axis)
    ids = points.as_picture(values.astype(np.uint64))
    return np.where(_inside(cutout, points), ids, np.uint64(0))


def _contrast(
    grey: NDArray[np.float32], present: NDArray[np.bool_], spec: EMSpec
) -> NDArray[np.uint8]:
    if not present.any():
        return np.zeros(grey.shape, np.uint8)
    low, high = np.percentile(grey[present], [spec.low_percentile, spec.high_percentile])
    span = max(float(high) - float(low), 1.0)
    scaled = np.clip((grey - low) * (255.0 / span), 0, 255).astype(np.uint8)
    return np.where(present, scaled, np.uint8(0))


def grey_range(
    imagery: Imagery, low_percentile: float = 0.5, high_percentile: float = 99.5, reach: int = 128
) -> tuple[float, float]:
    """Return the grey values to show as black and white, from the middle of the volume.

    Parameters
    ----------
    reach : int
        Half the width, in voxels of the coarsest scale, of the block that is looked at.

    Raises
    ------
    ServiceError
        If a server did not answer.
    """
    coarsest = len(imagery.scales) - 1
    bounds = imagery.scales[coarsest].bounds_nm
    x, y, z = ((a + b) / 2 for a, b in zip(bounds.lower, bounds.upper, strict=True))
    voxel_nm = min(imagery.scales[coarsest].voxel_nm)
    block = imagery.read(BoxNm.around((x, y, z), reach * voxel_nm), coarsest).data
    low, high = np.percentile(block, [low_percentile, high_percentile])
    return float(low), max(float(high), float(low) + 1.0)
