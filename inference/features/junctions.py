"""What can be measured at a branch point: its branches, and whether a membrane parts them.

A fused pair of neurites shows a membrane inside the segment, branches whose insides look
different, and two straight continuations that cross. The branches are flooded from their
ends over the openness of the microscopy (a watershed, Meyer 1994): where the floods of two
branches meet is the likeliest place of a membrane between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.features.site_parts import Numbers, flooded, percentiles, unit
from inference.features.site_view import SiteView

__all__ = ["HALF_NM", "junction_features"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

HALF_NM = 400.0
"""Half-width of the cube that is looked at."""
_SHELL_NM = 180.0
_LONGEST_CORE_NM = 160.0
_CORES_NM = (60.0, 120.0, 200.0)
_SMALLEST_NM3 = 60_000.0
_MOST_BRANCHES = 6
_INSIDE_NM = 35.0
"""Nearer to the surface the segment's own membrane is seen."""
_BALLS_NM = (100.0, 200.0, 300.0)


@dataclass(frozen=True)
class _Branch:
    direction: Floats
    radius: float
    volume: float
    grey: float
    texture: float
    open: float


@dataclass
class _Meeting:
    """The faces where the floods of two groups of branches meet."""

    area: float
    openness: float

    def with_other(self, other: _Meeting) -> _Meeting:
        area = self.area + other.area
        total = self.openness * self.area + other.openness * other.area
        return _Meeting(area, total / area if area else 0.0)


def junction_features(view: SiteView) -> Numbers:
    """Return the numbers of a branch point.

    Names that begin with ``shape.`` and ``contact.`` see no microscopy.
    """
    radius = float(view.depth_nm[view.own & (view.away_nm <= 60.0)].max())
    core, ends = _spread(view, radius)
    branches = [_branch(view, ends == k + 1) for k in range(int(ends.max()))]
    found: Numbers = {"shape.radius": radius, "shape.room": min(view.room_nm, 1000.0)}
    found |= _shape(view, branches, radius)
    found |= _inside(view)
    found |= _apart(view, ends)
    found |= _difference(branches)
    found |= _weakest(view, ends, branches, core)
    return found


def _spread(view: SiteView, radius: float) -> tuple[float, NDArray[np.int32]]:
    """Return the radius of the middle that parts the most branches, and their outer parts."""
    best: tuple[float, NDArray[np.int32]] | None = None
    for core in (min(max(1.3 * radius, 80.0), _LONGEST_CORE_NM), *_CORES_NM):
        ends = _ends(view, core)
        if best is None or ends.max() > best[1].max():
            best = (core, ends)
        if ends.max() >= 3:
            break
    assert best is not None
    return best


def _ends(view: SiteView, core: float) -> NDArray[np.int32]:
    """Return the branches' outer parts, numbered from 1, largest first."""
    shell = view.own & (view.away_nm > core) & (view.away_nm <= core + _SHELL_NM)
    parts, count = ndimage.label(shell)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    reaches = np.unique(parts[view.away_nm > core + _SHELL_NM / 2])
    kept = [
        number
        for number in np.argsort(-sizes, kind="stable").tolist()
        if number and number in reaches and sizes[number] * view.voxel_nm3 >= _SMALLEST_NM3
    ][:_MOST_BRANCHES]
    names = np.zeros(count + 1, np.int32)
    names[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(names[parts])


def _branch(view: SiteView, mask: Mask) -> _Branch:
    inner = mask & (view.depth_nm > _INSIDE_NM)
    seen = view.em[inner if inner.any() else mask]
    return _Branch(
        direction=unit(view.position(np.argwhere(mask)).mean(axis=0) - view.point_nm),
        radius=float(view.depth_nm[mask].max()),
        volume=float(mask.sum()) * view.voxel_nm3,
        grey=float(np.median(seen)),
        texture=float(seen.std()),
        open=float(view.open[inner if inner.any() else mask].mean()) / 255,
    )


def _shape(view: SiteView, branches: list[_Branch], radius: float) -> Numbers:
    """Return calibres and angles; the straightest pair and what is left beside it."""
    found: Numbers = {"shape.branches": float(len(branches))}
    radii = sorted((b.radius for b in branches), reverse=True) + [np.nan] * 4
    volumes = sorted((b.volume for b in branches), reverse=True) + [np.nan] * 4
    for rank in range(4):
        found[f"shape.branch_radius{rank}"] = float(radii[rank])
        found[f"shape.branch_volume{rank}"] = float(volumes[rank]) / 1e6
    found["shape.calibre_jump"] = radius / float(radii[0]) if branches else float("nan")
    found["shape.calibre_ratio"] = float(radii[1] / radii[0])
    cosines = _cosines(branches)
    straight = sorted(cosines.items(), key=lambda item: item[1])
    found["shape.straightest"] = straight[0][1] if straight else float("nan")
    crossing = [c for pair, c in straight[1:] if not set(pair) & set(straight[0][0])]
    found["shape.crossing"] = min(crossing) if crossing else float("nan")
    found["shape.sharpest"] = straight[-1][1] if straight else float("nan")
    for reach in _BALLS_NM:
        ball = view.away_nm <= reach
        share = float((ball & view.own).sum()) / max(1, int(ball.sum()))
        found[f"shape.own_share.{reach:g}"] = share
        found[f"shape.free_share.{reach:g}"] = float((view.labels[ball] == 0).mean())
        found[f"shape.thickest.{reach:g}"] = float(view.depth_nm[ball].max())
    surface = view.own & (view.depth_nm <= 1.5 * max(view.step_nm))
    found["shape.roughness"] = float(surface.sum() / max(1, view.own.sum()))
    return found


def _cosines(branches: list[_Branch]) -> dict[tuple[int, int], float]:
    return {
        (i, j): float(branches[i].direction @ branches[j].direction)
        for i in range(len(branches))
        for j in range(i + 1, len(branches))
    }


def _inside(view: SiteView) -> Numbers:
    """Return how much membrane lies well inside the segment."""
    found: Numbers = {}
    inner = view.own & (view.depth_nm > _INSIDE_NM)
    for reach in _BALLS_NM:
        values = view.open[inner & (view.away_nm <= reach)].astype(np.float64) / 255
        found |= percentiles(values, (2, 10, 25, 50), f"em.inside.{reach:g}")
        dark = float((values < 0.25).mean()) if values.size else float("nan")
        found[f"em.inside_dark.{reach:g}"] = dark
    far = view.open[inner & (view.away_nm > 200.0)]
    found["em.inside_far"] = float(far.mean()) / 255 if far.size else float("nan")
    deep = view.own & (view.depth_nm > 60.0) & (view.away_nm <= 300.0)
    found["em.deep_dark"] = float((view.open[deep] < 64).mean()) if deep.any() else float("nan")
    return found


def _apart(view: SiteView, ends: NDArray[np.int32]) -> Numbers:
    """Return whether the branches still hang together where only open places may be passed."""
    found: Numbers = {}
    near = view.own & (view.away_nm <= 380.0)
    for level in (48, 96, 144, 192):
        parts, count = ndimage.label(near & (view.open >= level))
        sizes = np.sort(np.bincount(parts.ravel(), minlength=count + 1)[1:])[::-1]
        total = max(1, int(near.sum()))
        found[f"em.first_part.{level}"] = float(sizes[0]) / total if count else 0.0
        found[f"em.second_part.{level}"] = float(sizes[1]) / total if count > 1 else 0.0
        groups = {_main_part(parts[ends == k + 1]) for k in range(int(ends.max()))}
        found[f"em.groups.{level}"] = float(len(groups))
    return found


def _main_part(parts: NDArray[np.int32]) -> int:
    counts = np.bincount(parts[parts > 0], minlength=1)
    return int(counts.argmax())


def _difference(branches: list[_Branch]) -> Numbers:
    """Return how differently the insides of the branches look."""
    found: Numbers = {}
    for name in ("grey", "texture", "open"):
        values = np.array([getattr(branch, name) for branch in branches[:4]])
        found[f"em.branch_{name}.spread"] = float(np.ptp(values)) if len(values) else float("nan")
    return found


def _weakest(
    view: SiteView, ends: NDArray[np.int32], branches: list[_Branch], core: float
) -> Numbers:
    """Return the least open surface between two groups of branches."""
    meetings = _meetings(view, ends, core)
    groups = [frozenset({k}) for k in range(len(branches))]
    history: list[_Meeting] = []
    pair: tuple[frozenset[int], frozenset[int]] | None = None
    while len(groups) > 1 and meetings:
        key = max(meetings, key=lambda k: (meetings[k].openness, sorted(map(sorted, k))))
        history.append(meetings[key])
        one, other = sorted(key, key=sorted)
        pair = (one, other)
        meetings = _joined(meetings, one, other)
        groups = [g for g in groups if g not in key] + [one | other]
    last = history[-1] if history else None
    found = {
        "em.weakest.open": last.openness if last else float("nan"),
        "em.weakest.area": last.area if last else float("nan"),
        "em.strongest.open": history[0].openness if history else float("nan"),
        "em.loose_groups": float(len(groups)),
    }
    return found | _two_sides(branches, pair, last)


def _two_sides(
    branches: list[_Branch],
    pair: tuple[frozenset[int], frozenset[int]] | None,
    meeting: _Meeting | None,
) -> Numbers:
    nothing = float("nan")
    found = {"em.sides.narrow": nothing, "em.sides.balance": nothing, "em.sides.straight": nothing,
             "em.sides.grey": nothing, "em.sides.texture": nothing}  # fmt: skip
    if pair is None or meeting is None:
        return found
    sides = [[branches[k] for k in sorted(group)] for group in pair]
    radius = min(max(b.radius for b in side) for side in sides)
    volumes = [sum(b.volume for b in side) for side in sides]
    found["em.sides.narrow"] = meeting.area / (np.pi * max(radius, 10.0) ** 2)
    found["em.sides.balance"] = min(volumes) / max(volumes)
    inner = [min(_cosines(side).values(), default=nothing) for side in sides]
    kept = [value for value in inner if np.isfinite(value)]
    found["em.sides.straight"] = float(np.mean(kept)) if kept else nothing
    for name in ("grey", "texture"):
        means = [float(np.mean([getattr(b, name) for b in side])) for side in sides]
        found[f"em.sides.{name}"] = abs(means[0] - means[1])
    return found


Meetings = dict[frozenset[frozenset[int]], _Meeting]


def _joined(meetings: Meetings, one: frozenset[int], other: frozenset[int]) -> Meetings:
    """Return the meetings after two groups became one."""
    found: Meetings = {}
    for key, meeting in meetings.items():
        if key == {one, other}:
            continue
        new = frozenset((one | other) if group in (one, other) else group for group in key)
        found[new] = found[new].with_other(meeting) if new in found else meeting
    return found


def _meetings(view: SiteView, ends: NDArray[np.int32], core: float) -> Meetings:
    inside = view.own & (view.away_nm <= core + _SHELL_NM)
    box = ndimage.find_objects(inside.astype(np.uint8))[0]
    flood = flooded(255 - view.open[box].astype(np.int16), ends[box], inside[box])
    found: Meetings = {}
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        a, b = flood[tuple(low)], flood[tuple(high)]
        here = (a != b) & (a > 0) & (b > 0)
        worst = np.minimum(view.open[box][tuple(low)][here], view.open[box][tuple(high)][here])
        area = view.voxel_nm3 / view.step_nm[axis]
        first, second = np.minimum(a[here], b[here]), np.maximum(a[here], b[here])
        codes = first.astype(np.int64) * 100 + second
        for code in np.unique(codes).tolist():
            these = codes == code
            key = frozenset({frozenset({code // 100 - 1}), frozenset({code % 100 - 1})})
            part = _Meeting(float(these.sum()) * area, float(worst[these].mean()) / 255)
            found[key] = found[key].with_other(part) if key in found else part
    return found
