from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from connectome.errors import ModelError
from inference.datasets.pairs import watershed_pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import TruthVolume
from inference.judges.base import Judge, PairSample
from inference.judges.onnx import OnnxJudge
from inference.judges.verdicts import judge_site
from inference.models.registry import ModelFolder
from inference.pictures import channel_names, pack_pair, unpack_pairs
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import FailedVerdict, Verdict
from rendering.spec import EMSpec
from tests.arrays import ArrayDatastack

SPEC = EMSpec(half_extent_nm=160.0, size_px=32)


@pytest.fixture(scope="module")
def judge(small_model: ModelFolder) -> Judge:
    return OnnxJudge(small_model, batch=4, threads=1)


@pytest.fixture(scope="module")
def samples(volume: TruthVolume) -> list[PairSample]:
    pairs = watershed_pairs(volume)
    return [pair_sample(volume, pairs, i, pairs.contacts.center[i], SPEC) for i in range(10)]


def test_channels_are_grey_and_masks(samples: list[PairSample]) -> None:
    first = samples[0]
    channels = unpack_pairs([pack_pair(first.slices, first.segment_a, first.segment_b)])[0]
    assert channels.shape == (9, 32, 32)
    assert channel_names(SPEC)[:3] == ("xy.em", "xy.a", "xy.b")
    np.testing.assert_allclose(channels[0], first.slices.em[0] / 255, atol=1e-6)
    np.testing.assert_array_equal(channels[4], first.slices.mask(first.segment_a)[1])
    np.testing.assert_array_equal(channels[8], first.slices.mask(first.segment_b)[2])


def test_opinions_do_not_depend_on_batch_or_order_of_the_pair(
    judge: Judge, samples: list[PairSample]
) -> None:
    together = judge.judge(samples)
    assert len(together) == 10
    for sample, opinion in zip(samples, together, strict=True):
        (alone,) = judge.judge(
            [replace(sample, segment_a=sample.segment_b, segment_b=sample.segment_a)]
        )
        assert alone.raw_score == pytest.approx(opinion.raw_score, abs=1e-4)
        assert 0 <= opinion.probability <= 1
        assert opinion.latency_ms > 0
        assert opinion.out_of_distribution is not None
    assert judge.judge([]) == []


def test_calibration_is_applied(judge: Judge, samples: list[PairSample]) -> None:
    temperature = judge.manifest.calibration.temperature
    for opinion in judge.judge(samples):
        expected = 1 / (1 + np.exp(-opinion.raw_score / temperature))
        assert opinion.probability == pytest.approx(expected)


def test_strange_pictures_have_a_higher_score(judge: Judge, samples: list[PairSample]) -> None:
    noise = np.random.default_rng(0)

    def spoiled(sample: PairSample) -> PairSample:
        em = noise.integers(0, 2, sample.slices.em.shape, np.uint8) * 255
        return replace(sample, slices=replace(sample.slices, em=em))

    usual = [o.out_of_distribution or 0 for o in judge.judge(samples)]
    strange = [o.out_of_distribution or 0 for o in judge.judge([spoiled(s) for s in samples])]
    assert np.median(strange) > np.median(usual)


def test_pictures_of_another_spec_are_refused(judge: Judge, volume: TruthVolume) -> None:
    pairs = watershed_pairs(volume)
    other = EMSpec(half_extent_nm=200.0, size_px=32)
    sample = pair_sample(volume, pairs, 0, pairs.contacts.center[0], other)
    with pytest.raises(ModelError, match="other pictures"):
        judge.judge([sample])


def _site(volume: TruthVolume) -> tuple[Site, ArrayDatastack]:
    pairs = watershed_pairs(volume)
    a, b = (int(v) for v in pairs.contacts.pairs[0])
    z, y, x = (float(v) * 10 for v in pairs.contacts.center[0])
    partner = Partner(
        root=b,
        supervoxel=b,
        own_supervoxel=a,
        own_point_nm=(x, y, z),
        point_nm=(x + 10, y, z),
        distance_nm=0.0,
        contact_area_nm2=1000.0,
        direction_agreement=1.0,
    )
    site = Site(
        "00" * 8, SiteKind.ENDPOINT, "invented", a, a, (x, y, z), 50.0, "test", partners=(partner,)
    )
    roots = volume.supervoxels.astype(np.uint64)
    return site, ArrayDatastack(volume.em, None, roots, volume.voxel_nm)


def test_a_site_gets_a_verdict_with_all_its_provenance(judge: Judge, volume: TruthVolume) -> None:
    site, datastack = _site(volume)
    (verdict,) = judge_site(judge, datastack, site)
    assert isinstance(verdict, Verdict)
    assert verdict.partner_supervoxel == site.partners[0].supervoxel
    assert verdict.provenance.model_id == judge.manifest.id
    assert verdict.provenance.weights_sha256 == judge.manifest.sha256
    assert verdict.provenance.picture_spec == SPEC.hash
    assert verdict.provenance.provider == judge.provider == "CPU"


def test_a_site_that_cannot_be_judged_says_why(judge: Judge, volume: TruthVolume) -> None:
    site, datastack = _site(volume)
    joined = replace(site.partners[0], own_supervoxel=site.partners[0].supervoxel)
    (result,) = judge_site(judge, datastack, replace(site, partners=(joined,)))
    assert isinstance(result, FailedVerdict)
    assert "one segment" in result.reason
    datastack.imagery = None
    (result,) = judge_site(judge, datastack, site)
    assert isinstance(result, FailedVerdict)
    assert "no microscopy" in result.reason
