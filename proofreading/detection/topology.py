"""Tips and branch points of a skeleton."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from connectome.space import PointNm

__all__ = ["SkeletonPoint", "branch_points", "neighbours_of", "point_at", "thinned", "tips"]


@dataclass(frozen=True)
class SkeletonPoint:
    """A vertex that stands out.

    `direction` is the outward unit tangent of a tip, xyz; None where there is none.
    """

    point_nm: PointNm
    radius_nm: float
    direction: PointNm | None = None


def tips(skeleton: Skeleton, tangent_nm: float, same_nm: float) -> list[SkeletonPoint]:
    """Return the vertices of degree 1, and those of degree 0, near-duplicates merged.

    Of tips within `same_nm` of each other the thickest stays. Cycles have none.
    """
    neighbours = neighbours_of(skeleton)
    found = [index for index, near in enumerate(neighbours) if len(near) <= 1]
    return [
        point_at(skeleton, index, _tangent(skeleton, neighbours, index, tangent_nm))
        for index in thinned(skeleton, found, same_nm)
    ]


def branch_points(skeleton: Skeleton, same_nm: float) -> list[SkeletonPoint]:
    """Return the vertices of degree 3 and more, near-duplicates merged."""
    found = [index for index, near in enumerate(neighbours_of(skeleton)) if len(near) >= 3]
    return [point_at(skeleton, index, None) for index in thinned(skeleton, found, same_nm)]


def neighbours_of(skeleton: Skeleton) -> list[set[int]]:
    """Return the neighbours of each vertex; self-loops and repeated edges do not count."""
    near: list[set[int]] = [set() for _ in range(len(skeleton.vertices_nm))]
    for a, b in skeleton.edges.tolist():
        if a != b:
            near[a].add(b)
            near[b].add(a)
    return near


def point_at(skeleton: Skeleton, index: int, direction: PointNm | None = None) -> SkeletonPoint:
    """Return a vertex as a place."""
    return SkeletonPoint(
        _xyz(skeleton.vertices_nm[index]), float(skeleton.radii_nm[index]), direction
    )


def _xyz(values: NDArray[np.floating]) -> PointNm:
    x, y, z = (float(value) for value in values)
    return (x, y, z)


def thinned(skeleton: Skeleton, indices: list[int], same_nm: float) -> list[int]:
    """Return the indices, thickest first, without those near a thicker one."""
    vertices, radii = skeleton.vertices_nm, skeleton.radii_nm
    kept: list[int] = []
    for index in sorted(indices, key=lambda i: (-float(radii[i]), _xyz(vertices[i]))):
        apart = np.linalg.norm(vertices[kept] - vertices[index], axis=1)
        if not kept or float(apart.min()) >= same_nm:
            kept.append(index)
    return kept


def _tangent(
    skeleton: Skeleton, neighbours: list[set[int]], tip: int, length_nm: float
) -> PointNm | None:
    """Return the unit vector to a tip from the middle of its last stretch of neurite."""
    vertices = skeleton.vertices_nm.astype(float)
    reached, queue = {tip: 0.0}, deque([tip])
    while queue:
        here = queue.popleft()
        for other in sorted(neighbours[here]):
            along = reached[here] + float(np.linalg.norm(vertices[other] - vertices[here]))
            if other not in reached and along <= length_nm:
                reached[other] = along
                queue.append(other)
    rest = [index for index in reached if index != tip] or sorted(neighbours[tip])
    if not rest:
        return None
    vector = vertices[tip] - vertices[rest].mean(axis=0)
    length = float(np.linalg.norm(vector))
    return _xyz(vector / length) if length > 0 else None
