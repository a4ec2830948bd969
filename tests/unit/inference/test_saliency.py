"""Where a judge looked: checked on one that says where, and by deletion on the bundled one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from inference.datasets.folds import fold_named
from inference.datasets.pairs import watershed_pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.judges.base import Opinion, PairSample
from inference.judges.onnx import OnnxJudge
from inference.judges.saliency import deletion_test, occlusion
from inference.models.manifest import ModelManifest
from inference.models.registry import ModelFolder, find_model
from rendering.spec import EMSpec
from tests.data import shared_data

SPEC = EMSpec(half_extent_nm=160.0, size_px=32)


class OneSquareJudge:
    """Says yes as far as one square of the xz slice is bright."""

    def __init__(self, manifest: ModelManifest, sign: float = 1.0) -> None:
        self.manifest = manifest
        self.provider = "CPU"
        self._sign = sign

    def judge(self, samples: Sequence[PairSample]) -> list[Opinion]:
        return [self._opinion(sample.slices.em[1, 4:12, 20:28]) for sample in samples]

    def _opinion(self, square: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Opinion:
        score = self._sign * float(square.mean()) / 10
        return Opinion(float(1 / (1 + np.exp(-score))), score, None, 0.1)


@pytest.fixture(scope="module")
def sample(volume: TruthVolume) -> PairSample:
    pairs = watershed_pairs(volume)
    made = pair_sample(volume, pairs, 0, pairs.contacts.center[0], SPEC)
    em = np.full_like(made.slices.em, 40)
    em[1, 4:12, 20:28] = 220
    return replace(made, slices=replace(made.slices, em=em))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_it_names_the_place_that_counts(
    sample: PairSample, small_model: ModelFolder, sign: float
) -> None:
    judge = OneSquareJudge(small_model.manifest, sign)
    found = occlusion(judge, sample, patch=8, step=4)
    assert found.heat.shape == sample.slices.em.shape
    plane, row, column = np.unravel_index(np.argmax(found.supporting), found.heat.shape)
    assert plane == 1
    assert 4 <= row < 12
    assert 20 <= column < 28
    assert not found.heat[0].any()
    assert not found.heat[2].any()
    moved = deletion_test(judge, sample, found, share=0.05, patch=4)
    assert moved.salient > moved.random > -1e-9


def test_the_edges_are_covered(sample: PairSample, small_model: ModelFolder) -> None:
    corner = replace(sample, slices=replace(sample.slices, em=np.roll(sample.slices.em, (4, 4))))
    judge = OneSquareJudge(small_model.manifest)
    found = occlusion(judge, corner, patch=10, step=7)
    assert np.isfinite(found.heat).all()
    assert occlusion(judge, corner, patch=64, step=64).heat.shape == found.heat.shape


def test_the_bundled_judge_looks_where_it_matters() -> None:
    volume = load_truth_volume(shared_data("fib25"))
    judge = OnnxJudge(find_model("resnet-pairs-fib25-low-int8"), threads=1)
    pairs = watershed_pairs(volume)
    test = np.flatnonzero(fold_named(judge.manifest.training.fold).test(pairs))
    spec = judge.manifest.picture_spec.em_spec()
    gains = []
    for row in np.random.default_rng(0).choice(test, 10, replace=False):
        sample = pair_sample(volume, pairs, int(row), pairs.contacts.center[row], spec)
        moved = deletion_test(judge, sample, occlusion(judge, sample))
        gains.append(moved.salient - moved.random)
    # By chance each is as likely above as below zero: all but one above is one in a hundred.
    assert sum(gain > 0 for gain in gains) >= 9
