"""Places where a neurite's shape changes abruptly: possible merge errors.

Calibre and direction are compared along the two arms of a vertex that lies on a plain
stretch; two somata in one segment need a border somewhere between them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_array
from scipy.sparse.csgraph import dijkstra

from connectome.datastack import Skeleton
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import SkeletonPoint, neighbours_of, point_at

__all__ = ["narrowings", "soma_borders", "turns"]


@dataclass(frozen=True)
class _Stretch:
    """A vertex of degree 2 with the vertices of its two arms, nearest first."""

    index: int
    arms: tuple[list[int], list[int]]


def narrowings(skeleton: Skeleton, settings: DetectionSettings) -> list[SkeletonPoint]:
    """Return the vertices that are thin for the usual calibre of both their arms."""
    radii: list[float] = skeleton.radii_nm.astype(float).tolist()
    found = []
    for stretch in _stretches(skeleton, settings):
        usual = min(median(radii[index] for index in arm) for arm in stretch.arms)
        ratio = radii[stretch.index] / usual if usual > 0 else 1.0
        if ratio <= settings.max_narrowing:
            found.append((ratio, stretch.index))
    return _spread(skeleton, found, settings)


def turns(skeleton: Skeleton, settings: DetectionSettings) -> list[SkeletonPoint]:
    """Return the vertices where the neurite turns sharply without a branch."""
    vertices = skeleton.vertices_nm.astype(float)
    found = []
    for stretch in _stretches(skeleton, settings):
        one, other = (vertices[arm].mean(axis=0) - vertices[stretch.index] for arm in stretch.arms)
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        cosine = float(one @ other) / lengths if lengths > 0 else 1.0
        if cosine >= settings.min_turn_cosine:
            found.append((-cosine, stretch.index))
    return _spread(skeleton, found, settings)


def soma_borders(skeleton: Skeleton, settings: DetectionSettings) -> list[SkeletonPoint]:
    """Return the thinnest vertex on the way between every two neighbouring somata."""
    somata = _somata(skeleton, settings)
    if len(somata) < 2:
        return []
    distance, before = dijkstra(
        _lengths(skeleton), directed=False, indices=somata, return_predecessors=True
    )
    found = set()
    linked = {0}
    while rest := [i for i in range(len(somata)) if i not in linked]:
        length, a, b = min((distance[a, somata[b]], a, b) for a in sorted(linked) for b in rest)
        linked.add(b)
        if np.isfinite(length):
            way = _way(before[a], somata[b])
            found.add(min(way, key=lambda index: (float(skeleton.radii_nm[index]), index)))
    return [point_at(skeleton, index) for index in sorted(found)]


def _stretches(skeleton: Skeleton, settings: DetectionSettings) -> list[_Stretch]:
    """Return the vertices of degree 2 whose arms are both long enough."""
    near = _near(skeleton)
    found = []
    for index, ends in enumerate(near):
        if len(ends) != 2:
            continue
        arms = [_arm(near, index, end, settings.arm_nm) for end in sorted(ends)]
        if min(reach for _, reach in arms) >= settings.min_arm_nm:
            found.append(_Stretch(index, (arms[0][0], arms[1][0])))
    return found


def _near(skeleton: Skeleton) -> list[dict[int, float]]:
    """Return the neighbours of each vertex with the way to them in nm."""
    places = skeleton.vertices_nm.astype(float).tolist()
    return [
        {other: math.dist(places[index], places[other]) for other in sorted(ends)}
        for index, ends in enumerate(neighbours_of(skeleton))
    ]


def _arm(
    near: list[dict[int, float]], index: int, end: int, length_nm: float
) -> tuple[list[int], float]:
    """Return the vertices on one side within a length of neurite, and how far they reach."""
    reached, queue = {index: 0.0, end: near[index][end]}, [end]
    for here in queue:
        for other, way in near[here].items():
            along = reached[here] + way
            if other not in reached and along <= length_nm:
                reached[other] = along
                queue.append(other)
    return queue, max(reached.values())


def _spread(
    skeleton: Skeleton, found: list[tuple[float, int]], settings: DetectionSettings
) -> list[SkeletonPoint]:
    """Return the most striking vertices, none near a more striking one."""
    kept: list[int] = []
    for _, index in sorted(found):
        apart = np.linalg.norm(skeleton.vertices_nm[kept] - skeleton.vertices_nm[index], axis=1)
        if not kept or float(apart.min()) >= settings.same_shape_nm:
            kept.append(index)
    return [point_at(skeleton, index) for index in kept]


def _somata(skeleton: Skeleton, settings: DetectionSettings) -> list[int]:
    """Return the middles of the thick blobs, thickest first."""
    radii, vertices = skeleton.radii_nm, skeleton.vertices_nm
    thick = np.flatnonzero(radii >= settings.soma_nm)
    kept: list[int] = []
    for index in thick[np.lexsort((thick, -radii[thick]))].tolist():
        apart = np.linalg.norm(vertices[kept] - vertices[index], axis=1)
        if bool((apart > radii[kept] + radii[index]).all()):
            kept.append(index)
    return kept


def _lengths(skeleton: Skeleton) -> csr_array:
    a, b = skeleton.edges.T.astype(np.int64)
    length = np.linalg.norm(skeleton.vertices_nm[a] - skeleton.vertices_nm[b], axis=1)
    shape = (len(skeleton.vertices_nm),) * 2
    return csr_array(coo_matrix((length.astype(float), (a, b)), shape=shape))


def _way(before: NDArray[np.int32], end: int) -> list[int]:
    way = [end]
    while before[way[-1]] >= 0:
        way.append(int(before[way[-1]]))
    return way
