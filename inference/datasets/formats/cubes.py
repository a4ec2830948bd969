"""Splits by cubes of space, by the published rule, and with a buffer between the cubes.

The rule of ConnectomeBench2: cubes of 50 µm from the smallest coordinate of any question;
those that hold a question are sorted, shuffled with a seed and dealt 80 : 10 : 10. Pictures
of two questions on both sides of a wall then show the same tissue; with a buffer of twice
the half width of a picture no two parts do.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from connectome.errors import InputError
from connectome.space import PointNm
from inference.datasets.formats.values import is_outlier
from inference.datasets.samples import Part, Sample

__all__ = ["EDGE_NM", "RATIOS", "SEED", "CubeSplit", "assign_cubes"]

EDGE_NM = 50_000.0
RATIOS = (0.8, 0.1, 0.1)
SEED = 42
_Cube = tuple[int, int, int]
_STRICT = {Part.TRAIN: 0, Part.VALIDATION: 1, Part.TEST: 2}
"""Near a wall the question of the less strict part is given up."""


@dataclass(frozen=True)
class CubeSplit:
    """Which part each question belongs to.

    Parameters
    ----------
    parts : mapping of str to Part
        By sample id; outliers are in none.
    cubes : mapping of cube to Part
        The cubes that hold a question, by their numbers along x, y and z.
    lower_nm, upper_nm : tuple of float
        The smallest and the largest coordinates.
    buffer_nm : float
        How far apart questions of two parts are at least, along one axis.
    outliers : int
        Questions left out because they lie more than a metre away.
    """

    parts: Mapping[str, Part]
    cubes: Mapping[_Cube, Part]
    lower_nm: PointNm
    upper_nm: PointNm
    edge_nm: float = EDGE_NM
    ratios: tuple[float, float, float] = RATIOS
    seed: int = SEED
    buffer_nm: float = 0.0
    outliers: int = 0
    counts: Counter[Part] = field(default_factory=Counter)


def assign_cubes(
    samples: Iterable[Sample],
    edge_nm: float = EDGE_NM,
    ratios: tuple[float, float, float] = RATIOS,
    seed: int = SEED,
    buffer_nm: float = 0.0,
) -> CubeSplit:
    """Deal questions to parts by the cube they lie in.

    Parameters
    ----------
    edge_nm : float
        Edge of a cube.
    ratios : tuple of float
        Shares of the cubes for training, validation and test; together 1.
    seed : int
        What the shuffling starts from.
    buffer_nm : float
        0 for the published rule. Otherwise a question nearer than this to a cube of a
        stricter part (test before validation before training) belongs to none.

    Raises
    ------
    InputError
        If there is no question, or a number makes no sense.
    """
    _check(edge_nm, ratios, buffer_nm)
    given = list(samples)
    kept = [sample for sample in given if not is_outlier(sample.point_nm)]
    if not kept:
        raise InputError("There is no question to split.", "Give a data set that holds some.")
    lower, upper = _bounds([sample.point_nm for sample in kept])
    occupied = {_cube_of(sample.point_nm, lower, edge_nm) for sample in kept}
    cubes = _dealt(sorted(occupied), ratios, seed)
    parts = {sample.id: _part(sample.point_nm, lower, edge_nm, cubes, buffer_nm) for sample in kept}
    return CubeSplit(
        parts,
        cubes,
        lower,
        upper,
        edge_nm,
        ratios,
        seed,
        buffer_nm,
        len(given) - len(kept),
        Counter(parts.values()),
    )


def _check(edge_nm: float, ratios: tuple[float, float, float], buffer_nm: float) -> None:
    shares = min(ratios) >= 0 and math.isclose(sum(ratios), 1.0, abs_tol=1e-6)
    if not (edge_nm > 0 and math.isfinite(edge_nm)) or not 0 <= buffer_nm < edge_nm / 2:
        raise InputError(
            f"Cubes of {edge_nm:g} nm with a buffer of {buffer_nm:g} nm cannot be.",
            "The edge has to be positive, the buffer less than half of it.",
        )
    if not shares:
        raise InputError(
            f"The shares {ratios} of training, validation and test are not together 1.",
            "Give three numbers such as 0.8, 0.1 and 0.1.",
        )


def _bounds(points: Sequence[PointNm]) -> tuple[PointNm, PointNm]:
    lower, upper = ([pick(axis) for axis in zip(*points, strict=True)] for pick in (min, max))
    return (lower[0], lower[1], lower[2]), (upper[0], upper[1], upper[2])


def _cube_of(point: PointNm, lower: PointNm, edge_nm: float) -> _Cube:
    x, y, z = (int((p - low) // edge_nm) for p, low in zip(point, lower, strict=True))
    return (x, y, z)


def _dealt(cubes: list[_Cube], ratios: tuple[float, float, float], seed: int) -> dict[_Cube, Part]:
    random.Random(seed).shuffle(cubes)
    train = round(len(cubes) * ratios[0])
    # Rounding up twice may ask for one cube more than there is.
    validation = min(round(len(cubes) * ratios[1]), len(cubes) - train)
    return {
        cube: Part.TRAIN
        if number < train
        else Part.VALIDATION
        if number < train + validation
        else Part.TEST
        for number, cube in enumerate(cubes)
    }


def _part(
    point: PointNm,
    lower: PointNm,
    edge_nm: float,
    cubes: Mapping[_Cube, Part],
    buffer_nm: float,
) -> Part:
    own = _cube_of(point, lower, edge_nm)
    part = cubes[own]
    if buffer_nm == 0:
        return part
    sides = (-1, 0, 1)
    for step in itertools.product(sides, sides, sides):
        other = cubes.get((own[0] + step[0], own[1] + step[1], own[2] + step[2]))
        if other is None or _STRICT[other] <= _STRICT[part]:
            continue
        if _gap(point, lower, own, step, edge_nm) < buffer_nm:
            return Part.BUFFER
    return part


def _gap(point: PointNm, lower: PointNm, own: _Cube, step: _Cube, edge_nm: float) -> float:
    """Return the longest way along an axis from a point into a neighbouring cube, in nm."""
    inside = [p - low - cube * edge_nm for p, low, cube in zip(point, lower, own, strict=True)]
    ways = [
        0.0 if direction == 0 else (edge_nm - at if direction > 0 else at)
        for at, direction in zip(inside, step, strict=True)
    ]
    return max(ways)
