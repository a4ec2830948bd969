"""What lies inside neurites: mitochondria, microtubules, synapses with their vesicles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.offline.synthetic.growth import Forest
from connectome.offline.synthetic.recipe import DemoRecipe
from connectome.offline.synthetic.tissue import Tissue

__all__ = ["Canvas", "add_organelles"]

Grey = NDArray[np.float32]
Points = NDArray[np.float64]

_OCCUPIED = 115.0
"""Where it is darker than this there is a mitochondrion already."""


@dataclass(frozen=True)
class Canvas:
    """The picture under way: grey values (z, y, x) and the tissue that they show."""

    grey: Grey
    tissue: Tissue
    forest: Forest


def add_organelles(canvas: Canvas, recipe: DemoRecipe, rng: np.random.Generator) -> None:
    """Draw organelles into the grey values, in place."""
    for run in canvas.forest.runs:
        _microtubules(canvas, run, rng)
    _synapses(canvas, recipe, rng)
    _mitochondria(canvas, recipe, rng)


def _window(
    shape: tuple[int, ...], low: Points, high: Points
) -> tuple[tuple[slice, ...], tuple[NDArray[np.float32], ...]]:
    """Return the part of a volume between two corners and its open coordinate grid."""
    first = np.maximum(np.floor(low).astype(int), 0)
    last = np.minimum(np.ceil(high).astype(int) + 1, shape)
    part = tuple(slice(int(a), max(int(a), int(b))) for a, b in zip(first, last, strict=True))
    ranges = [np.arange(p.start, p.stop, dtype=np.float32) for p in part]
    z, y, x = ranges
    return part, (z[:, None, None], y[None, :, None], x[None, None, :])


def _microtubules(canvas: Canvas, run: range, rng: np.random.Generator) -> None:
    """Draw thin dark lines that keep their place in the cross-section."""
    if len(run) < 8:
        return
    line = np.asarray([canvas.forest.positions[node] for node in run])
    radius = float(np.median([canvas.forest.radii[node] for node in run]))
    for _ in range(int(radius)):
        aside = rng.normal(size=3) * 0.3 * radius
        fine = np.concatenate([line + aside, (line[:-1] + line[1:]) / 2 + aside])
        index = np.rint(fine).astype(int)
        inside = ((index >= 0) & (index < canvas.grey.shape)).all(axis=1)
        if not inside.any():
            continue
        place = tuple(index[inside].T)
        body = canvas.tissue.bodies[place]
        own = (canvas.tissue.depth[place] > 3.5) & (body == np.bincount(body).argmax())
        canvas.grey[tuple(part[own] for part in place)] -= float(rng.uniform(35, 70))


def _mitochondria(canvas: Canvas, recipe: DemoRecipe, rng: np.random.Generator) -> None:
    """Draw mitochondria along roomy stretches of neurite."""
    runs = [run for run in canvas.forest.runs if len(run) > 25]
    drawn = 0
    for _ in range(recipe.mitochondria * 25):
        run = runs[int(rng.integers(len(runs)))]
        length = int(rng.integers(10, min(len(run), 45)))
        start = int(rng.integers(0, len(run) - length + 1))
        nodes = run[start : start + length]
        drawn += _mitochondrion(
            canvas, np.asarray([canvas.forest.positions[n] for n in nodes]), rng
        )
        if drawn >= recipe.mitochondria:
            return


def _mitochondrion(canvas: Canvas, line: Points, rng: np.random.Generator) -> bool:
    """Draw one around a line if there is room, and tell so."""
    index = tuple(np.clip(np.rint(line).astype(int), 0, np.asarray(canvas.grey.shape) - 1).T)
    room = canvas.tissue.depth[index]
    body = canvas.tissue.bodies[index]
    radius = min(0.85 * float(np.median(room)), 17.0)
    if radius < 5.5 or (body != body[0]).any() or float(room.min()) < 3.0:
        return False
    if float(np.median(canvas.grey[index])) < _OCCUPIED:
        return False
    part, grid = _window(canvas.grey.shape, line.min(0) - radius, line.max(0) + radius)
    apart = _distance_to(line[::2].astype(np.float32), grid)
    wobble = 0.9 * np.sin(grid[0] / 5.1) + 0.9 * np.sin(grid[1] / 6.3 + grid[2] / 7.7)
    inward = np.minimum(radius + wobble - apart, canvas.tissue.depth[part] - 3.2)
    inside = (inward > 0) & (canvas.tissue.bodies[part] == body[0])
    grey = _mitochondrial_grey(inward, grid, line, rng)
    canvas.grey[part][inside] = grey[inside]
    return True


def _mitochondrial_grey(
    inward: Grey, grid: tuple[Grey, ...], line: Points, rng: np.random.Generator
) -> Grey:
    """Return a dark matrix with cristae, a double membrane around it."""
    along = line[-1] - line[0]
    along /= max(float(np.linalg.norm(along)), 1e-6)
    tilt = along + 0.5 * rng.normal(size=3)
    z, y, x = grid
    phase = (
        z * tilt[0]
        + y * tilt[1]
        + x * tilt[2]
        + 2.6 * np.sin(y / 5.0 + z / 9.0)
        + 2.2 * np.sin(x / 4.0 - z / 7.0)
    )
    matrix = float(rng.uniform(72, 92))
    grey = matrix + 7.0 * np.sin(phase * float(rng.uniform(0.6, 0.9))) * np.sin(y / 7.0 + x / 8.0)
    grey = np.where(inward < 2.6, matrix + 18.0, grey)
    return np.where(inward < 1.4, matrix - 14.0, grey).astype(np.float32)


def _distance_to(points: NDArray[np.float32], grid: tuple[Grey, ...]) -> Grey:
    z, y, x = grid
    nearest = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), np.inf, np.float32)
    for pz, py, px in points:
        np.minimum(nearest, (z - pz) ** 2 + (y - py) ** 2 + (x - px) ** 2, out=nearest)
    return np.sqrt(nearest)


def _synapses(canvas: Canvas, recipe: DemoRecipe, rng: np.random.Generator) -> None:
    """Darken patches of membrane and gather vesicles on one side of them."""
    depth = canvas.tissue.depth
    drawn = 0
    for place in rng.integers(4, np.asarray(depth.shape) - 4, size=(recipe.synapses * 60, 3)):
        if drawn >= recipe.synapses:
            return
        # The density stands on the membrane of a neurite with room for vesicles.
        if 1.0 < depth[tuple(place)] < 2.5 and _has_room(depth, place):
            _density(canvas, place.astype(float), rng)
            _vesicles(canvas, place, recipe.vesicles_per_synapse, rng)
            drawn += 1


def _has_room(depth: NDArray[np.float32], place: NDArray[np.int64]) -> bool:
    part = tuple(slice(int(p) - 12 if p > 12 else 0, int(p) + 13) for p in place)
    return float(depth[part].max()) > 9.0


def _density(canvas: Canvas, place: Points, rng: np.random.Generator) -> None:
    part, (z, y, x) = _window(canvas.grey.shape, place - 9, place + 9)
    apart = (z - place[0]) ** 2 + (y - place[1]) ** 2 + (x - place[2]) ** 2
    width = float(rng.uniform(3.5, 5.0))
    patch = np.exp(-apart / (2 * width**2)) * np.exp(-((canvas.tissue.depth[part] / 5.0) ** 2))
    canvas.grey[part] -= (140.0 * patch).astype(np.float32)


def _vesicles(
    canvas: Canvas, place: NDArray[np.int64], count: int, rng: np.random.Generator
) -> None:
    """Scatter small dark spheres with a paler middle in the neurite at a place."""
    body = canvas.tissue.bodies[tuple(place)]
    spots = np.rint(place + rng.normal(size=(count, 3)) * 11.0).astype(int)
    inside = ((spots >= 3) & (spots < np.asarray(canvas.grey.shape) - 3)).all(axis=1)
    for spot in spots[inside]:
        here = tuple(spot)
        if canvas.tissue.bodies[here] == body and canvas.tissue.depth[here] > 4.0:
            canvas.grey[tuple(slice(p - 3, p + 4) for p in spot)] -= _VESICLE


def _vesicle() -> Grey:
    z, y, x = np.mgrid[-3:4, -3:4, -3:4].astype(np.float32)
    apart = np.sqrt(z**2 + y**2 + x**2)
    return np.asarray(58.0 * np.exp(-((apart - 1.6) ** 2) / 1.2), np.float32)


_VESICLE = _vesicle()
