"""Small measurements that the features of tips, branch points and cuts share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.features.site_view import SiteView

__all__ = [
    "BASELINE_PREFIXES",
    "Numbers",
    "Touch",
    "cone",
    "flooded",
    "percentiles",
    "rays",
    "touches",
    "unit",
]

Numbers = dict[str, float]
"""Named numbers of one site; NaN where something cannot be measured."""

BASELINE_PREFIXES = ("shape.", "contact.")
"""Features that see no microscopy: the baseline of contact and shape."""

Floats = NDArray[np.float64]


def unit(vector: Floats) -> Floats:
    """Return a vector at length 1; zero stays zero."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 0 else np.zeros_like(vector)


def flooded(
    height: NDArray[np.int16], markers: NDArray[np.int32], mask: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return the basins of a watershed from markers, inside a mask."""
    from skimage import segmentation

    watershed: Any = segmentation.watershed
    return np.asarray(watershed(height, markers, mask=mask), np.int32)


def percentiles(values: NDArray[Any], marks: tuple[int, ...], name: str) -> Numbers:
    """Return percentiles under ``name.pN``, NaN where there are no values."""
    if not values.size:
        return {f"{name}.p{mark}": float("nan") for mark in marks}
    found = np.percentile(values, marks)
    return {f"{name}.p{m}": float(v) for m, v in zip(marks, found, strict=True)}


def cone(axis: Floats, count: int, half_angle_deg: float) -> Floats:
    """Return unit vectors (count, 3) spread evenly over a cone around an axis (a spiral)."""
    axis = unit(axis) if np.any(axis) else np.array([1.0, 0.0, 0.0])
    least = np.eye(3)[int(np.abs(axis).argmin())]
    u = unit(np.cross(axis, least))
    v = np.cross(axis, u)
    k = np.arange(count)
    height = 1 - (k + 0.5) / count * (1 - np.cos(np.radians(half_angle_deg)))
    turn = k * np.pi * (3 - np.sqrt(5))
    flat = np.sqrt(1 - height**2)
    return np.asarray(
        height[:, None] * axis
        + (flat * np.cos(turn))[:, None] * u
        + (flat * np.sin(turn))[:, None] * v
    )


def rays(
    view: SiteView, values: NDArray[Any], directions: Floats, reach_nm: float, step_nm: float
) -> Floats:
    """Return values along rays from the seed, shape (rays, steps); NaN beyond the cube."""
    along = np.arange(1, int(reach_nm / step_nm) + 1) * step_nm
    places = view.point_nm + directions[:, None, :] * along[None, :, None]
    return view.sampled(values, places)


@dataclass(frozen=True, eq=False)
class Touch:
    """Where one other segment touches the own one near the site.

    `voxels` (n, 3) zyx are own voxels at the contact, `across` (n, 3) those beyond.
    """

    label: int
    area_nm2: float
    voxels: NDArray[np.int64]
    across: NDArray[np.int64]


def touches(view: SiteView, near_nm: float, gap_voxels: int = 3) -> list[Touch]:
    """Return the segments that touch the own one within a distance of the seed, largest first.

    Gaps of up to three voxels without label are bridged.
    """
    window = _window(view, near_nm)
    own, labels, away = view.own[window], view.labels[window], view.away_nm[window]
    filled = np.where(own, -1, labels)
    if (filled == 0).any():
        distance, nearest = ndimage.distance_transform_edt(filled == 0, return_indices=True)
        filled = np.where(distance <= gap_voxels, filled[tuple(nearest)], 0)
    corner = np.array([part.start for part in window])
    found: dict[int, list[tuple[NDArray[np.int64], NDArray[np.int64], float]]] = {}
    for axis in range(3):
        area = view.voxel_nm3 / view.step_nm[axis]
        for a, b, label in _faces(filled, away <= near_nm, axis):
            found.setdefault(label, []).append((a + corner, b + corner, area * len(a)))
    merged = [
        Touch(
            label,
            sum(part[2] for part in parts),
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
        )
        for label, parts in found.items()
    ]
    return sorted(merged, key=lambda touch: (-touch.area_nm2, touch.label))


def _window(view: SiteView, near_nm: float) -> tuple[slice, slice, slice]:
    spans = []
    for seed, step, size in zip(view.seed, view.step_nm, view.em.shape, strict=True):
        reach = int(near_nm / step) + 5
        spans.append(slice(max(0, seed - reach), min(size, seed + reach + 1)))
    return (spans[0], spans[1], spans[2])


def _faces(
    filled: NDArray[Any], near: NDArray[np.bool_], axis: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
    low = [slice(None)] * 3
    high = [slice(None)] * 3
    low[axis], high[axis] = slice(None, -1), slice(1, None)
    step = np.eye(3, dtype=np.int64)[axis]
    found = []
    for inner, outer, way in ((low, high, 1), (high, low, -1)):
        a, b = filled[tuple(inner)], filled[tuple(outer)]
        hits = np.argwhere((a == -1) & (b > 0) & near[tuple(inner)]).astype(np.int64)
        if not len(hits):
            continue
        labels = b[tuple(hits.T)]
        own = hits + (step if way < 0 else 0)
        beyond = own + way * step
        for label in np.unique(labels).tolist():
            these = labels == label
            found.append((own[these], beyond[these], int(label)))
    return found
