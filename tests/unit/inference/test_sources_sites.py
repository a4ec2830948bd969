"""Merges made on purpose, and the tips and cuts that are asked about."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.errors import InputError
from inference.datasets.sources.cuts import CutSettings, CutSource
from inference.datasets.sources.synthetic import Variant, joined, merged, true_bodies
from inference.datasets.sources.tips import TipSource
from inference.datasets.volumes import TruthVolume
from proofreading.verdicts import Task


@pytest.fixture(scope="module")
def bodies(volume: TruthVolume) -> Variant:
    return true_bodies(volume)


@pytest.fixture(scope="module")
def fused(volume: TruthVolume, bodies: Variant) -> Variant:
    return merged(volume, bodies, seed=3)


class TestMerges:
    def test_each_segment_is_merged_once_with_another_body(self, fused: Variant) -> None:
        parts = [part for merge in fused.merges for part in merge.parts]
        assert len(parts) >= 4
        assert len(set(parts)) == len(parts)
        assert all(merge.bodies[0] != merge.bodies[1] for merge in fused.merges)

    def test_only_the_merged_segments_change(self, bodies: Variant, fused: Variant) -> None:
        parts = [part for merge in fused.merges for part in merge.parts]
        untouched = ~np.isin(bodies.labels, parts)
        assert (fused.labels[untouched] == bodies.labels[untouched]).all()
        for merge in fused.merges:
            both = np.isin(bodies.labels, merge.parts)
            assert (fused.labels[both] == merge.label).all()

    def test_the_same_seed_makes_the_same_merges(
        self, volume: TruthVolume, bodies: Variant, fused: Variant
    ) -> None:
        again = merged(volume, bodies, seed=3)
        assert [m.parts for m in again.merges] == [m.parts for m in fused.merges]


class TestTips:
    def test_a_yes_has_its_body_in_another_segment(self, volume: TruthVolume) -> None:
        pytest.importorskip("edt", reason="skeletons need the extra `offline`")
        variant = joined(volume, 0.5, 1)
        source = TipSource(volume, [variant])
        samples = list(source.samples(Task.SPLIT_ERROR_IDENTIFICATION))
        yes = [sample for sample in samples if sample.label]
        assert yes
        same = variant.pairs.contacts.pairs[variant.pairs.same]
        assert all(np.isin(sample.segments[0], same) for sample in yes)
        assert all(source.room(sample.point_nm) > 50.0 for sample in samples)
        assert source.left_out["at a face of the volume"] > 0

    def test_it_answers_no_other_task(self, volume: TruthVolume) -> None:
        with pytest.raises(InputError, match="Tips do not answer"):
            next(TipSource(volume, []).samples(Task.SPLIT_ACTION_EVALUATION))


class TestCuts:
    def test_good_cuts_part_the_bodies(self, volume: TruthVolume, fused: Variant) -> None:
        source = CutSource(volume, [fused], CutSettings(each=6, pure_segments=3))
        samples = list(source.samples(Task.SPLIT_ACTION_EVALUATION))
        assert {sample.label for sample in samples} == {True, False}
        for sample in samples:
            if not sample.label:
                continue
            sides = source.sides(sample)
            ones = np.bincount(volume.groundtruth[sides == 1]).argmax()
            twos = np.bincount(volume.groundtruth[sides == 2]).argmax()
            assert ones != twos
            assert sample.synthetic

    def test_a_cut_of_one_body_is_bad(self, volume: TruthVolume, fused: Variant) -> None:
        source = CutSource(volume, [fused], CutSettings(each=6, pure_segments=3))
        whole = [
            sample
            for sample in source.samples(Task.SPLIT_ACTION_EVALUATION)
            if sample.strategy == "cut of one body"
        ]
        assert whole
        assert not any(sample.label for sample in whole)
