"""Pages of sites: pixels of the pictures themselves, and reasons in place of absent ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageFont

from rendering.picture import Picture, PictureState, failed_picture
from rendering.sheet import TILE_PX, SheetRow, draw_page, wrapped

COLUMNS = ("front\n2,500 nm wide", "xy\n1,400 nm wide")


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (TILE_PX, TILE_PX, 3), np.uint8)


def row(*pictures: Picture, probability: float | None = 0.5, answer: str = "") -> SheetRow:
    where = ("1,405  2,075  1,235 nm", "touching")
    return SheetRow(
        "ae6a4701fb77acfa", "endpoint", 2**60 + 1, 7, probability, answer, where, pictures
    )


def holds(page: NDArray[np.uint8], picture: NDArray[np.uint8]) -> bool:
    """Tell whether a picture stands somewhere on the page, pixel for pixel."""
    starts = np.argwhere((page == picture[0, 0]).all(axis=2))
    height, width = picture.shape[:2]
    return any(np.array_equal(page[y : y + height, x : x + width], picture) for y, x in starts)


def test_pictures_stand_on_the_page_pixel_for_pixel() -> None:
    one, two = noise(1), noise(2)
    page = draw_page("title", COLUMNS, [row(Picture(one, "front", 1.0), Picture(two, "xy", 1.0))])
    assert holds(page, one)
    assert holds(page, two)
    assert not holds(page, noise(3))


def test_a_page_fits_a_screen_in_width_and_grows_with_its_rows() -> None:
    pictures = tuple(Picture(noise(n), "x", 1.0) for n in range(7))
    columns = ["name\nwidth"] * 7
    one = draw_page("title", columns, [row(*pictures)])
    three = draw_page("title", columns, [row(*pictures)] * 3)
    assert one.shape[1] <= 1920
    assert three.shape[1] == one.shape[1]
    assert three.shape[0] - one.shape[0] >= 2 * TILE_PX


def test_what_is_absent_is_a_white_frame_with_the_reason() -> None:
    failed = failed_picture("front", 1.0, PictureState.STALE, "It was replaced by an edit.")
    there = Picture(noise(1), "xy", 1.0)
    page = draw_page("title", COLUMNS, [row(failed, there)])
    other = failed_picture("front", 1.0, PictureState.STALE, "Quite another reason stands here.")
    assert not np.array_equal(page, draw_page("title", COLUMNS, [row(other, there)]))
    y, x = (int(v) for v in np.argwhere((page == there.rgb[0, 0]).all(axis=2))[0])  # type: ignore[index]
    frame = page[y : y + TILE_PX, x - TILE_PX - 8 : x - 8]
    white = (frame == 255).all(axis=2).mean()
    assert 0.7 < white < 0.99


def test_a_picture_with_a_gap_says_so_above_its_pixels() -> None:
    whole = noise(1)
    partial = Picture(whole, "front", 1.0, PictureState.PARTIAL, "A piece is missing.")
    with_gap = draw_page("title", COLUMNS[:1], [row(partial)])
    assert not holds(with_gap, whole)
    assert holds(with_gap, whole[21:])


@pytest.mark.parametrize(
    "changed",
    [{"probability": None}, {"probability": 0.6}, {"answer": "accept"}, {"answer": "reject"}],
)
def test_probability_and_answer_can_be_seen(changed: dict[str, float | None]) -> None:
    picture = Picture(noise(1), "xy", 1.0)
    before = draw_page("title", COLUMNS[:1], [row(picture)])
    after = draw_page("title", COLUMNS[:1], [row(picture, **changed)])  # type: ignore[arg-type]
    assert before.shape == after.shape
    assert (before != after).any()


def test_text_is_broken_between_words_and_long_words_anywhere() -> None:
    font = ImageFont.load_default(13)
    text = "A segment was replaced by an edit. " + "x" * 200
    lines = wrapped(text, font, 120)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(font.getlength(line) <= 120 for line in lines)
    assert lines[0].startswith("A segment")
