"""Contact sites of worlds that can be drawn in one's head, and of a piece of real tissue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.contact_blocks import Touching, find_touching, numbered
from connectome.contacts import find_contacts, gaps_filled
from connectome.errors import InputError
from connectome.space import BoxNm
from proofreading.detection.contacts import CONTACT_DETECTOR, contact_sites, touching_pairs
from proofreading.detection.detector import detect
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import SiteKind
from tests.arrays import ArrayDatastack
from tests.data import shared_data

A, B, C = 2**60 + 11, 2**60 + 12, 2**60 + 13
ALL = DetectionSettings(min_segment_nm3=0.0)


def world(gap: int = 0) -> NDArray[np.uint64]:
    """A continued by B with a gap between; C lies beside A, far from B."""
    roots = np.zeros((24, 40, 60), np.uint64)
    roots[6:16, 4:14, 2 : 30 - gap] = A
    roots[6:16, 4:14, 30:50] = B
    roots[6:16, 14:20, 4:20] = C
    return roots


def stack(
    roots: NDArray[np.uint64],
    voxel_nm: tuple[float, float, float] = (10.0, 10.0, 10.0),
    offset: tuple[int, int, int] = (0, 0, 0),
) -> ArrayDatastack:
    halves = (np.arange(roots.shape[2]) // 15).astype(np.uint64)
    supervoxels = np.where(roots != 0, roots * np.uint64(8) + halves, np.uint64(0))
    return ArrayDatastack(None, supervoxels, roots, voxel_nm, name="t", offset=offset)


def tissue(seed: int = 3, shape: tuple[int, int, int] = (29, 31, 43)) -> NDArray[np.uint64]:
    """Return cells around random seeds, with background holes of random width."""
    rng = np.random.default_rng(seed)
    seeds = rng.random((50, 3)) * shape
    grid = np.indices(shape).reshape(3, -1).T
    apart = ((grid[:, None] - seeds[None]) ** 2).sum(axis=2)
    cells = apart.argmin(axis=1).reshape(shape).astype(np.uint64) + np.uint64(2**60)
    two = np.sort(apart, axis=1)[:, :2]
    border = (np.sqrt(two[:, 1]) - np.sqrt(two[:, 0]) < 2.5).reshape(shape)
    return np.where(border & (rng.random(shape) < 0.9), np.uint64(0), cells)


def same(one: Touching, other: Touching) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("pairs", "area_nm2", "middle_nm", "volume_nm3", "openness")
    )


def test_every_touching_pair_is_one_site_with_both_sides_named() -> None:
    datastack = stack(world())
    sites = list(contact_sites(datastack, replace(ALL, gap_nm=0.0)))
    assert {frozenset({s.root, s.partners[0].root}) for s in sites} == {
        frozenset({A, B}),
        frozenset({A, C}),
    }
    ab = next(site for site in sites if site.partners[0].root == B)
    assert (ab.kind, ab.detector, ab.root) == (SiteKind.CONTACT, CONTACT_DETECTOR, A)
    assert ab.partners[0].contact_area_nm2 == 10 * 10 * 100
    assert ab.partners[0].distance_nm == ab.partners[0].direction_agreement == 0
    # The middle of the shared face, which lies between two voxels along x.
    assert ab.point_nm == pytest.approx((300, 90, 110), abs=20)
    assert ab.point_nm[0] == 300


def test_the_points_lie_inside_their_supervoxels() -> None:
    datastack = stack(world(gap=3))
    sites = list(contact_sites(datastack, ALL))
    assert len(sites) == 2
    for site in sites:
        (partner,) = site.partners
        assert datastack.supervoxel_at(partner.own_point_nm) == partner.own_supervoxel
        assert datastack.supervoxel_at(partner.point_nm) == partner.supervoxel
        assert (partner.own_supervoxel // 8, partner.supervoxel // 8) == (site.root, partner.root)
        assert site.supervoxel == partner.own_supervoxel


def test_gaps_count_as_touching_up_to_a_width() -> None:
    def found(gap: int) -> bool:
        pairs = {
            frozenset(pair)
            for pair in touching_pairs(stack(world(gap)).segmentation, ALL).pairs.tolist()
        }
        return frozenset({A, B}) in pairs

    # Both sides give away 30 nm of background, so that 60 nm are bridged.
    assert [found(gap) for gap in (0, 3, 6, 7, 9)] == [True, True, True, False, False]


@pytest.mark.parametrize("offset", [(0, 0, 0), (1003, -7, 50)])
@pytest.mark.parametrize("voxel_nm", [(10.0, 10.0, 10.0), (8.0, 8.0, 40.0)])
def test_blocks_of_any_size_find_the_same(
    voxel_nm: tuple[float, float, float], offset: tuple[int, int, int]
) -> None:
    datastack = stack(tissue(), voxel_nm, offset)
    segmentation, scale = datastack.segmentation, datastack.segmentation.scales[0]
    whole = find_touching(segmentation.read_roots, scale, gap_nm=30, block_voxels=500)
    assert len(whole) > 100
    for size in (13, 24):
        parts = find_touching(segmentation.read_roots, scale, gap_nm=30, block_voxels=size)
        assert same(whole, parts)


def test_sites_and_ids_do_not_depend_on_blocks() -> None:
    datastack = stack(tissue())
    found = [
        {site.id: site for site in contact_sites(datastack, DetectionSettings(block_voxels=size))}
        for size in (20, 200)
    ]
    assert len(found[0]) > 100
    assert found[0] == found[1]


def test_pairs_and_areas_are_those_of_training() -> None:
    roots = tissue(seed=8)
    found = find_touching(
        stack(roots).segmentation.read_roots, stack(roots).segmentation.scales[0], gap_nm=0
    )
    names, small = numbered(roots)
    known = find_contacts(small)
    assert np.array_equal(names[known.pairs], found.pairs)
    assert np.array_equal(known.area * 100.0, found.area_nm2)
    volumes = np.bincount(small.ravel())[known.pairs] * 1000.0
    assert np.array_equal(volumes, found.volume_nm3)
    # The middle lies on the contact and near the centre that training uses.
    center = (known.center[:, ::-1] + 0.5) * 10
    assert np.median(np.linalg.norm(center - found.middle_nm, axis=1)) < 20


def test_dust_and_small_contacts_are_left_out() -> None:
    segmentation = stack(world()).segmentation
    # C has 10 x 6 x 16 voxels of 1000 nm³; it touches A with 160 faces of 100 nm².
    larger = touching_pairs(segmentation, DetectionSettings(min_segment_nm3=960_001.0))
    assert larger.pairs.tolist() == [[A, B]]
    broad = replace(ALL, gap_nm=0.0, min_contact_nm2=10_001.0)
    assert touching_pairs(segmentation, broad).pairs.tolist() == [[A, C]]


def test_only_the_roots_and_the_box_asked_for() -> None:
    datastack = stack(world())
    assert {s.partners[0].root for s in contact_sites(datastack, ALL, roots=[C])} == {C}
    left = BoxNm((0, 0, 0), (250, 400, 240))
    assert {s.partners[0].root for s in contact_sites(datastack, ALL, box=left)} == {C}


def test_a_volume_too_large_needs_a_box() -> None:
    datastack = stack(world())
    small = DetectionSettings(max_voxels=1000, min_segment_nm3=0.0)
    with pytest.raises(InputError, match="too large"):
        next(contact_sites(datastack, small))
    box = BoxNm((0, 0, 0), (600, 400, 240))
    assert len(list(contact_sites(datastack, small, box=box))) == 2


def test_nothing_touches_in_an_empty_or_lonely_world() -> None:
    nothing = np.zeros((8, 8, 8), np.uint64)
    assert list(contact_sites(stack(nothing), ALL)) == []
    nothing[2:6, 2:6, 2:6] = A
    assert list(contact_sites(stack(nothing), ALL)) == []


def test_contacts_come_first_and_progress_is_told() -> None:
    told: list[float] = []
    settings = DetectionSettings(
        kinds=frozenset({SiteKind.CONTACT, SiteKind.BOTTLENECK}),
        min_segment_nm3=0.0,
        block_voxels=16,
    )
    sites = list(
        detect(stack(world()), settings=settings, progress=lambda _what, share: told.append(share))
    )
    assert [site.kind for site in sites][:2] == [SiteKind.CONTACT] * 2
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_flat_gap_is_given_away_as_in_training_on_real_tissue() -> None:
    labels = np.load(shared_data("fib25") / "labels.npz")["segmentation"][60:130, 60:130, 60:130]
    datastack = ArrayDatastack(None, None, labels, (10.0, 10.0, 10.0))
    found = find_touching(
        datastack.segmentation.read_roots, datastack.segmentation.scales[0], gap_nm=30
    )
    known = find_contacts(gaps_filled(labels, 3))
    mine = {tuple(pair) for pair in found.pairs.tolist()}
    theirs = {tuple(pair) for pair in known.pairs.tolist()}
    # Background as near to two segments may go to either; a pair that touches there only differs.
    assert len(mine ^ theirs) <= 0.02 * len(theirs)
    assert len(theirs) > 100
