from __future__ import annotations

import numpy as np
import pytest

from connectome.errors import InputError
from inference.datasets.volumes import TruthVolume
from inference.evaluation.degrade import KINDS, degraded, original_sections


def small_volume(first_z: int = 0) -> TruthVolume:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 9, (22, 16, 18), dtype=np.uint32)
    em = rng.integers(40, 200, labels.shape, dtype=np.uint8)
    return TruthVolume(
        "small", em, labels, labels + 1, labels + 2, (10.0, 10.0, 10.0), (), "0", "none",
        (0, 0, first_z),
    )  # fmt: skip


def test_sections_are_averages_with_the_labels_of_their_middle() -> None:
    volume = small_volume()
    thick = degraded(volume, "sections", 40)
    assert thick.em.shape == (5, 16, 18)
    assert thick.voxel_nm == (10.0, 10.0, 40.0)
    np.testing.assert_allclose(thick.em[1], volume.em[4:8].mean(axis=0), atol=0.5)
    np.testing.assert_array_equal(thick.groundtruth[1], volume.groundtruth[6])
    np.testing.assert_array_equal(thick.segmentation[4], volume.segmentation[18])
    assert thick.sha256 != volume.sha256


def test_stretched_sections_keep_the_grid() -> None:
    volume = small_volume()
    back = degraded(volume, "sections", 40, stretched=True)
    thick = degraded(volume, "sections", 40)
    assert back.voxel_nm == volume.voxel_nm
    np.testing.assert_array_equal(back.em[4:8], np.stack([thick.em[1]] * 4))
    np.testing.assert_array_equal(back.supervoxels[7], thick.supervoxels[1])


@pytest.mark.parametrize("first_z", [0, 3, 8])
def test_thick_sections_lie_where_they_were(first_z: int) -> None:
    volume = small_volume(first_z)
    for stretched in (False, True):
        thick = degraded(volume, "sections", 40, stretched=stretched)
        z = original_sections(np.arange(len(thick.em)), thick, volume)
        step = 1 if stretched else 4
        middles = z if stretched else z[:, None] + np.arange(-2, 2)
        assert (np.diff(z) == step).all()
        if not stretched:
            grey = volume.em[middles].astype(np.float64).mean(axis=1)
            np.testing.assert_allclose(thick.em, grey, atol=0.51)


def test_every_kind_changes_the_microscopy_and_repeats() -> None:
    volume = small_volume()
    amounts = {"sections": 30, "contrast": 0.4, "missing": 0.5}
    assert set(KINDS) == {"sections", "blur", "contrast", "noise", "missing", "shifted"}
    for kind in KINDS:
        one, two = (degraded(volume, kind, amounts.get(kind, 25)) for _ in range(2))
        np.testing.assert_array_equal(one.em, two.em)
        assert one.em.shape != volume.em.shape or (one.em != volume.em).any()
        assert one.em.dtype == np.uint8
        assert one.groundtruth.dtype == np.uint32


def test_what_each_does() -> None:
    volume = small_volume()
    pale = degraded(volume, "contrast", 0.5)
    assert pale.em.std() == pytest.approx(volume.em.std() / 2, rel=0.02)
    gone = degraded(volume, "missing", 0.5)
    black = (gone.em == 0).all(axis=(1, 2))
    assert 3 < black.sum() < 19
    np.testing.assert_array_equal(gone.em[~black], volume.em[~black])
    assert degraded(volume, "blur", 20).em.std() < volume.em.std() / 2
    moved = degraded(volume, "shifted", 30)
    assert (moved.supervoxels == moved.groundtruth + 1).all()
    assert (moved.groundtruth != volume.groundtruth).any()


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError, match="no degradation"):
        degraded(small_volume(), "coffee", 1)
    with pytest.raises(InputError, match="35 nm"):
        degraded(small_volume(), "sections", 35)
    with pytest.raises(InputError, match="by 0"):
        degraded(small_volume(), "noise", 0)
