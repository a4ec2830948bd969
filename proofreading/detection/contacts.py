"""Contact sites: every touching pair of segments, the split errors among them.

One site for each pair, not one for each patch of their contact: a merge joins the pair
once, so it is asked once. (Of the FFN segments of a fly FIB-SEM volume that touch, most
do so in one place.) The site lies at the middle of the whole contact, where training
looked at the pair too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from connectome.contact_blocks import Block, Touching, blocks_of, find_touching
from connectome.datastack import Datastack, Segmentation
from connectome.errors import InputError
from connectome.space import BoxNm, Cutout, PointNm, Scale
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Partner, Site, SiteKind, make_site_id

__all__ = [
    "CONTACT_DETECTOR",
    "block_sites",
    "check_size",
    "contact_sites",
    "large_enough",
    "point_inside",
    "touching_pairs",
    "working_level",
]

CONTACT_DETECTOR = "contact/1"

_DEPTH_NM = 100.0
"""How far from the middle of a contact its two points may lie."""


def contact_sites(
    datastack: Datastack,
    settings: DetectionSettings,
    *,
    roots: Iterable[int] | None = None,
    box: BoxNm | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Site]:
    """Yield one site for each touching pair, block by block, broad contacts first in each.

    Parameters
    ----------
    roots : iterable of int, optional
        Only pairs that hold one of these.
    box : BoxNm, optional
        Only contacts inside; the whole volume if None.
    progress : callable, optional
        Called with the share of the work done, 0 to 1: a first reading finds the pairs,
        a second one their points.

    Raises
    ------
    InputError
        If the volume is too large to be read through and no box is given.
    """
    report = progress or (lambda _share: None)
    pairs = touching_pairs(
        datastack.segmentation,
        settings,
        roots=roots,
        box=box,
        progress=lambda share: report(0.7 * share),
    )
    done = 0
    for rows, sites in _by_block(datastack, pairs, settings, box):
        yield from sites
        done += rows
        report(0.7 + 0.3 * done / len(pairs))
    report(1.0)


def touching_pairs(
    segmentation: Segmentation,
    settings: DetectionSettings,
    *,
    roots: Iterable[int] | None = None,
    box: BoxNm | None = None,
    progress: Callable[[float], None] | None = None,
) -> Touching:
    """Return the touching pairs that are large enough, sorted by their ids.

    Raises
    ------
    InputError
        If the volume is too large to be read through and no box is given.
    """
    level = working_level(segmentation, settings)
    scale = segmentation.scales[level]
    check_size(scale, box, settings)
    found = find_touching(
        lambda part: segmentation.read_roots(part, level),
        scale,
        gap_nm=settings.gap_nm,
        box=box,
        block_voxels=settings.block_voxels,
        progress=progress,
    )
    return large_enough(found, settings, roots)


def large_enough(
    found: Touching, settings: DetectionSettings, roots: Iterable[int] | None = None
) -> Touching:
    """Return the pairs that become sites: of enough area and volume, with one of these roots."""
    enough = found.area_nm2 >= settings.min_contact_nm2
    enough &= found.volume_nm3.min(axis=1, initial=math.inf) >= settings.min_segment_nm3
    if roots is not None:
        enough &= np.isin(found.pairs, np.array(list(roots), np.uint64)).any(axis=1)
    return found.take(enough)


def working_level(segmentation: Segmentation, settings: DetectionSettings) -> int:
    """Return the coarsest level whose voxels are no larger than the working voxel, else 0."""
    levels = [
        level
        for level, scale in enumerate(segmentation.scales)
        if max(scale.voxel_nm) <= settings.working_voxel_nm
    ]
    return max(levels, default=0)


def check_size(scale: Scale, box: BoxNm | None, settings: DetectionSettings) -> None:
    """Refuse to read through a volume that is too large.

    Raises
    ------
    InputError
        If it is, and no box is given.
    """
    if box is None and math.prod(scale.shape) > settings.max_voxels:
        raise InputError(
            "This volume is too large to look at every contact in it.",
            "Choose a box to look in, or leave contacts out.",
        )


def _by_block(
    datastack: Datastack, pairs: Touching, settings: DetectionSettings, box: BoxNm | None
) -> Iterator[tuple[int, list[Site]]]:
    """Yield for each block how many pairs it has, and their sites."""
    segmentation = datastack.segmentation
    level = working_level(segmentation, settings)
    scale = segmentation.scales[level]
    for block, rows in blocks_of(scale, settings.block_voxels, pairs.middle_nm, box):
        yield len(rows), block_sites(datastack, pairs.take(rows), block, level)


def block_sites(datastack: Datastack, pairs: Touching, block: Block, level: int) -> list[Site]:
    """Return the sites of the pairs that have their middle in a block, broad contacts first."""
    segmentation = datastack.segmentation
    scale = segmentation.scales[level]
    x, y, z = (int(_DEPTH_NM / voxel) + 1 for voxel in scale.voxel_nm)
    around = block.box(scale, (x, y, z))
    cutouts = (
        segmentation.read_roots(around, level),
        segmentation.read_supervoxels(around, level),
    )
    order = np.lexsort((np.arange(len(pairs)), -pairs.area_nm2))
    sites = (_site(datastack.name, pairs, int(row), cutouts) for row in order)
    return [site for site in sites if site is not None]


def _site(name: str, pairs: Touching, row: int, cutouts: tuple[Cutout, Cutout]) -> Site | None:
    """Return the site of a pair, its larger segment as its own; None if edited meanwhile."""
    ends = [int(root) for root in pairs.pairs[row]]
    if pairs.volume_nm3[row, 1] > pairs.volume_nm3[row, 0]:
        ends.reverse()
    point = _point(pairs.middle_nm[row])
    own, other = (point_inside(cutouts, root, point) for root in ends)
    if own is None or other is None:
        return None
    area = float(pairs.area_nm2[row])
    partner = Partner(
        root=ends[1],
        supervoxel=other[0],
        own_supervoxel=own[0],
        own_point_nm=own[1],
        point_nm=other[1],
        distance_nm=0.0,
        contact_area_nm2=area,
        direction_agreement=0.0,
    )
    return Site(
        id=make_site_id(name, SiteKind.CONTACT, [own[0], other[0]], point, CONTACT_DETECTOR),
        kind=SiteKind.CONTACT,
        datastack=name,
        root=ends[0],
        supervoxel=own[0],
        point_nm=point,
        radius_nm=math.sqrt(area / math.pi),
        detector=CONTACT_DETECTOR,
        partners=(partner,),
    )


def point_inside(
    cutouts: tuple[Cutout, Cutout], root: int, near_nm: PointNm
) -> tuple[int, PointNm] | None:
    """Return the supervoxel of a root nearest to a place, and a point well inside it.

    Parameters
    ----------
    cutouts : tuple of Cutout
        Roots and supervoxels of one box.
    """
    roots, supervoxels = cutouts
    voxel_nm = np.array(roots.scale.voxel_nm[::-1])
    at = np.array(near_nm[::-1]) / voxel_nm - np.array(roots.first_voxel[::-1])
    reach = np.floor(_DEPTH_NM / voxel_nm).astype(int)
    low = np.maximum(np.floor(at).astype(int) - reach, 0)
    window = tuple(
        slice(int(a), int(b)) for a, b in zip(low, np.floor(at) + reach + 1, strict=True)
    )
    voxels = np.argwhere(roots.data[window] == np.uint64(root))
    if not len(voxels):
        return None
    parts = supervoxels.data[window][tuple(voxels.T)]
    supervoxel = parts[_closest(voxels, at - low - 0.5, voxel_nm)]
    inside = voxels[parts == supervoxel]
    middle = inside[_closest(inside, inside.mean(axis=0), voxel_nm)] + low
    return int(supervoxel), _center(roots, middle)


def _closest(
    voxels: NDArray[np.int64], to: NDArray[np.float64], voxel_nm: NDArray[np.float64]
) -> int:
    # Rounding keeps equals equal wherever the array begins in the volume.
    return int(np.round((((voxels - to) * voxel_nm) ** 2).sum(axis=1), 3).argmin())


def _center(cutout: Cutout, voxel: NDArray[np.int64]) -> PointNm:
    x, y, z = (int(i) + o for i, o in zip(voxel[::-1], cutout.first_voxel, strict=True))
    return cutout.scale.center_of((x, y, z))


def _point(values: NDArray[np.float64]) -> PointNm:
    x, y, z = (float(value) for value in values)
    return (x, y, z)
