"""Microscopy that is not stored as 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import Imagery
from connectome.errors import DatastackError
from connectome.greys import Stretch
from connectome.opening import open_datastack
from connectome.space import BoxNm
from tests.qt.ngplugin.scene import write_volume

SCALE = (8.0, 8.0, 40.0)
EVERYTHING = BoxNm((0, 0, 0), (800, 800, 4000))


@contextmanager
def opened(folder: Path, em: NDArray[Any]) -> Iterator[Imagery]:
    write_volume(folder / "em", em, SCALE, "image")
    write_volume(folder / "seg", np.ones(em.shape, np.uint32), SCALE, "segmentation")
    datastack = open_datastack(f"precomputed:{folder / 'seg'},em={folder / 'em'}")
    assert datastack.imagery is not None
    yield datastack.imagery
    datastack.close()


def ramp(shape: tuple[int, int, int] = (50, 50, 60)) -> NDArray[np.float64]:
    """Return 0 to 1 in no order."""
    values = np.linspace(0, 1, int(np.prod(shape)))
    return np.random.default_rng(4).permutation(values).reshape(shape)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint16", 20000, 60000), ("int16", -3000, 3000), ("float32", -1.5, 2.5)],
)
def test_other_types_become_8_bits_by_recorded_factors(
    tmp_path: Path, dtype: str, low: float, high: float
) -> None:
    share = ramp()
    stored = (low + share * (high - low)).astype(dtype)
    with opened(tmp_path, stored) as imagery:
        found = imagery.read(EVERYTHING).data
        stretch = getattr(imagery, "stretch", None)
    assert isinstance(stretch, Stretch)
    span = high - low
    assert stretch.low == pytest.approx(low + 0.005 * span, abs=0.002 * span)
    assert stretch.high == pytest.approx(high - 0.005 * span, abs=0.002 * span)
    assert found.dtype == np.uint8
    expected = np.clip((share - 0.005) / 0.99, 0, 1) * 255
    np.testing.assert_allclose(found, expected, atol=1.5)
    middle = (share > 0.1) & (share < 0.9)
    back = np.array([stretch.stored(float(v)) for v in found[middle][:100]])
    np.testing.assert_allclose(back, stored[middle][:100], atol=span / 255)


def test_8_bits_stay_as_they_are(tmp_path: Path) -> None:
    stored = (ramp() * 255).astype(np.uint8)
    with opened(tmp_path, stored) as imagery:
        np.testing.assert_array_equal(imagery.read(EVERYTHING).data, stored)
        assert getattr(imagery, "stretch", 0) is None


def test_what_is_not_a_number_becomes_black_and_measures_nothing(tmp_path: Path) -> None:
    stored = (0.25 + ramp() / 2).astype(np.float32)
    stored[:, :20] = np.nan
    with opened(tmp_path, stored) as imagery:
        found = imagery.read(EVERYTHING).data
    assert not found[:, :20].any()
    assert found[:, 20:].min() == 0
    assert found[:, 20:].max() == 255
    assert found[:, 20:].mean() == pytest.approx(127.5, abs=3)


def test_ids_are_no_images(tmp_path: Path) -> None:
    stored = np.ones((8, 8, 8), np.uint32)
    with pytest.raises(DatastackError, match="uint32"), opened(tmp_path, stored):
        pass
