"""Views: direction, scale, colour, and who hides whom."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import GraphicsError
from connectome.space import BoxNm, PointNm
from rendering import octarine_stage
from rendering.camera import CameraSpec
from rendering.octarine_stage import Stage
from rendering.octarine_views import OctarineViews, octarine_views
from rendering.spec import COLOR_A, COLOR_B, RenderSpec
from rendering.surfaces import Surface, prepare, to_surface
from tests.unit.rendering.shapes import box_mesh

pytestmark = pytest.mark.render

SPEC = RenderSpec(half_extent_nm=1000.0, size_px=200, antialias="none")
CENTER = (2_000_000.0, 1_500_000.0, 300_000.0)
"""Far from the origin, where float32 no longer resolves a nm."""


def box(lower: PointNm, upper: PointNm, color: str) -> Surface:
    """Return a box given relative to the centre of the site."""
    low = (lower[0] + CENTER[0], lower[1] + CENTER[1], lower[2] + CENTER[2])
    high = (upper[0] + CENTER[0], upper[1] + CENTER[1], upper[2] + CENTER[2])
    everything = BoxNm.around(CENTER, 1e6)
    return to_surface(prepare(box_mesh(low, high), everything), CENTER, 1200.0, color)


def drawn(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return what is not the white ground."""
    return np.asarray((picture < 250).any(axis=-1))


def bluish(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(drawn(picture) & (picture[..., 2] > picture[..., 0]))


def orangeish(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray(drawn(picture) & (picture[..., 0] > picture[..., 2]))


def span(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return first and past-the-end row and column."""
    rows, columns = np.nonzero(mask)
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


# A box from (100, 200, 300) to (400, 700, 900) nm: 10 nm are a pixel, the centre is 100.
# top: x right, y up; side: x right, z up; front: -y right, z up.
@pytest.mark.parametrize(
    ("view", "expected"),
    [("top", (30, 80, 110, 140)), ("side", (10, 70, 110, 140)), ("front", (10, 70, 30, 80))],
)
def test_directions_and_scale(view: str, expected: tuple[int, int, int, int]) -> None:
    pictures = octarine_views().draw([box((100, 200, 300), (400, 700, 900), COLOR_A)], SPEC)
    found = span(drawn(pictures[view]))
    assert np.abs(np.subtract(found, expected)).max() <= 1


@pytest.mark.parametrize(
    ("view", "axis", "near"), [("front", 0, -1), ("side", 1, -1), ("top", 2, 1)]
)
def test_what_is_nearer_hides_what_is_farther(view: str, axis: int, near: int) -> None:
    low, high = np.full(3, -300.0), np.full(3, 300.0)
    front_low, front_high = low.copy(), high.copy()
    front_low[axis], front_high[axis] = sorted((near * 400.0, near * 420.0))
    back_low, back_high = low.copy(), high.copy()
    back_low[axis], back_high[axis] = sorted((near * 380.0, near * -900.0))
    for front_color, back_color in ((COLOR_A, COLOR_B), (COLOR_B, COLOR_A)):
        nearer = box(tuple(front_low), tuple(front_high), front_color)
        farther = box(tuple(back_low), tuple(back_high), back_color)
        for order in ([nearer, farther], [farther, nearer]):
            picture = octarine_views().draw(order, SPEC)[view]
            seen, hidden = (bluish, orangeish) if front_color == COLOR_A else (orangeish, bluish)
            assert seen(picture).sum() == pytest.approx(60 * 60, rel=0.05)
            assert hidden(picture).sum() <= 130


def test_colours_are_those_of_the_spec() -> None:
    a = box((-900, -500, -100), (-100, 500, 100), COLOR_A)
    b = box((100, -500, -100), (900, 500, 100), COLOR_B)
    picture = octarine_views().draw([a, b], SPEC)["top"]
    assert picture[5, 100].tolist() == [255, 255, 255]
    np.testing.assert_allclose(picture[100, 50], [0x1F, 0x77, 0xB4], atol=25)
    np.testing.assert_allclose(picture[100, 150], [0xFF, 0x7F, 0x0E], atol=25)


def test_nothing_remains_of_the_site_before() -> None:
    octarine_views().draw([box((-900, -900, -100), (900, 900, 100), COLOR_A)], SPEC)
    other = replace(SPEC, size_px=128, half_extent_nm=500.0)
    picture = octarine_views().draw([box((0, 0, 0), (250, 250, 250), COLOR_B)], other)["top"]
    assert picture.shape == (128, 128, 3)
    assert not bluish(picture).any()
    assert orangeish(picture).sum() == pytest.approx(32 * 32, rel=0.08)


def test_the_same_site_gives_the_same_picture() -> None:
    surfaces = [box((-400, -200, -100), (300, 500, 100), COLOR_A)]
    first = octarine_views().draw(surfaces, SPEC)
    octarine_views().draw([box((0, 0, 0), (250, 250, 250), COLOR_B)], SPEC)
    again = octarine_views().draw(surfaces, SPEC)
    for name, picture in first.items():
        np.testing.assert_array_equal(picture, again[name])


def test_a_surface_without_faces_draws_nothing() -> None:
    far = box((5000, 5000, 5000), (5100, 5100, 5100), COLOR_A)
    assert far.empty
    pictures = octarine_views().draw([far], SPEC)
    assert all((picture == 255).all() for picture in pictures.values())


def test_threads_wait_for_each_other() -> None:
    one = [box((100, 100, 100), (600, 600, 600), COLOR_A)]
    two = [box((-600, -600, -600), (-100, -100, -100), COLOR_B)]
    wrong: list[str] = []

    def work(surfaces: list[Surface], absent: str) -> None:
        for _ in range(5):
            picture = octarine_views().draw(surfaces, SPEC)["top"]
            found = bluish(picture) if absent == "blue" else orangeish(picture)
            if found.any():
                wrong.append(absent)

    threads = [
        threading.Thread(target=work, args=(one, "orange")),
        threading.Thread(target=work, args=(two, "blue")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_a_neighbour_in_front_is_translucent_and_behind_is_hidden() -> None:
    body = box((-300, -300, -100), (300, 300, 100), COLOR_A)
    above = box((0, -600, 200), (600, 600, 300), "#9a9a9a")
    bare = octarine_views().draw([body], SPEC)["top"].astype(int)
    for neighbour in (above, box((0, -600, -300), (600, 600, -200), "#9a9a9a")):
        picture = octarine_views().draw([body], SPEC, [neighbour])["top"].astype(int)
        solid = octarine_views().draw([body, neighbour], SPEC)["top"]
        opacity = SPEC.neighbour_opacity
        np.testing.assert_allclose(picture, bare + (solid - bare) * opacity, atol=1)
        # Beside the body it stands before the white ground, faintly.
        assert 200 < picture[100, 150].mean() < 250
        assert (picture[100, 90] == bare[100, 90]).all()
    # Over the body the one in front shows and the one behind does not.
    assert (picture[100, 115] == bare[100, 115]).all()
    over = octarine_views().draw([body], SPEC, [above])["top"]
    assert abs(int(over[100, 115, 0]) - int(bare[100, 115, 0])) > 15
    np.testing.assert_array_equal(octarine_views().draw([body], SPEC)["top"], bare)


def test_surfaces_are_placed_around_their_origin() -> None:
    surfaces = [box((100, 200, 300), (400, 700, 900), COLOR_A)]
    there = (CENTER[0] + 5.0, CENTER[1] - 10.0, CENTER[2])
    camera = CameraSpec.of_view("top", there, 1000.0)
    near = CameraSpec.of_view("top", (5.0, -10.0, 0.0), 1000.0)
    (absolute,) = octarine_views().look(surfaces, [camera], SPEC, origin_nm=CENTER)
    (relative,) = octarine_views().look(surfaces, [near], SPEC)
    np.testing.assert_array_equal(absolute, relative)


def test_looking_again_uploads_nothing() -> None:
    surfaces = [box((-400, -200, -100), (300, 500, 100), COLOR_A)]
    views = octarine_views()
    first = views.draw(surfaces, SPEC)
    assert views.times.upload_s > 0
    again = views.draw(surfaces, SPEC)
    assert views.times.upload_s == 0
    assert views.times.draw_s > 0
    assert views.times.read_s > 0
    np.testing.assert_array_equal(first["top"], again["top"])
    # The same meshes in another finish are other meshes.
    views.draw(surfaces, replace(SPEC, shininess=5.0))
    assert views.times.upload_s > 0


class BrokenError(Exception):
    """Something unforeseen."""


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
    """Let the renderer fail, inside of the canvas that swallows what is raised in it."""
    original = octarine_stage.Stage.aim
    left = [times]

    def aim(self: Stage, spec: CameraSpec, origin_nm: PointNm) -> None:
        original(self, spec, origin_nm)
        renderer = self._viewer.renderer
        render = type(renderer).render

        def fail(*args: object, **kwargs: object) -> None:
            if left[0]:
                left[0] -= 1
                raise error
            render(renderer, *args, **kwargs)

        monkeypatch.setattr(renderer, "render", fail)

    monkeypatch.setattr(Stage, "aim", aim)


ONE_VIEW = replace(SPEC, views=("top",))


def test_a_failure_while_drawing_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    views = OctarineViews()
    surfaces = [box((-400, -200, -100), (300, 500, 100), COLOR_A)]
    expected = views.draw(surfaces, ONE_VIEW)["top"]
    failing(monkeypatch, RuntimeError("device lost"), times=1)
    np.testing.assert_array_equal(views.draw(surfaces, ONE_VIEW)["top"], expected)


def test_a_lasting_failure_never_gives_the_picture_before(monkeypatch: pytest.MonkeyPatch) -> None:
    views = OctarineViews()
    views.draw([box((-400, -200, -100), (300, 500, 100), COLOR_A)], ONE_VIEW)
    with monkeypatch.context() as patch:
        failing(patch, RuntimeError("device lost"), times=9)
        with pytest.raises(GraphicsError, match="device lost"):
            views.draw([box((0, 0, 0), (250, 250, 250), COLOR_B)], ONE_VIEW)
    # And when it is over, all is well.
    picture = views.draw([box((0, 0, 0), (250, 250, 250), COLOR_B)], ONE_VIEW)["top"]
    assert orangeish(picture).any()


def test_a_mistake_of_ours_is_not_taken_for_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    views = OctarineViews()
    failing(monkeypatch, BrokenError("no"), times=9)
    with pytest.raises(BrokenError):
        views.draw([], ONE_VIEW)
