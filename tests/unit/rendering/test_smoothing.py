"""Edges become soft, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("numba", reason="softening needs the extra `render`")

from rendering.smoothing import smoothed


def slanted(size: int, slope: float) -> NDArray[np.uint8]:
    """Return a dark half-plane on white with hard steps."""
    rows, columns = np.mgrid[:size, :size]
    dark = rows + 0.5 - size / 2 > slope * (columns + 0.5 - size / 2)
    return np.where(dark[..., None], np.array([31, 119, 180], np.uint8), np.uint8(255))


def exact(size: int, slope: float) -> NDArray[np.float64]:
    """Return the same from 16 by 16 samples a pixel."""
    many = slanted(16 * size, slope).reshape(size, 16, size, 16, 3)
    return np.asarray(many.mean(axis=(1, 3)))


def error(picture: NDArray[np.uint8], slope: float) -> float:
    """Return the root mean square distance from the true edge, away from the rim."""
    inner = (slice(8, -8), slice(8, -8))
    distance = picture[inner] - exact(len(picture), slope)[inner]
    return float(np.sqrt((distance**2).mean()))


@settings(deadline=None, max_examples=20)
@given(st.floats(-1.0, 1.0))
def test_no_edge_gets_much_worse(slope: float) -> None:
    hard = slanted(48, slope)
    assert error(smoothed(hard), slope) <= 1.15 * error(hard, slope) + 1.0


@pytest.mark.parametrize("slope", [0.05, -0.1, 0.2, 0.7, -0.9])
def test_steps_come_nearer_to_the_true_edge(slope: float) -> None:
    hard = slanted(48, slope)
    soft = smoothed(hard)
    assert len(np.unique(hard[..., 0])) == 2
    assert len(np.unique(soft[..., 0])) > 4
    assert error(soft, slope) < 0.7 * error(hard, slope)


def test_what_is_flat_or_gently_shaded_stays() -> None:
    ramp = np.repeat(np.arange(64, dtype=np.uint8)[None, :, None] + np.uint8(100), 64, axis=0)
    picture = np.repeat(ramp, 3, axis=2)
    np.testing.assert_array_equal(smoothed(picture), picture)


def test_the_picture_given_is_left_alone() -> None:
    hard = slanted(32, 0.3)
    copy = hard.copy()
    smoothed(hard)
    np.testing.assert_array_equal(hard, copy)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_no_direction_is_preferred(turn: int) -> None:
    hard = slanted(33, 0.37)
    direct = np.rot90(smoothed(hard), turn)
    turned = smoothed(np.ascontiguousarray(np.rot90(hard, turn)))
    np.testing.assert_allclose(direct.astype(int), turned, atol=1)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 5, 3)])
def test_tiny_pictures(shape: tuple[int, int, int]) -> None:
    assert smoothed(np.zeros(shape, np.uint8)).shape == shape
