"""What can be measured on a proposed cut: the surface it makes and the two sides it leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.features.site_parts import Numbers, flooded, percentiles
from inference.features.site_view import SiteView

__all__ = ["HALF_NM", "Sides", "cut_features"]

Sides = NDArray[np.uint8]
"""1 on the sources' side, 2 on the sinks' side, 0 elsewhere; of the view's shape."""
Mask = NDArray[np.bool_]

HALF_NM = 450.0
"""Half-width of the cube that is looked at."""
_NEAR_NM = 150.0
_INSIDE_NM = 35.0
_FREE_NM = 120.0
"""Farther from the cut than this, each side stands; between, the cut might go elsewhere."""
_MARKS = (10, 25, 50, 75, 90)


def cut_features(view: SiteView, sides: Sides) -> Numbers:
    """Return the numbers of a cut; NaN throughout where the cube holds no surface of it.

    Names that begin with ``shape.`` and ``contact.`` see no microscopy.
    """
    first, second = _faces(sides)
    found = _surface(view, first, second)
    distance = _distance(view, first)
    found |= _halves(view, sides, distance, found["contact.area"])
    found |= _elsewhere(view, sides, distance)
    found |= _flooded(view, sides, distance, found["em.cut.mean"])
    return found


def _faces(sides: Sides) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels (n, 3) on both sides of every face of the cut."""
    ones, twos = [], []
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = sides[tuple(low)], sides[tuple(high)]
        hits = np.argwhere((a != b) & (a > 0) & (b > 0)).astype(np.int64)
        ones.append(hits)
        twos.append(hits + np.eye(3, dtype=np.int64)[axis])
    return np.concatenate(ones), np.concatenate(twos)


def _surface(view: SiteView, first: NDArray[np.int64], second: NDArray[np.int64]) -> Numbers:
    """Return how large, how flat and how open the cut is."""
    steps = np.asarray(view.step_nm)
    areas = (
        view.voxel_nm3 / steps[np.abs(second - first).argmax(axis=1)] if len(first) else steps[:0]
    )
    places = view.position(first)
    spread = np.zeros(3)
    if len(first) > 3:
        spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
        spread = spread / np.sqrt(len(places))
    worst = np.minimum(view.open[tuple(first.T)], view.open[tuple(second.T)]) / 255
    mean = (view.open[tuple(first.T)].astype(float) + view.open[tuple(second.T)]) / 510
    patches = np.zeros(view.em.shape, np.bool_)
    patches[tuple(first.T)] = True
    patches[tuple(second.T)] = True
    parts, count = ndimage.label(patches, np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    return {
        "contact.area": float(areas.sum()),
        "contact.width": float(spread[0]),
        "contact.breadth": float(spread[1]),
        "contact.bend": float(spread[2]),
        "contact.patches": float((sizes > 8).sum()),
        "contact.largest_patch": float(sizes.max() / sizes.sum()) if count else float("nan"),
        "em.cut.mean": float(mean.mean()) if len(mean) else float("nan"),
        "em.cut.dark": float((worst < 0.25).mean()) if len(worst) else float("nan"),
        "em.cut.sum": float((mean * areas).sum()) / 1e4,
        **percentiles(worst, _MARKS, "em.cut"),
        "em.cut.grey": float(view.em[patches].mean()) if count else float("nan"),
    }


def _distance(view: SiteView, first: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return each voxel's distance from the cut in nm."""
    if not len(first):
        return np.full(view.em.shape, np.inf, np.float32)
    away = np.ones(view.em.shape, np.bool_)
    away[tuple(first.T)] = False
    found = ndimage.distance_transform_edt(away, sampling=view.step_nm)
    return np.asarray(found, np.float32)


def _halves(view: SiteView, sides: Sides, distance: NDArray[np.float32], area: float) -> Numbers:
    """Return volume, calibre, pieces and look of both sides."""
    volumes, radii, pieces, main, greys, textures, opens = [], [], [], [], [], [], []
    for side in (1, 2):
        mask = sides == side
        near = mask & (distance <= _NEAR_NM)
        parts, count = ndimage.label(mask)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        inner = near & (view.depth_nm > _INSIDE_NM)
        seen = inner if inner.any() else near
        volumes.append(float(mask.sum()) * view.voxel_nm3)
        radii.append(float(view.depth_nm[near].max()) if near.any() else 0.0)
        pieces.append(float((sizes > 50).sum()))
        main.append(float(sizes.max() / sizes.sum()) if count else 0.0)
        greys.append(float(np.median(view.em[seen])) if seen.any() else float("nan"))
        textures.append(float(view.em[seen].std()) if seen.any() else float("nan"))
        opens.append(float(view.open[seen].mean()) / 255 if seen.any() else float("nan"))
    narrow = max(min(radii), 10.0)
    return {
        "shape.volume.low": float(np.log10(min(volumes) + 1)),
        "shape.volume.high": float(np.log10(max(volumes) + 1)),
        "shape.balance": min(volumes) / max(*volumes, 1.0),
        "shape.radius.low": min(radii),
        "shape.radius.high": max(radii),
        "shape.pieces.low": min(pieces),
        "shape.pieces.high": max(pieces),
        "shape.whole.low": min(main),
        "shape.whole.high": max(main),
        "shape.narrow": area / (np.pi * narrow**2),
        "shape.room": min(view.room_nm, 1000.0),
        "shape.unsided": float((view.own & (sides == 0)).sum() / max(1, view.own.sum())),
        "em.sides.grey": abs(greys[0] - greys[1]),
        "em.sides.texture": abs(textures[0] - textures[1]),
        "em.sides.open": min(opens),
    }


def _elsewhere(view: SiteView, sides: Sides, distance: NDArray[np.float32]) -> Numbers:
    """Return how much membrane lies well inside each side, away from the cut."""
    found: Numbers = {}
    shares = []
    for side in (1, 2):
        inner = (sides == side) & (view.depth_nm > _INSIDE_NM) & (distance > 50.0)
        inner &= distance <= 350.0
        shares.append(float((view.open[inner] < 64).mean()) if inner.any() else float("nan"))
    found["em.inside_dark.low"] = float(np.fmin(shares[0], shares[1]))
    found["em.inside_dark.high"] = float(np.fmax(shares[0], shares[1]))
    at = (sides > 0) & (view.depth_nm > _INSIDE_NM) & (distance <= 20.0)
    found["em.at_cut_dark"] = float((view.open[at] < 64).mean()) if at.any() else float("nan")
    return found


def _flooded(
    view: SiteView, sides: Sides, distance: NDArray[np.float32], mean_open: float
) -> Numbers:
    """Return how far the cut is from where floods from both sides meet (a watershed)."""
    found = {name: float("nan") for name in ("em.flood.moved", "em.flood.open", "em.flood.area",
                                             "em.flood.gain")}  # fmt: skip
    near = (sides > 0) & (distance <= 2.5 * _FREE_NM)
    markers = np.where(near & (distance > _FREE_NM), sides, 0).astype(np.int32)
    if not ((markers == 1).any() and (markers == 2).any()):
        return found
    box = ndimage.find_objects(near.astype(np.uint8))[0]
    height = 255 - view.open[box].astype(np.int16)
    flood = flooded(height, markers[box], near[box])
    between = near[box] & (markers[box] == 0)
    found["em.flood.moved"] = float((flood != sides[box])[between].mean())
    first, second = _faces(flood.astype(np.uint8))
    if len(first):
        both = view.open[box][tuple(first.T)].astype(float) + view.open[box][tuple(second.T)]
        found["em.flood.open"] = float(both.mean()) / 510
        found["em.flood.area"] = float(len(first)) * view.voxel_nm3 / float(np.mean(view.step_nm))
        found["em.flood.gain"] = mean_open - found["em.flood.open"]
    return found
