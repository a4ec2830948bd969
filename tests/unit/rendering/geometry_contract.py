"""What every backend of the geometry tensor has to do; each subclasses this."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from rendering.backend import GeometryBackend
from rendering.geometry import GeometrySpec, GeometryTensor
from rendering.surfaces import BrokenMeshError, Surface, prepare, to_surface
from tests.unit.rendering.ray_reference import cast_owner
from tests.unit.rendering.real_pairs import HALF_EXTENT_NM, real_pairs
from tests.unit.rendering.shapes import box_mesh

__all__ = ["SPEC", "GeometryContract", "box", "turned"]

SPEC = GeometrySpec(half_extent_nm=1000.0, size_px=200)
"""10 nm are a pixel."""
CENTER = (2_000_000.0, 1_500_000.0, 300_000.0)
"""Far from the origin, where float32 no longer resolves a nm."""


def box(lower: PointNm, upper: PointNm) -> Surface:
    """Return a box given relative to the centre of the site."""
    low = tuple(v + c for v, c in zip(lower, CENTER, strict=True))
    high = tuple(v + c for v, c in zip(upper, CENTER, strict=True))
    mesh = box_mesh((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    return to_surface(prepare(mesh, BoxNm.around(CENTER, 1e9)), CENTER, 1e9, "#1f77b4")


def flat(corners: list[list[float]], faces: list[list[int]]) -> Surface:
    """Return faces whose normals are +z."""
    positions = np.array(corners, np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (len(positions), 1))
    return Surface(positions, normals, np.array(faces, np.int32).reshape(-1, 3), "#1f77b4")


def turned(surface: Surface, rotation: NDArray[np.float64]) -> Surface:
    """Return a surface turned around the centre."""
    return replace(
        surface,
        positions=(surface.positions @ rotation.T).astype(np.float32),
        normals=(surface.normals @ rotation.T).astype(np.float32),
    )


def span(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return first and past-the-end row and column."""
    rows, columns = np.nonzero(mask)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def view(tensor: GeometryTensor, channel: str, name: str) -> NDArray[np.float16]:
    return np.asarray(tensor.channel(channel)[tensor.spec.views.index(name)])


class GeometryContract:
    """Subclasses give a backend."""

    @pytest.fixture
    def backend(self) -> GeometryBackend:
        raise pytest.UsageError("a subclass gives the backend")

    # Box from (100, 200, 300) to (400, 700, 900) nm; the centre is between pixels 99 and 100.
    # top: x right, y up; side: x right, z up; front: -y right, z up.
    @pytest.mark.parametrize(
        ("name", "expected", "depth", "filled"),
        [
            ("top", (30, 80, 110, 140), 0.9, 30 * 50),
            ("side", (10, 70, 110, 140), -0.2, 30 * 60),
            ("front", (10, 70, 30, 80), -0.1, 50 * 60),
        ],
    )
    def test_directions_scale_depth_and_normals(
        self,
        backend: GeometryBackend,
        name: str,
        expected: tuple[int, int, int, int],
        depth: float,
        filled: int,
    ) -> None:
        tensor = backend.draw([box((100, 200, 300), (400, 700, 900))], SPEC, CENTER)
        seen = view(tensor, "silhouette", name) > 0
        assert span(seen) == expected
        assert seen.sum() == filled
        np.testing.assert_allclose(view(tensor, "depth", name)[seen], depth, atol=1e-3)
        for channel, value in (("normal_right", 0), ("normal_up", 0), ("normal_near", 1)):
            np.testing.assert_allclose(view(tensor, channel, name)[seen], value, atol=1e-3)
        assert tensor.center_nm == CENTER

    def test_shapes_types_and_nothing_where_nothing_is(self, backend: GeometryBackend) -> None:
        tensor = backend.draw([box((0, 0, 0), (300, 300, 300))], GeometrySpec(1000.0))
        assert tensor.data.shape == (3, 7, 224, 224)
        assert tensor.data.dtype == np.float16
        assert tensor.owner.shape == (3, 224, 224)
        assert tensor.owner.dtype == np.uint8
        assert tensor.contact is None
        empty = tensor.owner == 0
        assert empty.any()
        assert not tensor.data.swapaxes(0, 1)[:, empty].any()
        assert not tensor.channel("mask_b").any()
        np.testing.assert_array_equal(tensor.channel("mask_a"), tensor.channel("silhouette"))

    @pytest.mark.parametrize(
        ("name", "axis", "near"), [("front", 0, -1), ("side", 1, -1), ("top", 2, 1)]
    )
    @pytest.mark.parametrize("nearer", [1, 2])
    def test_the_nearer_hides_and_masks_stay_full(
        self, backend: GeometryBackend, name: str, axis: int, near: int, nearer: int
    ) -> None:
        front, back = (
            [np.full(3, -300.0), np.full(3, 300.0)],
            [np.full(3, -500.0), np.full(3, 500.0)],
        )
        front[0][axis], front[1][axis] = sorted((near * 402.0, near * 420.0))
        back[0][axis], back[1][axis] = sorted((near * 400.0, near * -900.0))
        boxes = [box((a[0], a[1], a[2]), (b[0], b[1], b[2])) for a, b in (front, back)]
        tensor = backend.draw(boxes if nearer == 1 else boxes[::-1], SPEC)
        owner = tensor.owner[SPEC.views.index(name)]
        assert (owner == nearer).sum() == 60 * 60
        assert (owner == 3 - nearer).sum() == 100 * 100 - 60 * 60
        sizes = [view(tensor, mask, name).sum(dtype=int) for mask in ("mask_a", "mask_b")]
        assert sizes == ([3600, 10_000] if nearer == 1 else [10_000, 3600])
        assert float(view(tensor, "depth", name)[100, 100]) == pytest.approx(0.42, abs=1e-3)

    def test_swapping_the_surfaces_swaps_masks_and_owners(self, backend: GeometryBackend) -> None:
        a, b = box((-500, -400, -300), (200, 300, 400)), box((-100, -200, -600), (600, 500, 350))
        one, other = backend.draw([a, b], SPEC), backend.draw([b, a], SPEC)
        np.testing.assert_array_equal(one.owner, np.array([0, 2, 1], np.uint8)[other.owner])
        np.testing.assert_array_equal(one.data[:, [0, 1, 2, 3, 4, 6, 5]], other.data)

    def test_of_one_border_the_outside_is_seen(self, backend: GeometryBackend) -> None:
        """A is cut open at the front, and its far wall is B's near wall."""
        far = replace(SPEC, crop_factor=0.5)
        a, b = box((-300, -300, -200), (300, 300, 900)), box((-300, -300, -400), (300, 300, -200))
        for pair, second in (([a, b], 2), ([b, a], 1)):
            tensor = backend.draw(pair, far)
            middle = tensor.owner[far.views.index("top")][80:120, 80:120]
            assert (middle == second).all()
            assert (view(tensor, "normal_near", "top")[80:120, 80:120] == 1).all()

    def test_nothing_beyond_the_reach_and_insides_face_the_viewer(
        self, backend: GeometryBackend
    ) -> None:
        tensor = backend.draw([box((-300, -300, -100), (300, 300, 1300))], SPEC)
        seen = view(tensor, "silhouette", "top") > 0
        assert seen.sum() == 60 * 60
        np.testing.assert_allclose(view(tensor, "depth", "top")[seen], -0.1, atol=1e-3)
        np.testing.assert_allclose(view(tensor, "normal_near", "top")[seen], 1, atol=1e-3)
        hidden = backend.draw([box((-300, -300, 1250), (300, 300, 1300))], SPEC)
        assert not view(hidden, "silhouette", "top").any()

    def test_a_face_far_larger_than_the_view_fills_it(self, backend: GeometryBackend) -> None:
        corners = [[-9e6, -9e6, 500.0], [9e6, -9e6, 500.0], [0.0, 9e6, 500.0]]
        tensor = backend.draw([flat(corners, [[0, 1, 2]])], SPEC)
        assert view(tensor, "silhouette", "top").all()
        np.testing.assert_allclose(view(tensor, "depth", "top"), 0.5, atol=2e-3)

    def test_faces_that_share_edges_leave_no_gap(self, backend: GeometryBackend) -> None:
        rng = np.random.default_rng(1)
        side = 61
        grid = np.stack(np.meshgrid(*[np.linspace(-1300, 1300, side)] * 2), -1)
        grid[1:-1, 1:-1] += rng.uniform(-15, 15, (side - 2, side - 2, 2))
        corners = np.concatenate([grid, rng.uniform(-50, 50, (side, side, 1))], -1).reshape(-1, 3)
        at = np.arange(side * side).reshape(side, side)
        a, b, c, d = at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]
        faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)]).reshape(-1, 3)
        tensor = backend.draw([flat(corners.tolist(), faces.tolist())], SPEC)
        assert view(tensor, "silhouette", "top").all()

    def test_broken_faces_are_left_out_and_the_rest_is_drawn(
        self, backend: GeometryBackend
    ) -> None:
        good = [[-300.0, -300.0, 0.0], [300.0, -300.0, 0.0], [0.0, 300.0, 0.0]]
        bad = [[np.nan, 0.0, 0.0], [0.0, np.inf, 0.0], [0.0, 0.0, np.nan], [900.0, 900.0, 0.0]]
        faces = [[0, 1, 2], [0, 1, 3], [1, 2, 4], [5, 1, 2], [6, 6, 6], [0, 6, 0]]
        alone = backend.draw([flat(good, [[0, 1, 2]])], SPEC)
        tensor = backend.draw([flat(good + bad, faces)], SPEC)
        np.testing.assert_array_equal(tensor.data, alone.data)

    def test_faces_without_vertices_and_wrong_numbers_of_surfaces_are_refused(
        self, backend: GeometryBackend
    ) -> None:
        for index in (3, -1):
            with pytest.raises(BrokenMeshError, match="does not have"):
                backend.draw([flat([[0.0, 0, 0]] * 3, [[0, 1, index]])], SPEC)
        for count in (0, 3):
            with pytest.raises(InputError, match="one surface or two"):
                backend.draw([box((0, 0, 0), (1, 1, 1))] * count, SPEC)

    def test_a_surface_without_faces_draws_nothing(self, backend: GeometryBackend) -> None:
        shown = box((-300, -300, -300), (300, 300, 300))
        alone = backend.draw([shown], SPEC)
        with_empty = backend.draw([shown, flat([], [])], SPEC)
        np.testing.assert_array_equal(with_empty.data, alone.data)
        first_empty = backend.draw([flat([], []), shown], SPEC)
        np.testing.assert_array_equal(first_empty.owner, 2 * alone.owner)

    def test_contacts_are_shown_through_what_hides_them(self, backend: GeometryBackend) -> None:
        a, b = box((-500, -300, -500), (-50, 300, 500)), box((50, -100, -200), (500, 100, 200))
        near = backend.draw([a, b], replace(SPEC, contact_nm=120.0))
        assert near.contact is not None
        front = near.contact[SPEC.views.index("front")] > 0
        rows = np.subtract(span(front), (80, 120, 90, 110))
        # Within 120 nm of a wall 100 nm away: up to 66 nm beyond its rim.
        assert (np.abs(rows) <= 8).all()
        assert front[81:119, 91:109].all()
        top = near.contact[SPEC.views.index("top")] > 0
        assert not top[:, :88].any()
        assert not top[:, 112:].any()
        far = backend.draw([a, b], replace(SPEC, contact_nm=80.0))
        assert far.contact is not None
        assert not far.contact.any()
        np.testing.assert_array_equal(far.data, near.data)

    def test_turning_the_scene_and_the_cameras_changes_nothing(
        self, backend: GeometryBackend
    ) -> None:
        # 120 degrees around (1, 1, 1) carry x to y, y to z and z to x exactly.
        spec = replace(SPEC, turn=(0.5, 0.5, 0.5, 0.5))
        rotation = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float64)
        a, b = box((-500, -400, -300), (200, 300, 400)), box((-100, -200, -600), (600, 500, 350))
        still = backend.draw([a, b], SPEC)
        moved = backend.draw([turned(a, rotation), turned(b, rotation)], spec)
        np.testing.assert_array_equal(moved.owner, still.owner)
        np.testing.assert_allclose(moved.data, still.data, atol=1e-3)

    def test_threads_share_a_backend(self, backend: GeometryBackend) -> None:
        boxes = [box((-500, -400, -300), (200, 300, 400)), box((-100, -200, -600), (90, 50, 350))]
        expected = [backend.draw([one], SPEC).data for one in boxes]
        wrong: list[int] = []

        def work(number: int) -> None:
            for _ in range(5):
                if not np.array_equal(backend.draw([boxes[number]], SPEC).data, expected[number]):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []

    def test_real_neighbours_hide_each_other_as_rays_say(self, backend: GeometryBackend) -> None:
        """On 40 pairs, where both silhouettes overlap."""
        spec = GeometrySpec(HALF_EXTENT_NM)
        same = overlap = 0
        for pair in real_pairs():
            owner, both = cast_owner(pair, spec)
            same += int((backend.draw(pair, spec).owner == owner)[both].sum())
            overlap += int(both.sum())
        assert overlap > 50_000
        assert same / overlap >= 0.99
