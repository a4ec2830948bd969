"""Sites of small worlds that can be drawn in one's head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from proofreading.detection import detector
from proofreading.detection.detector import Detector
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Site, SiteKind
from tests.arrays import ArrayDatastack

A, B, C, FAR = 2**60 + 11, 2**60 + 12, 2**60 + 13, 2**60 + 14
SHAPE = (60, 80, 160)
VOXEL = (10.0, 10.0, 10.0)


SKELETONS = DetectionSettings(kinds=frozenset({SiteKind.ENDPOINT, SiteKind.JUNCTION}))


def detect(
    datastack: ArrayDatastack,
    *,
    roots: Iterable[int] | None = None,
    settings: DetectionSettings = SKELETONS,
) -> Iterator[Site]:
    return detector.detect(datastack, roots=roots, settings=settings)


class Given:
    """Skeletons that a test states; remembers how many were asked for."""

    def __init__(self, *skeletons: Skeleton) -> None:
        self.all = skeletons
        self.taken = 0

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        wanted = None if roots is None else set(roots)
        for skeleton in self.all:
            if wanted is None or skeleton.root in wanted:
                self.taken += 1
                yield skeleton


def path(root: int, *points: tuple[float, float, float]) -> Skeleton:
    """Return a skeleton through voxels (x, y, z)."""
    vertices = (np.asarray(points, np.float32) + 0.5) * 10
    edges = np.asarray(list(pairwise(range(len(points)))), np.uint32).reshape(-1, 2)
    return Skeleton(root, vertices, edges, np.full(len(points), 60, np.float32))


def world(gap: int = 0) -> NDArray[np.uint64]:
    """A rod A along x from the volume's face, B that continues it, and C beside both."""
    roots = np.zeros(SHAPE, np.uint64)
    roots[24:36, 34:46, 0 : 80 - gap] = A
    roots[24:36, 34:46, 80:130] = B
    roots[24:36, 46:58, 20:140] = C
    roots[4:12, 4:12, 4:40] = FAR
    return roots


def halves(roots: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return supervoxels: every segment cut across x each 40 voxels."""
    sections = (np.arange(SHAPE[2]) // 40).astype(np.uint64)
    return np.where(roots != 0, roots * np.uint64(8) + sections[None, None, :], np.uint64(0))


A_LINE = path(A, (0, 40, 30), (30, 40, 30), (60, 40, 30), (77, 40, 30))
B_LINE = path(B, (82, 40, 30), (100, 40, 30), (127, 40, 30))


def stack(roots: NDArray[np.uint64], *skeletons: Skeleton, name: str = "t") -> ArrayDatastack:
    return ArrayDatastack(None, halves(roots), roots, VOXEL, name=name, skeletons=Given(*skeletons))


def inner(sites: Iterable[Site]) -> Site:
    found = [site for site in sites if not site.at_volume_face]
    assert len(found) == 1
    return found[0]


def test_the_segment_ahead_is_the_first_partner() -> None:
    site = inner(detect(stack(world(), A_LINE)))
    assert site.kind is SiteKind.ENDPOINT
    assert site.root == A
    assert [partner.root for partner in site.partners] == [B, C]
    ahead = site.partners[0]
    assert ahead.distance_nm == 0
    # 12 by 12 voxels of 10 nm touch.
    assert ahead.contact_area_nm2 == pytest.approx(144 * 100)
    assert ahead.direction_agreement > 0.9
    assert abs(site.partners[1].direction_agreement) < 0.5
    assert site.direction == pytest.approx((1, 0, 0), abs=0.01)


def test_the_points_of_a_pair_lie_inside_their_supervoxels() -> None:
    datastack = stack(world(), A_LINE, B_LINE)
    sites = list(detect(datastack))
    assert sites
    for site in sites:
        assert datastack.supervoxel_at(site.point_nm) == site.supervoxel
        for partner in site.partners:
            assert datastack.supervoxel_at(partner.own_point_nm) == partner.own_supervoxel
            assert datastack.supervoxel_at(partner.point_nm) == partner.supervoxel
            assert partner.own_supervoxel // 8 == site.root
            assert partner.supervoxel // 8 == partner.root


def test_a_narrow_gap_still_counts_as_touching_and_is_measured() -> None:
    ahead = inner(detect(stack(world(gap=2), path(A, (0, 40, 30), (60, 40, 30), (76, 40, 30)))))
    best = ahead.partners[0]
    assert best.root == B
    assert best.distance_nm == pytest.approx(20)
    assert best.contact_area_nm2 > 100 * 100


def test_a_tip_that_touches_nothing_gets_the_nearest_segment() -> None:
    roots = np.zeros(SHAPE, np.uint64)
    roots[24:36, 34:46, 10:60] = A
    roots[24:36, 34:46, 70:130] = B
    site = inner(
        site
        for site in detect(stack(roots, path(A, (11, 40, 30), (40, 40, 30), (58, 40, 30))))
        if site.point_nm[0] > 400
    )
    assert [partner.root for partner in site.partners] == [B]
    assert site.partners[0].distance_nm == pytest.approx(100)
    assert site.partners[0].contact_area_nm2 == 0


def test_a_tip_on_the_volume_face_is_marked_not_dropped() -> None:
    sites = list(detect(stack(world(), A_LINE)))
    assert [site.at_volume_face for site in sorted(sites, key=lambda s: s.point_nm)] == [
        True,
        False,
    ]


def test_the_same_pair_from_both_sides_is_one_site() -> None:
    sites = [s for s in detect(stack(world(), A_LINE, B_LINE)) if 700 < s.point_nm[0] < 900]
    assert [site.root for site in sites] == [A]
    apart = replace(SKELETONS, same_pair_nm=10.0)
    both = detect(stack(world(), A_LINE, B_LINE), settings=apart)
    assert len([s for s in both if 700 < s.point_nm[0] < 900]) == 2


def test_ids_are_stable_and_edits_elsewhere_do_not_change_them() -> None:
    before = [site.id for site in detect(stack(world(), A_LINE, B_LINE))]
    assert len(set(before)) == len(before)
    assert [site.id for site in detect(stack(world(), A_LINE, B_LINE))] == before
    # The segment far away and both of these get new roots; the supervoxels stay.
    roots = world()
    supervoxels = halves(roots)
    edited = np.where(roots == FAR, np.uint64(99), roots)
    edited = np.where(roots == B, np.uint64(98), edited)
    again = ArrayDatastack(None, supervoxels, edited, VOXEL, name="t", skeletons=Given(A_LINE))
    assert {site.id for site in detect(again)} <= set(before)
    other = stack(world(), A_LINE, name="u")
    assert {site.id for site in detect(other)}.isdisjoint(before)


def test_at_most_four_partners() -> None:
    roots = world()
    for index, y in enumerate(range(35, 46, 2)):
        roots[24:36, y : y + 2, 80:90] = 500 + index
    site = inner(detect(stack(roots, A_LINE)))
    assert len(site.partners) == 4


def test_a_branch_point_is_a_junction_site() -> None:
    fork = Skeleton(
        A,
        np.asarray([(405, 405, 305), (15, 405, 305), (775, 405, 305), (405, 455, 305)], np.float32),
        np.asarray([(0, 1), (0, 2), (0, 3)], np.uint32),
        np.full(4, 60, np.float32),
    )
    sites = [s for s in detect(stack(world(), fork)) if s.kind is SiteKind.JUNCTION]
    assert [site.point_nm for site in sites] == [(405.0, 405.0, 305.0)]
    assert sites[0].partners == ()
    none = replace(SKELETONS, kinds=frozenset({SiteKind.ENDPOINT}))
    assert all(s.kind is SiteKind.ENDPOINT for s in detect(stack(world(), fork), settings=none))


def test_single_points_cycles_and_strangers() -> None:
    ring = path(A, (20, 40, 30), (40, 42, 30), (40, 38, 30), (20, 40, 30))
    ring = Skeleton(
        A, ring.vertices_nm[:3], np.asarray([(0, 1), (1, 2), (2, 0)], np.uint32), ring.radii_nm[:3]
    )
    assert list(detect(stack(world(), ring))) == []
    (single,) = detect(stack(world(), path(FAR, (20, 8, 8))))
    assert single.direction is None
    assert all(partner.contact_area_nm2 == 0 for partner in single.partners)
    # Outside the volume, and where another segment is: no site, no error.
    assert list(detect(stack(world(), path(A, (500, 40, 30), (600, 40, 30))))) == []
    assert list(detect(stack(world(), path(A, (20, 8, 8), (38, 8, 8))))) == []


def test_sites_stream_and_progress_is_told() -> None:
    given = Given(A_LINE, B_LINE)
    datastack = ArrayDatastack(None, None, world(), VOXEL, skeletons=given)
    told: list[float] = []
    stream = Detector(SKELETONS).detect(datastack, progress=lambda _what, share: told.append(share))
    next(stream)
    assert given.taken == 1
    assert len(list(stream)) >= 1
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_only_the_roots_asked_for() -> None:
    sites = list(detect(stack(world(), A_LINE, B_LINE), roots=[B]))
    assert {site.root for site in sites} == {B}


def test_real_skeletons_of_the_world_find_the_cut() -> None:
    pytest.importorskip("kimimaro", reason="kimimaro is not installed")
    datastack = ArrayDatastack(None, halves(world()), world(), VOXEL)
    cut = [s for s in detect(datastack) if {s.root, *(p.root for p in s.partners[:1])} == {A, B}]
    assert len(cut) == 1
    assert 750 <= cut[0].point_nm[0] <= 850
