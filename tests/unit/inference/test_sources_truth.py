from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import InputError, VolumeError
from connectome.offline.datastack import OfflineDatastack
from inference.datasets.cut_labels import CutRule
from inference.datasets.pairs import automatic_pairs, watershed_pairs
from inference.datasets.sources.difference import DifferenceSettings, difference_of
from inference.datasets.sources.graph_cuts import GraphCutSettings, GraphCutSource
from inference.datasets.sources.opened import opened_sources
from inference.datasets.sources.pairs import PairSource, truth_of
from inference.datasets.volumes import TruthVolume
from proofreading.verdicts import Task
from tests.unit.offline.volumes import make_datastack

SPLIT_ID, MERGE_ID = Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION
PAIR, CUT = Task.SPLIT_ERROR_CORRECTION, Task.SPLIT_ACTION_EVALUATION


def test_pairs_are_those_of_the_protocol(volume: TruthVolume) -> None:
    source = PairSource(volume)
    samples = list(source.samples(PAIR))
    watershed, automatic = watershed_pairs(volume), automatic_pairs(volume)
    assert len(samples) == len(watershed) + len(automatic)
    assert [one.label for one in samples[: len(watershed)]] == watershed.same.tolist()
    for one in samples[:20]:
        assert one.label == (len(one.bodies) == 1)
        x, y, z = volume.scale.voxel_at(one.point_nm)
        assert source.labels(one)[z, y, x] in one.segments
    assert len({one.id for one in samples}) == len(samples)
    with pytest.raises(InputError, match="do not answer"):
        next(source.samples(CUT))
    with pytest.raises(InputError, match="no other pairs"):
        PairSource(volume, ("other",))


def _blocks() -> tuple[np.ndarray, np.ndarray]:
    """Four boxes in a row: before 1|1|2|3, after 7|8|8|9; pieces of 1000 voxels."""
    before = np.zeros((10, 10, 40), np.uint64)
    after = np.zeros_like(before)
    big = 2**60
    for number, (b, a) in enumerate(((1, 7), (1, 8), (2, 8), (3, 9))):
        before[:, :, 10 * number : 10 * number + 10] = big + b
        after[:, :, 10 * number : 10 * number + 10] = big + a
    return before, after


def test_a_difference_shows_both_kinds_of_errors() -> None:
    before, after = _blocks()
    big = 2**60
    source = difference_of("exm", before, after, (8.0, 8.0, 40.0), first_voxel=(100, 0, 0))
    (parted,) = [one for one in source.samples(MERGE_ID) if one.label]
    assert parted.segments == (big + 1,)
    assert set(parted.bodies) == {big + 7, big + 8}
    assert parted.point_nm[0] == pytest.approx((100 + 10) * 8.0, abs=8)
    joined = [one for one in source.samples(SPLIT_ID) if one.label]
    assert {one.segments for one in joined} == {(big + 1,), (big + 2,)}
    pairs = {one.segments: one.label for one in source.samples(PAIR)}
    assert pairs == {(big + 1, big + 2): True, (big + 2, big + 3): False}
    with pytest.raises(InputError, match="does not answer"):
        next(source.samples(CUT))


def test_what_touches_no_difference_can_be_left_out() -> None:
    before, after = _blocks()
    more = np.concatenate([before, before + np.uint64(100)], axis=2)
    later = np.concatenate([after, before + np.uint64(200)], axis=2)
    free = difference_of("exm", more, later, (8.0, 8.0, 8.0))
    strict = difference_of(
        "exm", more, later, (8.0, 8.0, 8.0), settings=DifferenceSettings(touched_only=True)
    )
    counts = [Counter(one.label for one in source.samples(PAIR)) for source in (free, strict)]
    assert counts[0][True] == counts[1][True] == 1
    assert counts[0][False] > counts[1][False] > 0
    assert strict.left_out["apart, and neither was touched"] > 0


def test_fragments_that_are_joined_elsewhere_are_not_different() -> None:
    before = np.ones((10, 20, 40), np.uint64)
    before[:, :, 20:] = 2
    after = np.full_like(before, 7)
    after[:, 10:, 30:] = 8
    source = difference_of("exm", before, after, (8.0, 8.0, 8.0))
    assert {one.segments: one.label for one in source.samples(PAIR)} == {(1, 2): True}


def test_two_segmentations_have_one_shape() -> None:
    with pytest.raises(VolumeError, match="one shape"):
        difference_of("exm", np.ones((2, 2, 2)), np.ones((2, 2, 3)), (8.0, 8.0, 8.0))


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineDatastack]:
    """One segment of two bodies, each of four supervoxels, and one whole body beside it."""
    pieces = np.zeros((20, 40, 60), np.uint32)
    for number in range(12):
        x, y = 10 * (number // 2), 20 * (number % 2)
        pieces[:, y : y + 20, x : x + 10] = number + 1
    segments = np.where(pieces <= 8, 1, 2).astype(np.uint32)
    truth = np.select([pieces <= 4, pieces <= 8], [5, 6], 7).astype(np.uint32)
    folder = tmp_path_factory.mktemp("merged") / "stack"
    make_datastack(folder, pieces, segments, truth=truth)
    datastack = OfflineDatastack(folder)
    yield datastack
    datastack.close()


RULE = CutRule(ratio=20, smallest_body=500, cutout_nm=7500)


def test_cuts_of_the_graph_are_judged_by_the_truth(merged: OfflineDatastack) -> None:
    source = GraphCutSource(merged, GraphCutSettings(each=12), RULE)
    samples = list(source.samples(CUT))
    assert samples == list(source.samples(CUT))
    roots = merged.segmentation.read_roots(merged.segmentation.scales[0].bounds_nm).data
    both, whole = int(roots[0, 0, 0]), int(roots[0, 0, 59])
    kinds = {(one.segments[0], one.strategy) for one in samples}
    assert kinds == {(both, "cut of several bodies"), (whole, "cut of one body")}
    assert not any(one.label for one in samples if one.segments == (whole,))
    assert any(one.label for one in samples if one.segments == (both,))
    for one in samples:
        if one.label:
            assert set(one.bodies) == {5, 6}
            sides = [
                {point[0] < 20 * 16 for point in side} for side in (one.sources_nm, one.sinks_nm)
            ]
            assert sides in ([{True}, {False}], [{False}, {True}])


def test_a_datastack_with_truth_opens_as_all_its_sources(merged: OfflineDatastack) -> None:
    volume, names = truth_of(merged)
    assert volume.segmentation.max() == 2
    assert names["automatic"].dtype == np.uint64
    assert len(names["watershed"]) == 13
    with opened_sources(merged.address, tasks=(PAIR, SPLIT_ID)) as opened:
        answered = sorted(task for source in opened.sources for task in source.tasks)
        assert answered == [PAIR, SPLIT_ID]
        found = next(iter(opened.sources[0].samples(PAIR)))
        assert all(segment > 2**50 for segment in found.segments)


def test_a_folder_of_arrays_opens_as_its_sources(volume_folder: Path) -> None:
    with opened_sources(str(volume_folder), tasks=(PAIR,)) as opened:
        (source,) = opened.sources
        assert source.tasks == {PAIR}
        assert opened.licence
