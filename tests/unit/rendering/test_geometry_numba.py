"""The compiled rasteriser."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rendering.backend import GeometryBackend
from rendering.geometry import GeometrySpec
from rendering.rasteriser import NumbaGeometry
from rendering.surfaces import Surface
from tests.unit.rendering.geometry_contract import SPEC, GeometryContract, turned

pytest.importorskip("numba", reason="numba draws here")

NUMBA = NumbaGeometry()
SMALL = GeometrySpec(half_extent_nm=1000.0, size_px=64)


class TestNumba(GeometryContract):
    @pytest.fixture
    def backend(self) -> GeometryBackend:
        return NUMBA


def soup(seed: int, count: int = 12) -> Surface:
    """Return triangles anywhere."""
    rng = np.random.default_rng(seed)
    positions = rng.uniform(-1000, 1000, (3 * count, 3)).astype(np.float32)
    normals = rng.normal(size=(3 * count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    return Surface(positions, normals.astype(np.float32), faces, "#1f77b4")


quaternions = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: float(np.linalg.norm(q)) > 0.1)


def rotation(x: float, y: float, z: float, w: float) -> NDArray[np.float64]:
    """Return the columns that Rodrigues' formula gives for the axes."""
    axes = np.eye(3)
    vector = np.array([x, y, z])
    twice = 2 * np.cross(vector, axes)
    return np.asarray((axes + w * twice + np.cross(vector, twice)).T)


@settings(deadline=None, max_examples=40)
@given(quaternions, st.integers(0, 1000))
def test_turning_scene_and_cameras_together_gives_the_same_picture(
    quaternion: tuple[float, float, float, float], seed: int
) -> None:
    x, y, z, w = (float(v) for v in np.array(quaternion) / np.linalg.norm(quaternion))
    spec = GeometrySpec(1000.0, 64, turn=(x, y, z, w))
    a, b = soup(seed), soup(seed + 1)
    still = NUMBA.draw([a, b], SMALL)
    moved = NUMBA.draw([turned(one, rotation(x, y, z, w)) for one in (a, b)], spec)
    same = np.asarray(moved.owner == still.owner)
    # Only a pixel centre within 1/256 px of an edge may fall to the other side of it.
    assert same.mean() > 0.99
    close = np.isclose(moved.data, still.data, atol=2e-2).all(axis=1)
    assert np.asarray(close)[same].mean() > 0.99


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000))
def test_swapping_a_and_b_swaps_masks_and_owners(seed: int) -> None:
    a, b = soup(seed), soup(seed + 1)
    one, other = NUMBA.draw([a, b], SMALL), NUMBA.draw([b, a], SMALL)
    np.testing.assert_array_equal(one.owner, np.array([0, 2, 1], np.uint8)[other.owner])
    np.testing.assert_array_equal(one.data[:, [0, 1, 2, 3, 4, 6, 5]], other.data)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000))
def test_every_pixel_of_a_strip_belongs_to_one_of_two_faces(seed: int) -> None:
    """A quad cut along its diagonal: the faces meet without overlap or gap."""
    rng = np.random.default_rng(seed)
    # Vertices on pixel centres and corners, where edges pass exactly through centres.
    quad = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.integers(2, 30, 2) * 15.625
    positions = np.insert(quad + rng.integers(-3, 3, 2) * 15.625, 2, 0, axis=1).astype(np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    one, other, both = (
        NUMBA.draw([Surface(positions, normals, part, "#1f77b4")], SMALL).owner[2]
        for part in (faces[:1], faces[1:], faces)
    )
    assert not (one & other).any()
    np.testing.assert_array_equal(one | other, both)
    width, height = np.ptp(positions[:, :2], axis=0) / SMALL.nm_per_px
    inside = np.abs(positions[:, :2]).max() <= SMALL.half_extent_nm
    assert not inside or both.sum() == round(width) * round(height)


def run(code: str, home: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    return done.stdout


DRAW = (
    "import sys, numpy as np\n"
    "from rendering.rasteriser import NumbaGeometry\n"
    "from tests.unit.rendering.test_geometry_numba import SMALL, soup\n"
    "drawn = NumbaGeometry().draw([soup(1)], SMALL)\n"
    "from rendering.geometry import kernels\n"
    "hits = sum(kernels.draw_depth.stats.cache_hits.values())\n"
    "sys.stdout.write(f'{int(drawn.owner.sum())} {hits}')\n"
)


def test_what_was_compiled_is_found_again_in_the_programs_cache(tmp_path: Path) -> None:
    expected = int(NUMBA.draw([soup(1)], SMALL).owner.sum())
    assert run(DRAW, tmp_path) == f"{expected} 0"
    assert list((tmp_path / "cache" / "proofdesk" / "numba").rglob("*.nbc"))
    assert run(DRAW, tmp_path) == f"{expected} 1"


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """A full disk, after numba has chosen the folder; and no folder at all."""
    expected = int(NUMBA.draw([soup(1)], SMALL).owner.sum())
    full = (
        "import numba.core.caching as caching\n"
        "def fail(*_args, **_named):\n    raise OSError(28, 'No space left on device')\n"
        "caching.IndexDataCacheFile.save = fail\n"
    )
    assert run(full + DRAW, tmp_path) == f"{expected} 0"
    nowhere = "import numba.core.caching as caching\ncaching.CacheImpl._locator_classes = []\n"
    assert run(nowhere + DRAW, tmp_path) == f"{expected} 0"


def test_the_spec_of_the_contract_is_not_the_default() -> None:
    assert SPEC.hash != GeometrySpec().hash
    assert GeometrySpec().hash == GeometrySpec(2500.0).hash
