from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectome.errors import InputError, VolumeError
from inference.datasets.contacts import contact_center, contact_spread, find_contacts, gaps_filled
from inference.datasets.folds import FOLDS, both_unseen, fold_named
from inference.datasets.pairs import automatic_pairs, coarser_pairs, watershed_pairs
from inference.datasets.views import cut_views, random_centers
from inference.datasets.volumes import TruthVolume, load_truth_volume
from rendering.spec import EMSpec
from tests.data import shared_data


def test_a_contact_counts_its_faces_and_lies_in_its_middle() -> None:
    labels = np.zeros((5, 5, 6), np.uint32)
    labels[:, :, :3], labels[:, :, 3:] = 7, 4
    contacts = find_contacts(labels)
    assert contacts.pairs.tolist() == [[4, 7]]
    assert contacts.area.tolist() == [25]
    assert contacts.center.tolist() == [[2, 2, 2]]
    assert len(contacts.faces) == 25


def test_background_touches_nothing() -> None:
    labels = np.zeros((3, 3, 3), np.uint32)
    labels[0], labels[2] = 1, 2
    assert len(find_contacts(labels).area) == 0


def test_the_center_of_a_bent_contact_is_a_contact_voxel() -> None:
    labels = np.full((1, 9, 9), 2, np.uint32)
    labels[0, :6, :6] = 1
    (center,) = find_contacts(labels).center.tolist()
    z, y, x = center
    around = {int(labels[z, y, x]), int(labels[z, y + 1, x]), int(labels[z, y, x + 1])}
    assert around == {1, 2}


def test_gaps_are_filled_only_within_reach() -> None:
    labels = np.zeros((1, 1, 12), np.uint32)
    labels[0, 0, 0], labels[0, 0, 11] = 3, 9
    assert gaps_filled(labels, 3)[0, 0].tolist() == [3, 3, 3, 3, 0, 0, 0, 0, 9, 9, 9, 9]


def test_a_third_segment_between_two_is_no_contact() -> None:
    labels = np.zeros((3, 3, 7), np.uint64)
    labels[..., :2], labels[..., 4:] = 1, 2
    assert contact_center(labels, 1, 2) is not None
    labels[..., 2:4] = 5
    assert contact_center(labels, 1, 2) is None


def test_contact_of_ids_beyond_float_precision() -> None:
    labels = np.full((4, 4, 4), 2**60 + 1, np.uint64)
    labels[2:] = 2**60 + 2
    assert contact_center(labels, 2**60 + 1, 2**60 + 2) is not None
    assert contact_center(labels, 2**60 + 1, 2**60 + 3) is None


def test_pairs_are_positive_exactly_within_a_body(volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    body = dict(
        zip(volume.supervoxels.ravel().tolist(), volume.groundtruth.ravel().tolist(), strict=True)
    )
    expected = [body[a] == body[b] for a, b in pairs.contacts.pairs.tolist()]
    assert pairs.same.tolist() == expected
    assert 0 < pairs.same.mean() < 1


def test_excluded_bodies_are_in_no_pair(volume: TruthVolume) -> None:
    from dataclasses import replace

    body = int(watershed_pairs(volume).bodies[0, 0])
    without = watershed_pairs(replace(volume, excluded_bodies=(body,)))
    assert 0 < len(without) < len(watershed_pairs(volume))
    assert body not in without.bodies


def test_automatic_pairs_bridge_gaps(volume: TruthVolume) -> None:
    assert len(find_contacts(volume.segmentation).area) < len(automatic_pairs(volume))


def test_coarser_pairs_join_only_inside_bodies(volume: TruthVolume) -> None:
    coarse = coarser_pairs(volume, 0.7, np.random.default_rng(0))
    assert len(np.unique(coarse.labels)) < len(np.unique(volume.supervoxels))
    for label in np.unique(coarse.labels):
        assert len(np.unique(volume.groundtruth[coarse.labels == label])) == 1


def test_folds_keep_thirty_two_sections_apart(volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    for fold in FOLDS:
        train, test = fold.train(pairs), fold.test(pairs)
        assert not (train & test).any()
    z = pairs.contacts.center[:, 0]
    assert z[FOLDS[0].train(pairs)].max() < 140
    assert z[FOLDS[0].test(pairs)].min() >= 172
    with pytest.raises(InputError, match="no fold"):
        fold_named("upside-down")


def test_unseen_means_both_bodies(volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    unseen = both_unseen(pairs, FOLDS[0], pairs)
    seen = set(pairs.bodies[FOLDS[0].train(pairs)].ravel().tolist())
    assert unseen.tolist() == [not (seen & set(pair)) for pair in pairs.bodies.tolist()]


def test_random_centers_stay_in_their_block(volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    rng = np.random.default_rng(0)
    rows, centers = random_centers(pairs, np.arange(len(pairs)), FOLDS[0], rng)
    assert 0 < len(rows) < len(pairs)
    assert centers[:, 0].max() < 140


def test_views_show_both_segments(volume: TruthVolume, tmp_path: Path) -> None:
    pairs = watershed_pairs(volume)
    rows = np.arange(6)
    spec = EMSpec(half_extent_nm=160.0, size_px=32)
    views = cut_views(volume, pairs, rows, pairs.contacts.center[rows], spec, tmp_path / "v.npy")
    assert views.pictures.shape == (6, 3, 2, 32, 32)
    for picture in views.pictures:
        assert {1, 2} <= set(np.unique(picture[:, 1]).tolist())
    again = cut_views(volume, pairs, rows, pairs.contacts.center[rows], spec)
    np.testing.assert_array_equal(views.pictures, again.pictures)


def test_a_volume_that_does_not_fit_is_named(volume_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"no file .*em\.npz"):
        load_truth_volume(tmp_path)
    (tmp_path / "em.npz").write_bytes((volume_folder / "em.npz").read_bytes())
    np.savez(tmp_path / "labels.npz", groundtruth=np.zeros((2, 2, 2), np.uint32))
    with pytest.raises(VolumeError, match="holds no array"):
        load_truth_volume(tmp_path)
    (tmp_path / "em.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(VolumeError, match="cannot be read"):
        load_truth_volume(tmp_path)


def test_fib25_has_the_pairs_that_its_protocol_states() -> None:
    pairs = watershed_pairs(load_truth_volume(shared_data("fib25")))
    assert len(pairs) == 8783
    assert round(float(pairs.same.mean()), 2) == 0.59


def test_spread_places_lie_on_the_contact_and_are_always_the_same() -> None:
    labels = np.zeros((12, 12, 12), np.uint64)
    labels[:, :, :6], labels[:, :, 6:] = 2**60 + 1, 2**60 + 2
    places = contact_spread(labels, 2**60 + 1, 2**60 + 2, 5)
    assert len(set(places)) == 5
    assert {place[2] for place in places} == {5}
    assert places == contact_spread(labels, 2**60 + 1, 2**60 + 2, 5)
    labels[:, :, 6:] = 0
    assert contact_spread(labels, 2**60 + 1, 2**60 + 2, 5) == []
