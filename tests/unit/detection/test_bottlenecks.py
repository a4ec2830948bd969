"""Bottleneck sites: cuts of graphs and shapes of skeletons with a known weak place."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import Skeleton
from proofreading.detection.bottlenecks import CUT_DETECTOR, bottleneck_sites, bottlenecks
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.shape import narrowings, soma_borders, turns
from proofreading.detection.weak_cuts import weak_cuts
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.sites import Site, SiteKind
from tests.arrays import ArrayDatastack

ROOT = 2**60 + 5
SETTINGS = DetectionSettings(min_side_nm3=1e5)


def test_the_cut_between_two_cliques_is_the_weakest() -> None:
    links = np.array([(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)])
    area = np.array([10.0, 10, 10, 10, 10, 10, 4])
    cuts = weak_cuts(links, area, np.full(7, 0.5), np.full(6, 100.0))
    assert len(cuts.link) == 5
    weakest = int(cuts.narrowness.argmin())
    assert cuts.link[weakest] == 6
    assert cuts.area_nm2[weakest] == pytest.approx(4)
    assert cuts.smaller_nm3[weakest] == pytest.approx(300)
    assert cuts.openness == pytest.approx(np.full(5, 0.5))


@pytest.mark.parametrize("seed", range(6))
def test_every_cut_is_what_counting_by_hand_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes = 14
    every = np.array([(a, b) for a in range(nodes) for b in range(a)])
    links = every[rng.random(len(every)) < 0.22]
    area, openness = rng.random(len(links)) + 0.1, rng.random(len(links))
    volume = rng.random(nodes) + 1
    cuts = weak_cuts(links, area, openness, volume)
    tree = set(cuts.link.tolist())
    for row, link in enumerate(cuts.link.tolist()):
        kept = [links[other] for other in tree - {link}]
        side = reached(int(links[link, 0]), kept)
        other = reached(int(links[link, 1]), kept)
        across = np.array([(a in side) != (b in side) for a, b in links.tolist()])
        assert cuts.area_nm2[row] == pytest.approx(area[across].sum())
        mean = np.average(openness[across], weights=area[across])
        assert cuts.openness[row] == pytest.approx(mean)
        smaller = min(volume[sorted(side)].sum(), volume[sorted(other)].sum())
        assert cuts.smaller_nm3[row] == pytest.approx(smaller)


def reached(start: int, links: list[NDArray[np.int64]]) -> set[int]:
    found = {start}
    for _ in range(len(links) + 1):
        found |= {int(n) for link in links for n in link if found & set(link.tolist())}
    return found


def dumbbell(neck: int = 3) -> NDArray[np.uint64]:
    """Two thick rods of one segment, joined by a thin neck at x = 40."""
    inside = np.zeros((20, 20, 80), np.bool_)
    inside[4:16, 4:16, 2:38] = inside[4:16, 4:16, 42:78] = True
    inside[10 : 10 + neck, 10 : 10 + neck, 38:42] = True
    return np.where(inside, np.uint64(ROOT), np.uint64(0))


def stack(em: NDArray[np.uint8] | None = None) -> ArrayDatastack:
    roots = dumbbell()
    pieces = (np.arange(roots.shape[2]) // 10).astype(np.uint64)
    supervoxels = np.where(roots != 0, roots * np.uint64(16) + pieces, np.uint64(0))
    return ArrayDatastack(em, supervoxels, roots, (10.0, 10.0, 10.0), name="t")


def test_the_neck_is_a_site_with_a_proposed_cut() -> None:
    datastack = stack()
    (site,) = bottleneck_sites(datastack, SETTINGS)
    assert (site.kind, site.detector, site.root) == (SiteKind.BOTTLENECK, CUT_DETECTOR, ROOT)
    assert site.point_nm == pytest.approx((400, 115, 115), abs=15)
    assert site.partners == ()
    cut = site.proposed_cut
    assert cut is not None
    for point in (*cut.sources, *cut.sinks):
        assert datastack.supervoxel_at(point.position_nm) == point.supervoxel
    assert cut.sources[0].position_nm[0] < 400 < cut.sinks[0].position_nm[0]


def test_a_membrane_across_a_thick_rod_is_a_weak_cut() -> None:
    roots = np.zeros((20, 20, 80), np.uint64)
    roots[4:16, 4:16, 2:78] = ROOT
    em = np.full(roots.shape, 200, np.uint8)
    em[:, :, 49:51] = 20
    pieces = (np.arange(80) // 10).astype(np.uint64)
    supervoxels = np.where(roots != 0, roots * np.uint64(16) + pieces, np.uint64(0))
    datastack = ArrayDatastack(em, supervoxels, roots, (10.0, 10.0, 10.0))
    found = bottlenecks(datastack, SETTINGS)
    assert found[0].point_nm[0] == 500
    blind = ArrayDatastack(None, supervoxels, roots, (10.0, 10.0, 10.0))
    assert all(each.point_nm[0] != 500 for each in bottlenecks(blind, SETTINGS)[:1])
    whole = replace(SETTINGS, block_voxels=500)
    assert bottlenecks(datastack, replace(SETTINGS, block_voxels=16)) == bottlenecks(
        datastack, whole
    )


def test_sides_must_be_large_and_other_roots_stay_out() -> None:
    assert list(bottleneck_sites(stack(), replace(SETTINGS, min_side_nm3=1e8))) == []
    assert list(bottleneck_sites(stack(), SETTINGS, roots=[ROOT + 1])) == []
    flat = ArrayDatastack(None, None, dumbbell(), (10.0, 10.0, 10.0))
    assert list(bottleneck_sites(flat, SETTINGS)) == []


def test_a_proposed_cut_survives_being_stored() -> None:
    (site,) = bottleneck_sites(stack(), SETTINGS)
    plain = to_plain(site)
    assert plain["proposed_cut"]["sources"][0]["supervoxel"] == str(site.supervoxel)
    assert from_plain(Site, plain) == site
    del plain["proposed_cut"]
    assert from_plain(Site, plain) == replace(site, proposed_cut=None)


def path(points: list[tuple[float, float, float]], radii: list[float]) -> Skeleton:
    edges = np.array(list(pairwise(range(len(points)))), np.uint32)
    return Skeleton(ROOT, np.array(points, np.float32), edges, np.array(radii, np.float32))


def line(radii: list[float]) -> Skeleton:
    return path([(50.0 * i, 0.0, 0.0) for i in range(len(radii))], radii)


def test_the_thinnest_place_between_thick_arms_is_narrow() -> None:
    radii = [100.0] * 41
    radii[19:22] = [60.0, 40.0, 60.0]
    (place,) = narrowings(line(radii), DetectionSettings())
    assert place.point_nm == (1000.0, 0.0, 0.0)
    assert narrowings(line([100.0] * 41), DetectionSettings()) == []
    # At a tip one arm is too short to compare with.
    thin_end = [30.0, 40.0, 60.0] + [100.0] * 20
    assert narrowings(line(thin_end), DetectionSettings()) == []


def test_a_hairpin_is_a_sharp_turn_and_a_bend_is_none() -> None:
    out = [(50.0 * i, 0.0, 0.0) for i in range(20)]
    back = [(50.0 * i, 60.0, 0.0) for i in range(19, -1, -1)]
    (place,) = turns(path(out + back, [50.0] * 40), DetectionSettings())
    assert place.point_nm[0] == pytest.approx(950)
    bend = out + [(950.0, 50.0 * i, 0.0) for i in range(1, 20)]
    assert turns(path(bend, [50.0] * 39), DetectionSettings()) == []


def test_two_somata_have_a_border_where_it_is_thinnest() -> None:
    settings = DetectionSettings(soma_nm=1500.0)
    points = [(500.0 * i, 0.0, 0.0) for i in range(31)]
    radii = [200.0] * 31
    radii[2:7] = radii[24:29] = [1000.0, 1600.0, 2500.0, 1600.0, 1000.0]
    radii[12] = 90.0
    (place,) = soma_borders(path(points, radii), settings)
    assert place.point_nm == (6000.0, 0.0, 0.0)
    radii[24:29] = [200.0] * 5
    assert soma_borders(path(points, radii), settings) == []
