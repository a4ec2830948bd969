"""What can be measured at a tip: how the neurite narrows, what lies ahead, what it touches.

Every length is in nm and every direction comes from the voxels themselves, so a tip found
by any detector gives the same numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.features.site_parts import Numbers, Touch, cone, percentiles, rays, touches, unit
from inference.features.site_view import SiteView

__all__ = ["HALF_NM", "tip_features"]

Floats = NDArray[np.float64]

HALF_NM = 400.0
"""Half-width of the cube that is looked at."""
_BACK_NM = (60.0, 120.0, 200.0, 300.0)
_BALLS_NM = (100.0, 200.0, 350.0)
_STEP_NM = 10.0
_RAYS_NM = 300.0
_TOUCH_NM = 150.0
_MEMBRANE = 96
"""Openness below which a place counts as membrane."""
_LISTED = 3
"""Neighbours described one by one."""


def tip_features(view: SiteView) -> Numbers:
    """Return the numbers of a tip.

    Names that begin with ``shape.`` and ``contact.`` see no microscopy.
    """
    direction = _direction(view)
    radius = _radius(view)
    found: Numbers = {"shape.radius": radius, "shape.room": min(view.room_nm, 1000.0)}
    found |= _calibre(view, direction, radius)
    found |= _filling(view)
    found |= _ahead(view, direction)
    found |= _around(view)
    found |= _neighbours(view, direction, radius)
    return found


def _direction(view: SiteView) -> Floats:
    """Return the unit vector out of the neurite, zyx."""
    near = np.argwhere(view.own & (view.away_nm <= 300.0))
    return unit(view.point_nm - view.position(near).mean(axis=0))


def _radius(view: SiteView) -> float:
    return float(view.depth_nm[view.own & (view.away_nm <= 60.0)].max())


def _calibre(view: SiteView, direction: Floats, radius: float) -> Numbers:
    """Return the largest radius in shells around the tip, and how the neurite tapers."""
    found: Numbers = {}
    inner = 0.0
    for outer in _BACK_NM:
        shell = view.own & (view.away_nm > inner) & (view.away_nm <= outer)
        largest = float(view.depth_nm[shell].max()) if shell.any() else float("nan")
        found[f"shape.radius.{outer:g}"] = largest
        found[f"shape.taper.{outer:g}"] = radius / largest if largest > 0 else float("nan")
        inner = outer
    back = view.point_nm - direction * np.arange(20.0, 400.0, 20.0)[:, None]
    inside = view.sampled(view.own.astype(np.uint8), back, 0.0)
    found["shape.straight_back"] = float(inside.mean())
    voxels = view.position(np.argwhere(view.own & (view.away_nm <= 200.0)))
    spread = np.linalg.svd(voxels - voxels.mean(axis=0), compute_uv=False)
    spread = spread / np.sqrt(len(voxels)) if len(voxels) else np.full(3, np.nan)
    padded = np.pad(spread, (0, 3 - len(spread)))
    found["shape.elongation"] = float(padded[0] / max(padded[1], 1.0))
    found["shape.flatness"] = float(padded[1] / max(padded[2], 1.0))
    return found


def _filling(view: SiteView) -> Numbers:
    """Return which share of balls around the tip is its own, and which is unassigned."""
    found: Numbers = {}
    for reach in _BALLS_NM:
        ball = view.away_nm <= reach
        count = max(1, int(ball.sum()))
        found[f"shape.own_share.{reach:g}"] = float((ball & view.own).sum()) / count
        found[f"shape.free_share.{reach:g}"] = float((view.labels[ball] == 0).sum()) / count
    found["shape.own_volume"] = float(np.log10(view.own.sum() * view.voxel_nm3))
    return found


def _ahead(view: SiteView, direction: Floats) -> Numbers:
    """Return how far it is to a membrane in a cone ahead of the tip."""
    values = rays(view, view.open, cone(direction, 40, 50.0), _RAYS_NM, _STEP_NM)
    own = rays(view, view.own.astype(np.uint8), cone(direction, 40, 50.0), _RAYS_NM, _STEP_NM)
    free = _free_length(values)
    beyond = np.where(own == 0, values, np.nan)
    found = {
        "shape.own_ahead": float(np.nanmean(own)),
        "em.free_ahead.max": float(free.max()),
        "em.free_ahead.mean": float(free.mean()),
        "em.open_ahead.near": _mean(values[:, :8]),
        "em.open_ahead.far": _mean(values[:, 8:20]),
        "em.open_beyond.near": _mean(beyond[:, :15]),
    }
    past = _past_surface(values, own)
    found["em.past_surface.max"] = float(np.nanmax(past, initial=-1.0))
    found["em.past_surface.mean"] = _mean(past)
    return found


def _around(view: SiteView) -> Numbers:
    """Return the same in all directions: how open the most open ways out are."""
    everywhere = cone(np.array([1.0, 0.0, 0.0]), 96, 180.0)
    values = rays(view, view.open, everywhere, _RAYS_NM, _STEP_NM)
    own = rays(view, view.own.astype(np.uint8), everywhere, _RAYS_NM, _STEP_NM)
    past = _past_surface(values, own)
    leaving = np.isfinite(past)
    return {
        "em.leaks": float((past > 0.6).sum() / max(1, leaving.sum())),
        **percentiles(past[leaving], (50, 75, 90, 100), "em.past_any"),
    }


def _past_surface(values: Floats, own: Floats) -> Floats:
    """Return for each ray how open the 100 nm around its way out are at their darkest, 0 to 1."""
    outside = own == 0
    first = np.where(outside.any(axis=1), outside.argmax(axis=1), -1)
    steps = first[:, None] + np.arange(-3, 7)[None, :]
    valid = (steps >= 0) & (steps < values.shape[1]) & (first[:, None] >= 0)
    taken = np.take_along_axis(values, np.clip(steps, 0, values.shape[1] - 1), axis=1)
    taken = np.where(valid & np.isfinite(taken), taken, np.inf)
    lowest = taken.min(axis=1)
    return np.where(np.isfinite(lowest), lowest / 255, np.nan)


def _free_length(values: Floats) -> Floats:
    """Return how many nm each ray goes before it meets a membrane."""
    barred = ~(values >= _MEMBRANE)
    first = np.where(barred.any(axis=1), barred.argmax(axis=1), values.shape[1])
    return np.asarray(first * _STEP_NM, np.float64)


def _neighbours(view: SiteView, direction: Floats, radius: float) -> Numbers:
    """Return what the segments at the tip are like, the most open contacts first."""
    all_touches = touches(view, radius + _TOUCH_NM)
    large = [t for t in all_touches if t.area_nm2 >= 2000.0]
    total = sum(t.area_nm2 for t in all_touches)
    found: Numbers = {
        "contact.count": float(len(large)),
        "contact.area": total,
        "contact.largest_share": all_touches[0].area_nm2 / total if total else float("nan"),
    }
    rows = [_one(view, touch, direction, radius) for touch in large]
    by_area = sorted(rows, key=lambda row: -row["contact.area"])
    by_open = sorted(rows, key=lambda row: -row["em.open"])
    by_ahead = sorted(rows, key=lambda row: -row["contact.ahead"])
    for name, ranked, count, kinds in (
        ("largest", by_area, 2, ("contact.",)),
        ("foremost", by_ahead, 1, ("contact.", "em.")),
        ("open", by_open, _LISTED, ("contact.", "em.")),
    ):
        found |= _listed(name, ranked, count, kinds)
    return found


_ONE = (
    "contact.area", "contact.ahead", "contact.depth", "contact.size", "contact.along",
    "em.open", "em.open_p75", "em.open_p90", "em.open_patch", "em.grey", "em.texture",
)  # fmt: skip


def _listed(name: str, rows: list[Numbers], count: int, kinds: tuple[str, ...]) -> Numbers:
    # A contact that the microscopy chose is itself something that only the microscopy knows.
    lead = "em.open." if name == "open" else ""
    found: Numbers = {}
    for rank in range(count):
        row = rows[rank] if rank < len(rows) else {}
        for key in _ONE:
            if key.startswith(kinds):
                found[f"{lead}{key}.{name}{rank}"] = row.get(key, float("nan"))
    return found


def _one(view: SiteView, touch: Touch, direction: Floats, radius: float) -> Numbers:
    """Return the numbers of one neighbour."""
    both = np.concatenate([touch.voxels, touch.across])
    values = view.open[tuple(both.T)].astype(np.float64)
    at = view.position(touch.voxels)
    other = (view.labels == touch.label) & (view.away_nm <= 250.0)
    places = view.position(np.argwhere(other)) if other.any() else at
    own = view.own & (view.away_nm <= 150.0)
    grey_own, grey_other = view.em[own], view.em[other] if other.any() else view.em[own]
    return {
        "contact.area": touch.area_nm2,
        "contact.ahead": float(unit(at.mean(axis=0) - view.point_nm) @ direction),
        "contact.depth": touch.area_nm2 / (np.pi * max(radius, 10.0) ** 2),
        "contact.size": float(np.log10(max(1, len(places)) * view.voxel_nm3)),
        "contact.along": float(unit(places.mean(axis=0) - view.point_nm) @ direction),
        "em.open": float(values.mean()) / 255,
        "em.open_p75": float(np.percentile(values, 75)) / 255,
        "em.open_p90": float(np.percentile(values, 90)) / 255,
        "em.open_patch": _best_patch(view, touch),
        "em.grey": abs(float(np.median(grey_own)) - float(np.median(grey_other))),
        "em.texture": abs(float(grey_own.std()) - float(grey_other.std())),
    }


def _best_patch(view: SiteView, touch: Touch) -> float:
    """Return the openness of the most open patch of the contact, 60 nm wide, 0 to 1."""
    values = np.minimum(view.open[tuple(touch.voxels.T)], view.open[tuple(touch.across.T)])
    places = view.position(touch.voxels)
    centers = places[:: max(1, len(places) // 40)]
    near = ((centers[:, None, :] - places[None, :, :]) ** 2).sum(axis=2) <= 60.0**2
    means = (near * values[None, :]).sum(axis=1) / near.sum(axis=1)
    return float(means.max()) / 255


def _mean(values: Floats) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if kept.size else float("nan")
