"""The grey values that Neuroglancer shows as black and white."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.greys import Stretch
from connectome.space import BoxNm, Cutout, Scale
from rendering.em import grey_range
from tests.arrays import ArrayDatastack, ArrayImagery


def _imagery(em: NDArray[np.uint8]) -> ArrayImagery:
    labels = np.ones(em.shape, np.uint64)
    found = ArrayDatastack(em, labels, labels, (8.0, 8.0, 40.0)).imagery
    assert isinstance(found, ArrayImagery)
    return found


@dataclass
class Pyramid:
    """Imagery with a second scale of means, which counts what is read."""

    fine: ArrayImagery
    coarse: ArrayImagery
    stretch: Stretch | None = None
    voxels: int = 0
    asked: set[int] = field(default_factory=set)

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (self.fine.scale, self.coarse.scale)

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        cutout = (self.fine, self.coarse)[scale].read(box)
        self.voxels += cutout.data.size
        self.asked.add(scale)
        return cutout


def _noisy(padding: int = 0, stretch: Stretch | None = None) -> Pyramid:
    """Return membranes and fine noise over 160 voxels, as the demo has them."""
    rng = np.random.default_rng(8)
    grey = np.where((np.indices((160, 160, 160)) % 16 < 4).any(axis=0), 74.0, 172.0)
    em = np.clip(grey + 22 * rng.standard_normal(grey.shape), 1, 255).astype(np.uint8)
    if padding:
        em[:, :, :padding] = 0
    means = em.reshape(40, 4, 40, 4, 40, 4).mean(axis=(1, 3, 5)).astype(np.uint8)
    coarse = ArrayImagery(means, Scale((32.0, 32.0, 160.0), (40, 40, 40)))
    return Pyramid(_imagery(em), coarse, stretch)


def test_the_middle_of_the_values_is_stretched() -> None:
    em = np.full((20, 40, 40), 120, np.uint8)
    em[:10] = 80
    em[0, 0, 0], em[0, 0, 1] = 0, 255
    assert grey_range(_imagery(em)) == (80.0, 120.0)


def test_a_flat_volume_still_has_a_range() -> None:
    assert grey_range(_imagery(np.full((8, 8, 8), 7, np.uint8))) == (7.0, 8.0)
    assert grey_range(_imagery(np.zeros((8, 8, 8), np.uint8))) == (0.0, 1.0)


def test_noise_is_measured_where_it_is_and_not_where_it_is_averaged_away() -> None:
    imagery = _noisy()
    low, high = grey_range(imagery)
    assert imagery.asked == {0}
    assert imagery.voxels == 64**3
    whole = np.percentile(imagery.fine.data, [0.5, 99.5])
    np.testing.assert_allclose([low, high], whole, atol=3)
    # What was shown before, the range of the means, cut off the bright third.
    means = np.percentile(imagery.coarse.data, [0.5, 99.5])
    assert high > means[1] + 30
    assert (imagery.fine.data > high).mean() < 0.01 < (imagery.fine.data > means[1]).mean()


@pytest.mark.parametrize("padding", [100, 130])
def test_padding_is_passed_over(padding: int) -> None:
    imagery = _noisy(padding)
    low, high = grey_range(imagery)
    tissue = imagery.fine.data[:, :, padding:]
    np.testing.assert_allclose([low, high], np.percentile(tissue, [0.5, 99.5]), atol=4)


def test_a_speck_of_tissue_is_better_than_none() -> None:
    em = np.zeros((64, 64, 64), np.uint8)
    em[:8], em[8:10] = 90, 140
    assert grey_range(_imagery(em)) == (90.0, 140.0)


def test_neuroglancer_is_told_the_stored_values_of_wider_types() -> None:
    plain, wide = _noisy(), _noisy(stretch=Stretch(1000.0, 1000.0 + 255 * 40))
    expected = [1000 + 40 * value for value in grey_range(plain)]
    assert grey_range(wide) == pytest.approx(expected)
