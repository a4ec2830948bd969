from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from connectome.errors import VolumeError
from connectome.space import PointNm
from inference.datasets.contacts import Contacts, find_contacts, gaps_filled
from inference.features.cutout import PairPlace, site_pair_features
from inference.features.pairs import PairFeatures, feature_names, pair_features
from inference.features.spec import FeatureSpec
from inference.training.feature_rows import anchored
from tests.arrays import ArrayDatastack

VOXEL = (10.0, 10.0, 10.0)
# Everything smaller than in use, so that small arrays hold a whole field of view.
SPEC = FeatureSpec(
    contact_nm=100.0,
    ray_nm=80.0,
    balls_nm=(60.0, 120.0, 160.0),
    ball_steps=4,
    disc_nm=80.0,
    disc_offsets_nm=(40.0, 80.0),
)
Volume = tuple[NDArray[np.uint8], NDArray[np.uint32]]


def _cells(shape: tuple[int, int, int], count: int, gap: bool) -> Volume:
    rng = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    found = cKDTree(rng.random((count, 3)) * shape).query(grid, k=2)
    distance, nearest = np.asarray(found[0]), np.asarray(found[1])
    labels = (nearest[:, 0] + 1).reshape(shape).astype(np.uint32)
    border = (distance[:, 1] - distance[:, 0] < 2).reshape(shape)
    em = np.where(border, 70, 170).astype(np.uint8) + rng.integers(0, 30, shape, np.uint8)
    if gap:
        labels[border] = 0
    return em, labels


@pytest.fixture(scope="module")
def cells() -> Volume:
    return _cells((44, 52, 48), 30, gap=True)


@pytest.fixture(scope="module")
def contacts(cells: Volume) -> Contacts:
    return find_contacts(gaps_filled(cells[1], 3))


@pytest.fixture(scope="module")
def table(cells: Volume, contacts: Contacts) -> PairFeatures:
    return pair_features(*cells, contacts, VOXEL, SPEC)


def test_every_pair_has_every_number(table: PairFeatures, contacts: Contacts) -> None:
    assert table.values.shape == (len(contacts.area), len(table.names))
    assert len(set(table.names)) == len(table.names)
    assert table.names == feature_names(SPEC)
    assert np.isfinite(table.values).all()
    assert len(table.columns("em.")) + len(table.columns("shape.")) == len(table.names)


def test_no_pairs_give_an_empty_table(cells: Volume) -> None:
    em, labels = cells
    none = find_contacts(np.ones_like(labels))
    assert pair_features(em, labels, none, VOXEL, SPEC).values.shape == (
        0,
        len(feature_names(SPEC)),
    )


def test_exchanging_the_segments_changes_nothing(
    cells: Volume, contacts: Contacts, table: PairFeatures
) -> None:
    em, labels = cells
    turned = replace(contacts, pairs=contacts.pairs[:, ::-1])
    swapped = pair_features(em, labels, turned, VOXEL, SPEC)
    np.testing.assert_allclose(swapped.values, table.values, rtol=1e-3, atol=1e-3)


def test_the_microscopy_changes_only_its_own_columns(
    cells: Volume, contacts: Contacts, table: PairFeatures
) -> None:
    blank = pair_features(np.full_like(cells[0], 128), cells[1], contacts, VOXEL, SPEC)
    shape, em = table.columns("shape."), table.columns("em.")
    np.testing.assert_array_equal(blank.values[:, shape], table.values[:, shape])
    assert np.ptp(blank.values[:, em], axis=0).max() < 1e-3


def test_the_spec_has_a_hash_of_its_own() -> None:
    assert FeatureSpec().hash == FeatureSpec().hash
    assert FeatureSpec(gap_nm=20.0).hash != FeatureSpec().hash


def _wall(
    width_nm: float, voxel: tuple[float, float, float], membrane: bool
) -> tuple[Volume, Contacts]:
    """Two halves of a square rod along x that touch in its middle."""
    size = (640.0, 400.0, 400.0)
    x, y, z = (
        (np.arange(round(n / v)) + 0.5) * v - n / 2 for n, v in zip(size, voxel, strict=True)
    )
    rod = (np.abs(y) < width_nm / 2) & (np.abs(z) < width_nm / 2)[:, None]
    labels = np.where(rod[..., None], np.where(x < 0, 1, 2), 0).astype(np.uint32)
    em = np.full(labels.shape, 180, np.uint8)
    if membrane:
        em[:, :, np.abs(x) < 15] = 60
    return (em, labels), find_contacts(labels)


def _of(table: PairFeatures, name: str) -> float:
    return float(table.values[0, table.names.index(name)])


def _cross_section(labels: NDArray[np.uint32], voxel: tuple[float, float, float]) -> float:
    return float((labels[:, :, 0] > 0).sum()) * voxel[1] * voxel[2]


NO_GAP = replace(SPEC, gap_nm=0.0)


@pytest.mark.parametrize("voxel", [VOXEL, (8.0, 8.0, 40.0), (16.0, 16.0, 16.0)])
def test_lengths_are_in_nm_whatever_the_voxel(voxel: tuple[float, float, float]) -> None:
    volume, found = _wall(160.0, voxel, membrane=False)
    table = pair_features(*volume, found, voxel, NO_GAP)
    assert _of(table, "shape.area") == pytest.approx(_cross_section(volume[1], voxel), rel=0.1)
    assert _of(table, "shape.flatness") == pytest.approx(1.0, abs=0.05)
    assert _of(table, "shape.behind.mean.low") == pytest.approx(80.0, abs=1)
    assert _of(table, "shape.ball160.opposite") > 0.7


@pytest.mark.parametrize("voxel", [VOXEL, (8.0, 8.0, 40.0)])
def test_a_membrane_is_seen(voxel: tuple[float, float, float]) -> None:
    def depth(membrane: bool) -> float:
        volume, found = _wall(160.0, voxel, membrane)
        return _of(pair_features(*volume, found, voxel, NO_GAP), "em.dark.p50")

    assert depth(True) > 30
    assert depth(False) == pytest.approx(0.0, abs=0.1)


def _point(contacts: Contacts, row: int) -> PointNm:
    z, y, x = ((contacts.center[row] + 0.5) * 10.0).tolist()
    return (x, y, z)


def test_a_cutout_of_a_datastack_gives_the_same_numbers(
    cells: Volume, contacts: Contacts, table: PairFeatures
) -> None:
    big = 2**60
    roots = np.where(cells[1] > 0, cells[1].astype(np.uint64) + big, 0)
    datastack = ArrayDatastack(cells[0], None, roots, VOXEL)
    rows = [0, len(contacts.area) // 2, len(contacts.area) - 1]
    ids = contacts.pairs + big
    places = [PairPlace(int(ids[r, 1]), int(ids[r, 0]), _point(contacts, r)) for r in rows]
    found = site_pair_features(datastack, places, SPEC)
    np.testing.assert_allclose(found.values, table.values[rows], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(found.pairs, ids[rows][:, ::-1])


def test_a_cutout_in_the_middle_of_a_volume_gives_the_same_numbers() -> None:
    em, labels = _cells((110, 110, 110), 200, gap=True)
    found = find_contacts(gaps_filled(labels, 3))
    inside = np.flatnonzero((np.abs(found.center - 55) < 6).all(axis=1))[:3]
    assert len(inside)
    few = anchored(found, inside, found.center[inside])
    bulk = pair_features(em, labels, few, VOXEL, SPEC).values
    datastack = ArrayDatastack(em, None, labels, VOXEL)
    places = [
        PairPlace(int(found.pairs[r, 0]), int(found.pairs[r, 1]), _point(found, r)) for r in inside
    ]
    for row, place in enumerate(places):
        alone = site_pair_features(datastack, [place], SPEC).values[0]
        np.testing.assert_allclose(alone, bulk[row], rtol=1e-3, atol=1e-3)


def _moved(place: PairPlace, x: float) -> PairPlace:
    return replace(place, point_nm=(place.point_nm[0] + x, *place.point_nm[1:]), within_nm=250.0)


def test_the_middle_is_found_from_a_point_near_the_contact(
    cells: Volume, contacts: Contacts, table: PairFeatures
) -> None:
    row = int(contacts.area.argmax())
    datastack = ArrayDatastack(cells[0], None, cells[1], VOXEL)
    place = PairPlace(
        int(contacts.pairs[row, 0]), int(contacts.pairs[row, 1]), _point(contacts, row)
    )
    (there,) = site_pair_features(datastack, [_moved(place, 15.0)], SPEC).values
    np.testing.assert_allclose(there, table.values[row], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("spoil", [lambda labels: labels, lambda labels: labels * 0])
def test_segments_that_do_not_touch_are_measured_where_asked(
    cells: Volume, spoil: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    datastack = ArrayDatastack(cells[0], None, spoil(cells[1]), VOXEL)
    found = site_pair_features(datastack, [PairPlace(10**6, 10**7, (200.0, 200.0, 200.0))], SPEC)
    assert np.isfinite(found.values).all()
    assert found.values[0, found.names.index("shape.ball120.volume.both")] == 0


def test_without_microscopy_it_says_so(cells: Volume) -> None:
    datastack = ArrayDatastack(None, None, cells[1], VOXEL)
    with pytest.raises(VolumeError, match="no microscopy"):
        site_pair_features(datastack, [PairPlace(1, 2, (200.0, 200.0, 200.0))], SPEC)
