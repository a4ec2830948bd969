"""Two bodies as one: no wall inside, no seam outside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import InputError
from rendering.geometry import GeometrySpec, GeometryTensor, merged
from rendering.rasteriser import NumbaGeometry
from rendering.surfaces import Surface
from tests.unit.rendering.geometry_contract import SPEC, box
from tests.unit.rendering.real_pairs import HALF_EXTENT_NM, real_pairs

pytest.importorskip("numba", reason="numba draws here")

NUMBA = NumbaGeometry()


def hills(first: int, last: int) -> Surface:
    """Return some columns of a grid of hills, with the normals of this part alone."""
    x, y = np.meshgrid(np.linspace(-1300, 1300, 41)[first:last], np.linspace(-1300, 1300, 41))
    points = np.stack([x, y, 200 * np.sin(x / 300) * np.cos(y / 400)], -1)
    at = np.arange(x.size).reshape(x.shape)
    a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])
    positions = points.reshape(-1, 3).astype(np.float32)
    part = Surface(positions, np.zeros_like(positions), faces.reshape(-1, 3).astype(np.int32))
    return merged([part])


def edge_counts(surface: Surface) -> list[int]:
    faces = surface.faces
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return sorted(set(np.unique(edges, axis=0, return_counts=True)[1].tolist()))


def test_fragments_that_were_cut_apart_are_drawn_as_if_they_never_were() -> None:
    whole, left, right = hills(0, 41), hills(0, 21), hills(20, 41)
    one, other = NUMBA.draw([whole], SPEC), NUMBA.draw([merged([left, right])], SPEC)
    np.testing.assert_array_equal(other.owner, one.owner)
    np.testing.assert_allclose(other.data, one.data, atol=2e-3)
    apart = NUMBA.draw([left, right], SPEC)
    assert np.abs(apart.data[:, 2:5] - one.data[:, 2:5]).max() > 0.02


@pytest.mark.parametrize("gap", [0.0, 60.0])
def test_the_wall_between_two_bodies_goes(gap: float) -> None:
    left, right = (
        box((-600, -300, -300), (-gap / 2, 300, 300)),
        box((gap / 2, -300, -300), (600, 300, 300)),
    )
    body = merged([left, right])
    assert len(body.faces) == 2 * 12 - 2 * 2
    assert edge_counts(body) == [2]
    tensor = NUMBA.draw([body], SPEC)
    assert not tensor.channel("mask_b").any()
    assert (tensor.channel("silhouette")[SPEC.views.index("top")] > 0).sum() == 120 * 60
    cut_open = NUMBA.draw([body], replace(SPEC, crop_factor=0.2))
    floor = cut_open.data[SPEC.views.index("top"), 1, 75:125, 45:155]
    assert not floor.any()


def test_walls_farther_apart_stay() -> None:
    left, right = box((-600, -300, -300), (-50, 300, 300)), box((50, -300, -300), (600, 300, 300))
    assert len(merged([left, right]).faces) == 24
    assert len(merged([left, right], bury_nm=120.0).faces) == 20


def test_a_fragment_that_came_twice_is_drawn_once() -> None:
    one = hills(0, 41)
    twice = merged([one, one])
    assert len(twice.faces) == len(one.faces)
    np.testing.assert_allclose(
        NUMBA.draw([twice], SPEC).data, NUMBA.draw([one], SPEC).data, atol=2e-3
    )


def test_what_is_missing_and_the_colour_are_kept() -> None:
    a, b = box((0, 0, 0), (9, 9, 9)), box((50, 0, 0), (59, 9, 9))
    body = merged([replace(a, color="#123456", missing=(7, 5)), replace(b, missing=(5, 6))])
    assert body.missing == (5, 6, 7)
    assert body.color == "#123456"


def test_nothing_and_empty_surfaces() -> None:
    with pytest.raises(InputError, match="no surface"):
        merged([])
    nothing = replace(box((0, 0, 0), (9, 9, 9)), faces=np.zeros((0, 3), np.int32))
    assert merged([nothing, nothing]).empty
    assert len(merged([nothing, box((0, 0, 0), (90, 90, 90))]).faces) == 12


def broken_share(drawn: GeometryTensor, pair: GeometryTensor) -> tuple[int, int]:
    """Return at how many places light breaks by over 30 degrees where A and B meet, of how many."""
    owner, depth = pair.owner, pair.channel("depth").astype(np.float64)
    normals = np.moveaxis(drawn.data[:, 2:5].astype(np.float64), 1, -1)
    broken = places = 0
    for axis in (1, 2):
        meet = _before(owner, axis) != _after(owner, axis)
        meet &= (_before(owner, axis) > 0) & (_after(owner, axis) > 0)
        meet &= np.abs(_before(depth, axis) - _after(depth, axis)) < 0.02
        cosine = (_before(normals, axis) * _after(normals, axis)).sum(axis=-1)
        broken += int((cosine[meet] < np.cos(np.radians(30))).sum())
        places += int(meet.sum())
    return broken, places


def _before(values: NDArray[Any], axis: int) -> NDArray[Any]:
    return values.take(range(values.shape[axis] - 1), axis)


def _after(values: NDArray[Any], axis: int) -> NDArray[Any]:
    return values.take(range(1, values.shape[axis]), axis)


def test_less_than_half_of_the_breaks_of_light_are_left_on_real_seams() -> None:
    spec = GeometrySpec(HALF_EXTENT_NM)
    before = after = places = 0
    for pair in real_pairs()[:12]:
        drawn = NUMBA.draw(pair, spec)
        body = NUMBA.draw([merged(pair)], spec)
        before += broken_share(drawn, drawn)[0]
        left, of = broken_share(body, drawn)
        after, places = after + left, places + of
        seen, shown = drawn.owner > 0, body.owner > 0
        assert (seen & shown).sum() / (seen | shown).sum() > 0.99
    assert places > 1000
    assert before > 0.3 * places
    assert after < 0.5 * before
