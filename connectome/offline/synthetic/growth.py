"""Neurites that grow through a volume without running into each other."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.offline.synthetic.recipe import DemoRecipe

__all__ = ["Forest", "grow"]

_STEP = 2.0
_COARSE = 4
"""The map of free space is kept at this fraction of the resolution."""

Vector = NDArray[np.float64]


@dataclass
class Forest:
    """Centrelines of all neurites as nodes, and the volume their cores are painted in.

    Parameters
    ----------
    painted : ndarray, shape (z, y, x), int32
        Number of the node whose ball covers a voxel, plus 1; 0 is free.
    """

    painted: NDArray[np.int32]
    positions: list[Vector] = field(default_factory=list)
    radii: list[float] = field(default_factory=list)
    neurites: list[int] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)
    """Number of the supervoxel that each node belongs to."""
    runs: list[range] = field(default_factory=list)
    """Nodes of each unbranched stretch, in order."""


@dataclass(frozen=True)
class _Shoot:
    """Where a stretch of neurite starts."""

    neurite: int
    position: Vector
    direction: Vector
    radius: float
    steps: int
    depth: int


def grow(recipe: DemoRecipe, rng: np.random.Generator) -> Forest:
    """Grow neurites, thick ones first, until the volume is full or enough are there."""
    forest = Forest(np.zeros(recipe.shape, np.int32))
    low, high = recipe.radius_voxels
    # Many thin and few thick, as in neuropil.
    radii = np.sort(low * (high / low) ** (rng.random(recipe.neurites) ** 2.2))[::-1]
    free = _free_space(forest)
    for neurite, radius in enumerate(radii):
        if neurite % 8 == 0:
            free = _free_space(forest)
        start = _start(free, rng)
        if forest.painted[tuple(start.astype(int))]:
            continue
        direction = _unit(rng.normal(size=3))
        for sign in (1.0, -1.0):
            shoot = _Shoot(neurite, start, direction * sign, float(radius), 220, 0)
            _grow_tree(forest, shoot, recipe, rng)
    return forest


def _free_space(forest: Forest) -> NDArray[np.float64]:
    coarse = forest.painted[::_COARSE, ::_COARSE, ::_COARSE] == 0
    return np.asarray(ndimage.distance_transform_edt(coarse), np.float64)


def _start(free: NDArray[np.float64], rng: np.random.Generator) -> Vector:
    """Return the roomiest of a few random voxels."""
    places = rng.integers(0, free.shape, size=(60, 3))
    best = places[int(free[tuple(places.T)].argmax())]
    return np.asarray(best * _COARSE + 1.0, np.float64)


def _grow_tree(forest: Forest, trunk: _Shoot, recipe: DemoRecipe, rng: np.random.Generator) -> None:
    waiting = [trunk]
    while waiting:
        waiting.extend(_grow_run(forest, waiting.pop(), recipe, rng))


def _grow_run(
    forest: Forest, shoot: _Shoot, recipe: DemoRecipe, rng: np.random.Generator
) -> list[_Shoot]:
    """Grow one stretch until it leaves the volume or finds no way; return its branches."""
    first, branches = len(forest.radii), []
    position, direction, swelling = shoot.position, shoot.direction, 0.0
    section = (forest.sections[-1] if forest.sections else 0) + 1
    for step in range(shoot.steps):
        swelling = 0.97 * swelling + 0.09 * float(rng.normal())
        radius = max(3.5, shoot.radius * float(np.exp(swelling)))
        _paint(forest, position, radius, shoot.neurite, section + step // recipe.supervoxel_steps)
        if shoot.depth < 2 and step > 4 and rng.random() < recipe.branch_probability:
            branches.append(_branch(shoot, position, direction, rng))
        way = _way_on(forest, position, direction, radius, shoot.neurite, rng)
        if way is None:
            break
        direction = way
        position = position + _STEP * direction
        if not _inside(position, forest.painted.shape):
            break
    forest.runs.append(range(first, len(forest.radii)))
    return branches


def _branch(shoot: _Shoot, position: Vector, direction: Vector, rng: np.random.Generator) -> _Shoot:
    aside = _unit(np.cross(direction, rng.normal(size=3)))
    radius = max(4.0, shoot.radius * float(rng.uniform(0.45, 0.8)))
    steps = int(rng.integers(12, 90))
    return _Shoot(
        shoot.neurite,
        position,
        _unit(0.5 * direction + aside),
        radius,
        steps,
        shoot.depth + 1,
    )


def _paint(forest: Forest, position: Vector, radius: float, neurite: int, section: int) -> None:
    """Add a node and paint its core where nothing is yet."""
    forest.positions.append(position)
    forest.radii.append(radius)
    forest.neurites.append(neurite)
    forest.sections.append(section)
    core = max(1.5, 0.62 * radius)
    first = np.maximum(np.floor(position - core).astype(int), 0)
    last = np.minimum(np.ceil(position + core).astype(int) + 1, forest.painted.shape)
    z, y, x = (np.arange(a, b) - p for a, b, p in zip(first, last, position, strict=True))
    ball = z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 <= core**2
    part = forest.painted[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    part[ball & (part == 0)] = len(forest.radii)


def _way_on(
    forest: Forest,
    position: Vector,
    direction: Vector,
    radius: float,
    neurite: int,
    rng: np.random.Generator,
) -> Vector | None:
    """Return a direction near the present one whose way is free of other neurites."""
    for spread in (0.13, 0.4, 0.8):
        ways = direction + spread * rng.normal(size=(5, 3))
        for way in ways / np.linalg.norm(ways, axis=1, keepdims=True):
            if _is_free(forest, position + (0.8 * radius + 3 * _STEP) * way, neurite):
                return np.asarray(way)
    return None


def _is_free(forest: Forest, position: Vector, neurite: int) -> bool:
    if not _inside(position, forest.painted.shape):
        return True
    node = int(forest.painted[tuple(position.astype(int))])
    return node == 0 or forest.neurites[node - 1] == neurite


def _inside(position: Vector, shape: tuple[int, ...]) -> bool:
    return bool((position >= 0).all() and (position < shape).all())


def _unit(vector: Vector) -> Vector:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9))
