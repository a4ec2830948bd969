"""From skeletons to sites, as a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from connectome.datastack import Datastack, Skeleton
from connectome.errors import OutsideVolumeError, ServiceError
from connectome.space import BoxNm, PointNm
from proofreading.detection.bottlenecks import CUT_DETECTOR, bottleneck_sites
from proofreading.detection.contacts import CONTACT_DETECTOR, contact_sites
from proofreading.detection.neighbourhood import Neighbourhood, read_neighbourhood
from proofreading.detection.partners import rank_partners
from proofreading.detection.settings import SKELETON_DETECTOR, DetectionSettings
from proofreading.detection.shape import narrowings, soma_borders, turns
from proofreading.detection.topology import SkeletonPoint, branch_points, tips
from proofreading.sites import Partner, Site, SiteKind, make_site_id

__all__ = ["Detector", "Progress", "SeenPairs", "SiteDetector", "SkeletonRule", "detect"]

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the work done, 0 to 1."""

_BEYOND_NM = 60.0
"""How far the neighbourhood of a tip reaches beyond the surface that counts."""
_SNAP_NM = 100.0
"""How far a skeleton's vertex may lie from its segment (coarse skeletons wander)."""


def detect(
    datastack: Datastack,
    *,
    roots: Iterable[int] | None = None,
    box: BoxNm | None = None,
    settings: DetectionSettings | None = None,
    progress: Progress | None = None,
) -> Iterator[Site]:
    """Yield the sites of these roots (of all if None) while they are found.

    Contact sites come first, in a few seconds; skeletons take longer. Endpoint sites carry
    up to four ranked partners. Tips where the neurite leaves the volume are marked, not
    dropped.

    Parameters
    ----------
    box : BoxNm, optional
        Only contacts inside become sites; the whole volume if None.
    """
    return Detector(settings).detect(datastack, roots=roots, box=box, progress=progress)


class SiteDetector(Protocol):
    """Finds sites of one kind in the voxels of a datastack."""

    def __call__(
        self,
        datastack: Datastack,
        settings: DetectionSettings,
        *,
        roots: Iterable[int] | None = None,
        box: BoxNm | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Iterator[Site]:
        """Yield sites while they are found; progress is the share done, 0 to 1."""
        ...


@dataclass(frozen=True)
class SkeletonRule:
    """Which vertices of a skeleton become sites; all rules share one pass over skeletons."""

    name: str
    kind: SiteKind
    places: Callable[[Skeleton, DetectionSettings], list[SkeletonPoint]]


_VOLUME_DETECTORS: tuple[tuple[str, SiteKind, SiteDetector, str], ...] = (
    (CONTACT_DETECTOR, SiteKind.CONTACT, contact_sites, "Looking for contacts"),
    (CUT_DETECTOR, SiteKind.BOTTLENECK, bottleneck_sites, "Looking for weak cuts"),
)
_SKELETON_RULES = (
    SkeletonRule(
        SKELETON_DETECTOR,
        SiteKind.JUNCTION,
        lambda skeleton, settings: branch_points(skeleton, settings.same_tip_nm),
    ),
    SkeletonRule("calibre/1", SiteKind.BOTTLENECK, narrowings),
    SkeletonRule("turn/1", SiteKind.BOTTLENECK, turns),
    SkeletonRule("somata/1", SiteKind.BOTTLENECK, soma_borders),
)


class Detector:
    """Finds sites of the chosen kinds."""

    def __init__(self, settings: DetectionSettings | None = None) -> None:
        self.settings = settings or DetectionSettings()

    def detect(
        self,
        datastack: Datastack,
        *,
        roots: Iterable[int] | None = None,
        box: BoxNm | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Site]:
        """Yield sites while they are found: contacts, then segment by segment, largest first."""
        wanted = None if roots is None else [int(root) for root in roots]
        volume = [each for each in _VOLUME_DETECTORS if self._wants(each[0], each[1])]
        rules = [rule for rule in _SKELETON_RULES if self._wants(rule.name, rule.kind)]
        skeletons = bool(rules) or SiteKind.ENDPOINT in self.settings.kinds
        passes = len(volume) + skeletons
        for number, (_, _, find, text) in enumerate(volume):
            report = _pass_of(progress, text, number, passes)
            yield from find(datastack, self.settings, roots=wanted, box=box, progress=report)
        if skeletons:
            report = _pass_of(progress, "Looking along skeletons", len(volume), passes)
            yield from self._skeleton_sites(datastack, wanted, rules, report)

    def _wants(self, name: str, kind: SiteKind) -> bool:
        return kind in self.settings.kinds and name not in self.settings.off

    def _skeleton_sites(
        self,
        datastack: Datastack,
        wanted: list[int] | None,
        rules: list[SkeletonRule],
        progress: Callable[[float], None],
    ) -> Iterator[Site]:
        total = _count(datastack, wanted)
        seen = SeenPairs(self.settings.same_pair_nm)
        for done, skeleton in enumerate(datastack.skeletons.skeletons(wanted), 1):
            for site in self._sites(datastack, skeleton, rules):
                if site.kind is not SiteKind.ENDPOINT or seen.add(site):
                    yield site
            progress(min(1.0, done / total) if total else 0.0)
        progress(1.0)

    @property
    def needs_skeletons(self) -> bool:
        """Whether any of the chosen kinds is found along skeletons."""
        rules = any(self._wants(rule.name, rule.kind) for rule in _SKELETON_RULES)
        return rules or SiteKind.ENDPOINT in self.settings.kinds

    def along_skeletons(self, datastack: Datastack, roots: Iterable[int]) -> Iterator[Site]:
        """Yield the sites along the skeletons of these roots, each for itself.

        A pair may be met twice, from both its sides: `SeenPairs` keeps one.
        """
        rules = [rule for rule in _SKELETON_RULES if self._wants(rule.name, rule.kind)]
        for skeleton in datastack.skeletons.skeletons(roots):
            yield from self._sites(datastack, skeleton, rules)

    def _sites(
        self, datastack: Datastack, skeleton: Skeleton, rules: list[SkeletonRule]
    ) -> Iterator[Site]:
        settings = self.settings
        if SiteKind.ENDPOINT in settings.kinds:
            for tip in tips(skeleton, settings.tangent_nm, settings.same_tip_nm):
                site = self._endpoint(datastack, skeleton.root, tip)
                if site is not None:
                    yield site
        for rule in rules:
            for place in rule.places(skeleton, settings):
                site = self._place(datastack, skeleton.root, place, rule)
                if site is not None:
                    yield site

    def _endpoint(self, datastack: Datastack, root: int, tip: SkeletonPoint) -> Site | None:
        settings = self.settings
        reach = min(settings.search_nm, tip.radius_nm + settings.contact_nm + _BEYOND_NM)
        around = self._around(datastack, tip.point_nm, reach)
        found = None if around is None else _own_voxel(around, root)
        if around is None or found is None:
            return None
        supervoxel, point = found
        partners = rank_partners(around, root, tip, settings)
        own = around.roots == np.uint64(root)
        face = around.meets_face(own, tip.radius_nm + settings.face_nm)
        return self._site(
            datastack, SiteKind.ENDPOINT, root, supervoxel, point, tip, partners, face
        )

    def _place(
        self, datastack: Datastack, root: int, place: SkeletonPoint, rule: SkeletonRule
    ) -> Site | None:
        around = self._around(datastack, place.point_nm, _SNAP_NM)
        found = None if around is None else _own_voxel(around, root)
        if found is None:
            return None
        return self._site(datastack, rule.kind, root, *found, place, detector=rule.name)

    def _around(self, datastack: Datastack, point: PointNm, half_nm: float) -> Neighbourhood | None:
        try:
            return read_neighbourhood(
                datastack.segmentation, point, half_nm, self.settings.working_voxel_nm
            )
        except OutsideVolumeError:
            # A skeleton service may know more of the neurite than the volume shows.
            return None

    def _site(
        self,
        datastack: Datastack,
        kind: SiteKind,
        root: int,
        supervoxel: int,
        point: PointNm,
        place: SkeletonPoint,
        partners: tuple[Partner, ...] = (),
        at_volume_face: bool = False,
        detector: str = SKELETON_DETECTOR,
    ) -> Site:
        named = [supervoxel, *(partner.supervoxel for partner in partners[:1])]
        return Site(
            id=make_site_id(datastack.name, kind, named, point, detector),
            kind=kind,
            datastack=datastack.name,
            root=root,
            supervoxel=supervoxel,
            point_nm=point,
            radius_nm=place.radius_nm,
            detector=detector,
            direction=place.direction,
            partners=partners,
            at_volume_face=at_volume_face,
        )


@dataclass
class SeenPairs:
    """The pairs that have a site already: the first one, of the larger segment, stays."""

    radius_nm: float
    _places: dict[frozenset[int], list[PointNm]] = field(default_factory=dict)

    def add(self, site: Site) -> bool:
        """Tell whether the site is new, and remember it."""
        if not site.partners:
            return True
        return self.add_pair(site.root, site.partners[0].root, site.point_nm)

    def add_pair(self, root: int, partner: int, point: PointNm) -> bool:
        """Tell whether the pair is new there, and remember it."""
        places = self._places.setdefault(frozenset({root, partner}), [])
        if any(math.dist(place, point) <= self.radius_nm for place in places):
            return False
        places.append(point)
        return True


def _pass_of(
    progress: Progress | None, text: str, number: int, passes: int
) -> Callable[[float], None]:
    """Return what tells the progress of one of several passes over the datastack."""
    if progress is None:
        return lambda _share: None
    return lambda share: progress(text, (number + share) / passes)


def _own_voxel(around: Neighbourhood, root: int) -> tuple[int, PointNm] | None:
    """Return the supervoxel and centre of the segment's voxel nearest to the centre."""
    close = around.squared_distances() <= _SNAP_NM**2
    voxel = around.nearest((around.roots == np.uint64(root)) & close, around.center_nm)
    if voxel is None:
        return None
    return int(around.supervoxels[voxel]), around.position(voxel)


def _count(datastack: Datastack, wanted: list[int] | None) -> int:
    """Return how many segments there are to look at, 0 where nobody knows."""
    if wanted is not None:
        return len(wanted)
    try:
        return len(datastack.segmentation.roots())
    except ServiceError:
        return 0
