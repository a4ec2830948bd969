"""The axes of the orthographic views."""

from __future__ import annotations

import numpy as np
import pytest

from rendering.camera import VIEWS


@pytest.mark.parametrize("name", ["front", "side", "top"])
def test_views_are_right_handed(name: str) -> None:
    axes = VIEWS[name]
    np.testing.assert_array_equal(np.cross(axes.forward, axes.up), axes.right)
