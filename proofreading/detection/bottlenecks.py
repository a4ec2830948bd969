"""Bottleneck sites from the graph of supervoxels: where a segment hangs together weakly.

The graph is read from the voxels, so any segmentation with supervoxels finer than its roots
will do; links are weighed by their area and, where there is microscopy on the same grid, by
how little membrane lies across them (`connectome.offline.membranes`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectome.contact_blocks import (
    Block,
    Touching,
    TouchingPart,
    blocks,
    blocks_of,
    touching_of,
    touching_part,
)
from connectome.datastack import Datastack, Imagery
from connectome.graph import GraphPoint, SplitRequest
from connectome.offline.membranes import contrast, openness, rim_voxels
from connectome.space import BoxNm, Cutout, PointNm, Scale
from proofreading.detection.contacts import check_size, point_inside, working_level
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.weak_cuts import Cuts, weak_cuts
from proofreading.sites import Site, SiteKind, make_site_id

__all__ = [
    "CUT_DETECTOR",
    "Bottleneck",
    "Links",
    "bottleneck_sites",
    "bottlenecks",
    "cut_site",
    "weak_links",
    "weakest",
]

CUT_DETECTOR = "cut/1"

_HALO_NM = 120.0
"""Half-width of what is read around a cut to find its two points."""
_SAMPLE_VOXELS = 64
_SAMPLES = 8


@dataclass(frozen=True)
class Bottleneck:
    """A weak cut of a root: the two supervoxels of its strongest link, and where they meet.

    `weakness` is lower for weaker cuts.
    """

    root: int
    supervoxels: tuple[int, int]
    point_nm: PointNm
    area_nm2: float
    weakness: float


def bottleneck_sites(
    datastack: Datastack,
    settings: DetectionSettings,
    *,
    roots: Iterable[int] | None = None,
    box: BoxNm | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Site]:
    """Yield the sites of the weakest cuts, block by block, with a proposed cut.

    The proposal's source and sink lie in the two supervoxels of the strongest link.

    Raises
    ------
    InputError
        If the volume is too large to be read through and no box is given.
    """
    report = progress or (lambda _share: None)
    found = bottlenecks(
        datastack, settings, roots=roots, box=box, progress=lambda share: report(0.8 * share)
    )
    segmentation = datastack.segmentation
    scale = segmentation.scales[working_level(segmentation, settings)]
    points = np.array([each.point_nm for each in found]).reshape(-1, 3)
    done = 0
    for _, rows in blocks_of(scale, settings.block_voxels, points, box):
        for row in rows.tolist():
            site = cut_site(datastack, found[row], settings)
            if site is not None:
                yield site
        done += len(rows)
        report(0.8 + 0.2 * done / len(found))
    report(1.0)


def bottlenecks(
    datastack: Datastack,
    settings: DetectionSettings,
    *,
    roots: Iterable[int] | None = None,
    box: BoxNm | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Bottleneck]:
    """Return the weak cuts of these roots (of all if None), weakest first.

    Raises
    ------
    InputError
        If the volume is too large to be read through and no box is given.
    """
    segmentation = datastack.segmentation
    scale = segmentation.scales[working_level(segmentation, settings)]
    check_size(scale, box, settings)
    todo = blocks(scale, settings.block_voxels, box)
    return weakest([weak_links(datastack, settings, todo, progress)], settings, scale, roots)


@dataclass(frozen=True)
class Links:
    """What some blocks hold of the links inside segments.

    Parameters
    ----------
    part : TouchingPart
        Supervoxels of one root that touch.
    roots : ndarray, shape (k,), uint64
        The root of each of the part's labels.
    measured : bool
        Whether openness was measured.
    """

    part: TouchingPart
    roots: NDArray[np.uint64]
    measured: bool


def weak_links(
    datastack: Datastack,
    settings: DetectionSettings,
    todo: Sequence[Block],
    progress: Callable[[float], None] | None = None,
) -> Links:
    """Return the links inside segments in these blocks."""
    segmentation = datastack.segmentation
    level = working_level(segmentation, settings)
    scale = segmentation.scales[level]
    owner = _Owners()

    def supervoxels(part: BoxNm) -> Cutout:
        found = segmentation.read_supervoxels(part, level)
        owner.learn(found.data, segmentation.read_roots(part, level).data)
        return found

    measure = _openness(datastack.imagery, scale)
    part = touching_part(supervoxels, scale, todo, gap_nm=0.0, measure=measure, progress=progress)
    inside = owner.roots_of(part.patches.pairs)
    same = (inside[:, 0] == inside[:, 1]) & (inside[:, 0] != 0)
    kept = replace(part, patches=part.patches.take(same))
    return Links(kept, owner.roots_of(part.labels), measure is not None)


def weakest(
    links: Sequence[Links],
    settings: DetectionSettings,
    scale: Scale,
    roots: Iterable[int] | None = None,
) -> list[Bottleneck]:
    """Return the weak cuts of these roots (of all if None) in different blocks, weakest first."""
    names = np.concatenate([each.part.labels for each in links])
    owners = np.concatenate([each.roots for each in links])
    labels, first = np.unique(names, return_index=True)
    pairs = touching_of([each.part for each in links], scale)
    root = owners[first][np.searchsorted(labels, pairs.pairs[:, 0])]
    if roots is not None:
        wanted = np.isin(root, np.array(list(roots), np.uint64))
        pairs, root = pairs.take(wanted), root[wanted]
    return _weakest(pairs, root, settings, measured=any(each.measured for each in links))


class _Owners:
    """Which root holds each supervoxel, learnt while blocks are read."""

    def __init__(self) -> None:
        self._names: list[NDArray[np.uint64]] = []
        self._roots: list[NDArray[np.uint64]] = []

    def learn(self, supervoxels: NDArray[np.uint64], roots: NDArray[np.uint64]) -> None:
        """Remember the roots of the supervoxels of a block."""
        flat = supervoxels.ravel()
        starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
        names, first = np.unique(flat[starts], return_index=True)
        self._names.append(names)
        self._roots.append(roots.ravel()[starts[first]])

    def roots_of(self, supervoxels: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Return the root of each of these, of the same shape."""
        names, first = np.unique(np.concatenate(self._names), return_index=True)
        roots = np.concatenate(self._roots)[first]
        return np.asarray(roots[np.searchsorted(names, supervoxels)])


def _weakest(
    pairs: Touching, roots: NDArray[np.uint64], settings: DetectionSettings, *, measured: bool
) -> list[Bottleneck]:
    if not len(pairs):
        return []
    nodes, links = np.unique(pairs.pairs, return_inverse=True)
    volumes = np.zeros(len(nodes))
    volumes[links.reshape(-1, 2)] = pairs.volume_nm3
    cuts = weak_cuts(links.reshape(-1, 2), pairs.area_nm2, pairs.openness, volumes)
    weakness = cuts.openness if measured else cuts.narrowness
    limit = settings.max_cut_openness if measured else settings.max_cut_narrowness
    if measured:
        # Dark tissue is no reason to see membranes everywhere: the volume's own links count.
        limit *= float(np.average(pairs.openness, weights=pairs.area_nm2))
    return list(_thinned(pairs, roots, cuts, weakness, limit, settings))


def _thinned(
    pairs: Touching,
    roots: NDArray[np.uint64],
    cuts: Cuts,
    weakness: NDArray[np.float64],
    limit: float,
    settings: DetectionSettings,
) -> Iterator[Bottleneck]:
    """Yield the cuts that are weak enough, weakest first, without those near a weaker one."""
    wanted = np.flatnonzero((cuts.smaller_nm3 >= settings.min_side_nm3) & (weakness <= limit))
    kept: dict[int, list[PointNm]] = {}
    for row in wanted[np.lexsort((cuts.link[wanted], weakness[wanted]))]:
        link = int(cuts.link[row])
        x, y, z = (float(value) for value in pairs.middle_nm[link])
        places = kept.setdefault(int(roots[link]), [])
        if any(math.dist(place, (x, y, z)) < settings.same_cut_nm for place in places):
            continue
        places.append((x, y, z))
        a, b = (int(each) for each in pairs.pairs[link])
        area = float(cuts.area_nm2[row])
        yield Bottleneck(int(roots[link]), (a, b), (x, y, z), area, float(weakness[row]))


def cut_site(datastack: Datastack, found: Bottleneck, settings: DetectionSettings) -> Site | None:
    """Return the site of a cut; None if it was edited meanwhile."""
    segmentation = datastack.segmentation
    level = working_level(segmentation, settings)
    box = BoxNm.around(found.point_nm, _HALO_NM)
    cutout = segmentation.read_supervoxels(box, level)
    ends = []
    for supervoxel in found.supervoxels:
        inside = point_inside((cutout, cutout), supervoxel, found.point_nm)
        if inside is None:
            return None
        ends.append(GraphPoint(*inside))
    return Site(
        id=make_site_id(
            datastack.name, SiteKind.BOTTLENECK, found.supervoxels, found.point_nm, CUT_DETECTOR
        ),
        kind=SiteKind.BOTTLENECK,
        datastack=datastack.name,
        root=found.root,
        supervoxel=found.supervoxels[0],
        point_nm=found.point_nm,
        radius_nm=math.sqrt(found.area_nm2 / math.pi),
        detector=CUT_DETECTOR,
        proposed_cut=SplitRequest(sources=(ends[0],), sinks=(ends[1],)),
    )


def _openness(imagery: Imagery | None, scale: Scale) -> Callable[[BoxNm], Cutout] | None:
    """Return what measures openness on the grid of a scale, if there is microscopy on it."""
    level = None if imagery is None else _level_on(imagery, scale)
    if imagery is None or level is None:
        return None
    grey_range = _grey_range(imagery, level)
    rim = rim_voxels(scale.voxel_nm)

    def measure(box: BoxNm) -> Cutout:
        first, last = scale.clip(box)
        wide = imagery.read(_grown(box, scale, rim), level)
        values = openness(wide.data, scale.voxel_nm, grey_range)
        inner = tuple(
            slice(f - w, e - w)
            for f, e, w in list(zip(first, last, wide.first_voxel, strict=True))[::-1]
        )
        return Cutout(values[inner], first, scale)

    return measure


def _level_on(imagery: Imagery, scale: Scale) -> int | None:
    same = [
        level
        for level, other in enumerate(imagery.scales)
        if np.allclose(other.voxel_nm, scale.voxel_nm)
        and (other.shape, other.offset) == (scale.shape, scale.offset)
    ]
    return same[0] if same else None


def _grown(box: BoxNm, scale: Scale, voxels: tuple[int, int, int]) -> BoxNm:
    margin = [n * v for n, v in zip(voxels, scale.voxel_nm, strict=True)]
    low = [a - m for a, m in zip(box.lower, margin, strict=True)]
    high = [b + m for b, m in zip(box.upper, margin, strict=True)]
    return BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _grey_range(imagery: Imagery, level: int) -> tuple[float, float]:
    """Return the contrast of a few samples spread over the volume."""
    scale = imagery.scales[level]
    every = blocks(scale, _SAMPLE_VOXELS)
    chosen = every[:: max(1, len(every) // _SAMPLES)]
    greys = [imagery.read(block.box(scale), level).data.ravel() for block in chosen]
    return contrast(np.concatenate(greys)[:, None, None])
