"""Lines where one part stands before another, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rendering.camera import CameraSpec
from rendering.octarine_views import octarine_views
from rendering.spec import COLOR_A, RenderSpec
from rendering.surfaces import Surface
from tests.unit.rendering.test_scene import box

pytestmark = pytest.mark.render

SPEC = RenderSpec(half_extent_nm=1000.0, size_px=256, antialias="none", views=("top",))
BARE = replace(SPEC, ink=0.0)


def lines(surfaces: list[Surface], spec: RenderSpec = SPEC) -> NDArray[np.bool_]:
    """Return where ink makes a picture from the top darker."""
    bare = octarine_views().draw(surfaces, replace(spec, ink=0.0))["top"].astype(int)
    inked = octarine_views().draw(surfaces, spec)["top"]
    assert (inked <= bare + 1).all()
    return np.asarray((bare - inked).max(axis=-1) > 10)


def test_a_line_lies_on_what_is_farther_along_what_is_nearer() -> None:
    low = box((-800, -800, -100), (800, 800, 0), COLOR_A)
    high = box((-300, -300, 200), (300, 300, 300), COLOR_A)
    found = lines([low, high])
    rows, columns = np.nonzero(found)
    # The upper box spans the pixels 89.6 to 166.4; the line is a pixel wide around it.
    assert (rows.min(), rows.max()) == (columns.min(), columns.max())
    assert 87 <= rows.min() <= 89
    assert 166 <= rows.max() <= 168
    assert not found[92:164, 92:164].any()


def test_against_the_ground_there_is_no_line() -> None:
    assert not lines([box((-300, -300, -100), (300, 300, 100), COLOR_A)]).any()


def test_a_small_step_has_no_line() -> None:
    low = box((-800, -800, -100), (800, 800, 0), COLOR_A)
    assert not lines([low, box((-300, -300, -50), (300, 300, 10), COLOR_A)]).any()


@pytest.mark.parametrize("elevation", [20.0, 60.0, 80.0])
def test_a_slope_has_no_line(elevation: float) -> None:
    plate = box((-900, -900, -5), (900, 900, 5), COLOR_A)
    camera = CameraSpec.of_view("top", (0, 0, 0), 1000.0).rotated(0, elevation)
    (bare,) = octarine_views().look([plate], [camera], BARE)
    (inked,) = octarine_views().look([plate], [camera], SPEC)
    different = np.abs(bare.astype(int) - inked).max(axis=-1) > 10
    assert different.mean() < 0.002


def test_lines_grow_with_the_picture() -> None:
    low = box((-800, -800, -100), (800, 800, 0), COLOR_A)
    high = box((-300, -300, 200), (300, 300, 300), COLOR_A)
    shares = [lines([low, high], replace(SPEC, size_px=size)).mean() for size in (256, 512, 1024)]
    assert max(shares) < 1.25 * min(shares)
