"""Contact sheets: many sites on a page, one row each, for a person to leaf through.

Pictures are pasted pixel for pixel, so a page is read at 100 %. A picture that could not
be made is a frame with the reason in it, never a grey tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rendering.picture import Picture
from rendering.spec import COLOR_A, COLOR_B

__all__ = ["TILE_PX", "SheetRow", "draw_page", "wrapped"]

TILE_PX = 208
"""Width and height of a picture on a page."""

_GAP, _MARGIN, _LABEL, _HEAD, _FOOT = 8, 20, 250, 74, 34
_LINE = 18
_INK, _FAINT, _RULE, _PAPER, _ALARM = "#1a1a1a", "#666666", "#d8d8d8", "#ffffff", "#b3261e"
_MOST_LINES = 9

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class SheetRow:
    """One site on a page.

    Parameters
    ----------
    site_id, kind : str
    a, b : int or None
        The two segments as they are now.
    probability : float or None
        None while no judge has looked.
    answer : str
        Empty while it is open.
    notes : tuple of str
        Further lines, such as the position.
    pictures : tuple of Picture
        In the order of the columns, each `TILE_PX` wide if it is there.
    """

    site_id: str
    kind: str
    a: int
    b: int | None
    probability: float | None
    answer: str
    notes: tuple[str, ...]
    pictures: tuple[Picture, ...]


def draw_page(
    title: str, columns: Sequence[str], rows: Sequence[SheetRow], footer: str = ""
) -> NDArray[np.uint8]:
    """Return a page, shape (height, width, 3).

    Parameters
    ----------
    columns : sequence of str
        What each column of pictures shows; a line break separates name and explanation.
    """
    step = TILE_PX + _GAP
    width = 2 * _MARGIN + _LABEL + len(columns) * step - _GAP
    height = _MARGIN + _HEAD + len(rows) * (step + _GAP) + _FOOT
    page = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(page)
    _head(draw, width, title, columns)
    for index, row in enumerate(rows):
        top = _MARGIN + _HEAD + index * (step + _GAP)
        draw.line((_MARGIN, top - _GAP, width - _MARGIN, top - _GAP), _RULE)
        _label(draw, row, top)
        for place, picture in enumerate(row.pictures):
            _tile(page, picture, _MARGIN + _LABEL + place * step, top)
    draw.text((_MARGIN, height - _FOOT + 4), footer, _FAINT, _font(13))
    return np.array(page, np.uint8)


def _head(draw: ImageDraw.ImageDraw, width: int, title: str, columns: Sequence[str]) -> None:
    draw.text((_MARGIN, _MARGIN - 6), title, _INK, _font(20))
    legend = (("A", COLOR_A), ("B", COLOR_B))
    for place, (letter, color) in enumerate(legend):
        x = width - _MARGIN - 56 * (len(legend) - place)
        draw.rectangle((x, _MARGIN - 2, x + 16, _MARGIN + 14), color)
        draw.text((x + 22, _MARGIN - 5), letter, _INK, _font(18))
    for place, column in enumerate(columns):
        name, _, rest = column.partition("\n")
        x = _MARGIN + _LABEL + place * (TILE_PX + _GAP)
        draw.text((x, _MARGIN + 24), name, _INK, _font(16))
        draw.text((x, _MARGIN + 43), rest, _FAINT, _font(13))


def _label(draw: ImageDraw.ImageDraw, row: SheetRow, top: int) -> None:
    x = _MARGIN
    draw.text((x, top), row.site_id, _INK, _font(17))
    draw.text((x, top + 22), row.kind, _FAINT, _font(15))
    _probability(draw, row.probability, x, top + 46)
    _answer(draw, row.answer, x, top + 82)
    y = top + 108
    for letter, segment, color in (("A", row.a, COLOR_A), ("B", row.b, COLOR_B)):
        if segment is not None:
            draw.rectangle((x, y + 3, x + 11, y + 14), color)
            draw.text((x + 18, y), f"{letter} {segment}", _INK, _font(14))
            y += _LINE + 2
    for note in row.notes:
        draw.text((x, y), note, _FAINT, _font(13))
        y += _LINE


def _probability(draw: ImageDraw.ImageDraw, value: float | None, x: int, y: int) -> None:
    """Draw a bar and a number: never colour alone."""
    if value is None:
        draw.text((x, y), "not judged", _FAINT, _font(15))
        return
    full = 150
    draw.rectangle((x, y + 4, x + full, y + 16), outline=_FAINT)
    draw.rectangle((x, y + 4, x + round(full * value), y + 16), fill=_INK)
    draw.text((x + full + 10, y), f"{100 * value:.1f} %", _INK, _font(16))


def _answer(draw: ImageDraw.ImageDraw, answer: str, x: int, y: int) -> None:
    """Write the answer; tick and cross are drawn because the bundled font has neither."""
    if answer == "accept":
        draw.line((x, y + 9, x + 5, y + 15, x + 14, y + 3), _INK, 3)
    elif answer == "reject":
        draw.line((x + 1, y + 3, x + 13, y + 15), _INK, 3)
        draw.line((x + 13, y + 3, x + 1, y + 15), _INK, 3)
    indent = 22 if answer in ("accept", "reject") else 0
    said, ink = (f"answer: {answer}", _INK) if answer else ("open", _FAINT)
    draw.text((x + indent, y), said, ink, _font(15))


def _tile(page: Image.Image, picture: Picture, x: int, y: int) -> None:
    if picture.rgb is not None:
        page.paste(Image.fromarray(picture.rgb), (x, y))
    draw = ImageDraw.Draw(page)
    draw.rectangle((x - 1, y - 1, x + TILE_PX, y + TILE_PX), outline=_RULE)
    if picture.rgb is not None and not picture.ready:
        draw.rectangle((x, y, x + TILE_PX - 1, y + 20), _PAPER)
        draw.text((x + 6, y + 1), picture.state.value, _ALARM, _font(15))
    if picture.rgb is None:
        draw.text((x + 10, y + 10), picture.state.value, _ALARM, _font(15))
        lines = wrapped(picture.reason, _font(13), TILE_PX - 20)
        if len(lines) > _MOST_LINES:
            lines[_MOST_LINES - 1 :] = ["…"]
        draw.multiline_text((x + 10, y + 34), "\n".join(lines), _INK, _font(13), spacing=4)


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Return the text in lines that are no wider than so many pixels.

    A word that is wider than a line is broken.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while font.getlength(line) > width:
            fits = (n for n in range(len(line), 0, -1) if font.getlength(line[:n]) <= width)
            cut = next(fits, 1)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]


@lru_cache(maxsize=8)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
