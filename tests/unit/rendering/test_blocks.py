"""Imagery kept in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import OutsideVolumeError
from connectome.space import BoxNm, Cutout, Scale
from rendering.blocks import BlockImagery, snapped
from rendering.cache import ByteCache
from tests.arrays import ArrayDatastack

EM = np.random.default_rng(0).integers(0, 255, (30, 41, 52), np.uint8)


class Counting:
    """Imagery that counts its reads."""

    def __init__(self) -> None:
        stack = ArrayDatastack(EM, None, EM.astype(np.uint64), (4, 5, 40), offset=(7, -3, 11))
        assert stack.imagery is not None
        self.inner = stack.imagery
        self.reads = 0

    @property
    def scales(self) -> tuple[Scale, ...]:
        return self.inner.scales

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        self.reads += 1
        return self.inner.read(box, scale)


def blocks(limit: int = 1 << 20) -> tuple[Counting, BlockImagery]:
    source = Counting()
    return source, BlockImagery(source, ByteCache(limit, lambda a: a.nbytes), "stack", edge=16)


corner = st.tuples(st.floats(0, 240), st.floats(-20, 190), st.floats(430, 1640))


@settings(deadline=None)
@given(corner, corner)
def test_blocks_give_the_same_voxels(one: tuple[float, ...], two: tuple[float, ...]) -> None:
    source, kept = blocks()
    low, high = np.minimum(one, two), np.maximum(one, two)
    box = BoxNm(tuple(low), tuple(high))
    try:
        expected = source.inner.read(box)
    except OutsideVolumeError:
        with pytest.raises(OutsideVolumeError):
            kept.read(box)
        return
    found = kept.read(box)
    assert found.first_voxel == expected.first_voxel
    np.testing.assert_array_equal(found.data, expected.data)


def test_a_second_read_asks_for_nothing() -> None:
    source, kept = blocks()
    box = BoxNm((60, 20, 600), (180, 120, 1200))
    kept.read(box)
    first = source.reads
    kept.read(box)
    assert source.reads == first > 0


def test_snapped_boxes_hold_the_box() -> None:
    box = snapped(BoxNm((-3, 5, 1499), (1, 9, 1501)), 100.0)
    assert box == BoxNm((-100, 0, 1400), (100, 100, 1600))
