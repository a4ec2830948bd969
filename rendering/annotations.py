"""Marks on a picture: a cross-hair, a scale bar, the axes of the volume, a frame.

All of them grow with the picture. Only a picture of a known scale gets a bar, whose
length is a round number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from connectome.space import PointNm

__all__ = ["Axes", "decorate", "framed", "length_label", "scale_bar_nm"]

RGB = NDArray[np.uint8]
Color = tuple[int, int, int]
Point = tuple[float, float]
Axes = tuple[PointNm, PointNm, PointNm]
"""Unit vectors (x, y, z) to the right, downwards and into the picture."""

_INKS: dict[bool, tuple[Color, Color]] = {
    True: ((255, 255, 255), (0, 0, 0)),
    False: ((40, 40, 40), (255, 255, 255)),
}
"""Ink and halo on a dark and on a light ground."""
_OVERSAMPLING = 4
_LEAST_FOR_AXES_PX = 128
_FACING = 0.3
"""An axis of which less than this lies in the plane of the picture is a ring."""


def decorate(picture: RGB, nm_per_px: float, *, dark_ground: bool, axes: Axes | None = None) -> RGB:
    """Return a copy with a cross-hair around the centre, a scale bar, and the axes.

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3), uint8
    nm_per_px : float
        Edge length of a pixel in nm.
    dark_ground : bool
        Whether the marks have to be light (EM) or dark (views on white).
    axes : Axes or None
        How the picture lies in the volume; None draws no axes, nor does a picture too
        small for them.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    ink, halo = _INKS[dark_ground]
    _cross_hair(draw, image.size, ink, halo)
    _scale_bar(draw, image.size, nm_per_px, ink, halo)
    if axes is not None and min(image.size) >= _LEAST_FOR_AXES_PX:
        patch = _axes_patch(min(image.size), axes, dark_ground)
        image.paste(patch, (0, image.size[1] - patch.size[1]), patch)
    return np.array(image, np.uint8)


def framed(picture: RGB, low: Point, high: Point, *, dark_ground: bool = False) -> RGB:
    """Return a copy with a frame from one corner (column, row) to the other.

    A frame too small to be seen is drawn larger, around the same middle.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    ink, halo = _INKS[dark_ground]
    thick = max(min(image.size) // 128, 1)
    least = max(min(image.size) / 24, 5.0)
    spans = []
    for a, b in zip(low, high, strict=True):
        middle, half = (a + b) / 2, max(b - a, least) / 2
        spans.append((round(middle - half), round(middle + half) - 1))
    (x0, x1), (y0, y1) = spans
    draw.rectangle((x0 - thick, y0 - thick, x1 + thick, y1 + thick), outline=halo, width=3 * thick)
    draw.rectangle((x0, y0, x1, y1), outline=ink, width=thick)
    return np.array(image, np.uint8)


def scale_bar_nm(width_nm: float) -> float:
    """Return the longest of 1, 2, 5 times a power of ten within 30 % of the width, in nm."""
    limit = 0.3 * width_nm
    power = 10.0 ** np.floor(np.log10(limit))
    return float(max(step * power for step in (1, 2, 5) if step * power <= limit))


def length_label(length_nm: float) -> str:
    """Return a length in nm, in µm from 1000 nm on, or in mm from 1000 µm on."""
    if length_nm >= 1e6:
        return f"{length_nm / 1e6:g} mm"
    return f"{length_nm / 1000:g} µm" if length_nm >= 1000 else f"{length_nm:g} nm"


def _cross_hair(draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: Color, halo: Color) -> None:
    """Draw four short strokes that point at the centre and leave it free."""
    width, height = size
    unit = min(size)
    gap, length = max(unit // 18, 4), max(unit // 26, 4)
    extra = max(unit // 512, 1) - 1
    # The centre lies between two pixels where the size is even: strokes two wide meet it.
    left, top = (width - 1) // 2 - extra, (height - 1) // 2 - extra
    right, bottom = width // 2 + extra, height // 2 + extra
    strokes = (
        (left - gap - length, top, left - gap, bottom),
        (right + gap, top, right + gap + length, bottom),
        (left, top - gap - length, right, top - gap),
        (left, bottom + gap, right, bottom + gap + length),
    )
    for x0, y0, x1, y1 in strokes:
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), fill=halo)
        draw.rectangle((x0, y0, x1, y1), fill=ink)


def _scale_bar(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], nm_per_px: float, ink: Color, halo: Color
) -> None:
    width, height = size
    length_nm = scale_bar_nm(width * nm_per_px)
    length = round(length_nm / nm_per_px)
    margin, thick = max(width // 32, 4), max(height // 96, 2)
    x1, y1 = width - margin, height - margin
    box = (x1 - length, y1 - thick, x1 - 1, y1 - 1)
    draw.rectangle((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), fill=halo)
    draw.rectangle(box, fill=ink)
    middle = (x1 - length / 2, float(y1 - thick - 3))
    _write_length(draw, middle, length_label(length_nm), _letter_px(min(size)), ink, halo)


def _write_length(
    draw: ImageDraw.ImageDraw, at: Point, text: str, letter: int, ink: Color, halo: Color
) -> None:
    """Write a length above a point; PIL's own font has no µ, but a u is most of one."""
    font = _font(letter)
    plain = text.replace("µ", "u")
    left, base = at[0] - draw.textlength(plain, font=font) / 2, at[1] - 0.24 * letter
    stroke = max(letter // 12, 1)
    stem = round(left + draw.textlength(plain.partition("u")[0], font=font) + 0.1 * letter)
    thick = max(round(0.08 * letter), 1)
    tail = (stem, base - 0.2 * letter, stem + thick - 1, base + 0.2 * letter)
    grown = (tail[0] - stroke, tail[1], tail[2] + stroke, tail[3] + stroke)
    if "µ" in text:
        draw.rectangle(grown, fill=halo)
    draw.text(
        (left, base), plain, anchor="ls", font=font, fill=ink,
        stroke_width=stroke, stroke_fill=halo,
    )  # fmt: skip
    if "µ" in text:
        draw.rectangle(tail, fill=ink)


@lru_cache(maxsize=64)
def _axes_patch(size: int, axes: Axes, dark_ground: bool) -> Image.Image:
    """Return the axes on a transparent ground, for the lower left corner.

    It is drawn larger and brought down, since PIL draws slanted lines in steps.
    """
    many = _OVERSAMPLING
    edge = max(round(0.28 * size), 64)
    arm = many * edge * 0.48
    letter = many * _letter_px(size)
    shaft = arm - 1.25 * letter
    origin = (many * edge * 0.5, many * edge * 0.5)
    image = Image.new("RGBA", (many * edge, many * edge))
    draw = ImageDraw.Draw(image)
    ink, halo = _INKS[dark_ground]
    thick = many * max(size / 200, 1.4)
    points = _projected(axes)
    # The halo of one must not cut through the ink of another.
    for color, width in ((halo, thick + 2 * many), (ink, thick)):
        for _, (dx, dy, _) in _in_plane(points):
            _arrow(draw, origin, (dx * shaft, dy * shaft), width, color, thick)
        for _, (_, _, depth) in _facing(points):
            _ring(draw, origin, depth > 0, width, color, thick)
    for name, place in _letters(points, origin, arm - letter / 2, letter):
        draw.text(
            place, name, anchor="mm", font=_font(letter), fill=ink,
            stroke_width=many, stroke_fill=halo,
        )  # fmt: skip
    return image.resize((edge, edge), Image.Resampling.BOX)


Projected = list[tuple[str, tuple[float, float, float]]]


def _projected(axes: Axes) -> Projected:
    """Return the volume's axes as the picture shows them: right, down and inwards."""
    right, down, into = axes
    return [(name, (right[i], down[i], into[i])) for i, name in enumerate("xyz")]


def _in_plane(points: Projected) -> Projected:
    return [p for p in points if math.hypot(p[1][0], p[1][1]) >= _FACING]


def _facing(points: Projected) -> Projected:
    return [p for p in points if math.hypot(p[1][0], p[1][1]) < _FACING]


def _letters(
    points: Projected, origin: Point, reach: float, letter: float
) -> list[tuple[str, Point]]:
    """Return names and their places: at the tips, or opposite to the other axes."""
    seen = _in_plane(points)
    places = []
    for name, (dx, dy, _) in seen:
        length = math.hypot(dx, dy)
        far = reach * length + 0.35 * letter * (1 - length)
        places.append((name, (origin[0] + dx / length * far, origin[1] + dy / length * far)))
    sx, sy = sum(d[0] for _, d in seen), sum(d[1] for _, d in seen)
    length = math.hypot(sx, sy) or 1.0
    for name, _ in _facing(points):
        away = (origin[0] - sx / length * letter, origin[1] - sy / length * letter)
        places.append((name, away))
    return places


def _arrow(
    draw: ImageDraw.ImageDraw, start: Point, along: Point, width: float, color: Color, unit: float
) -> None:
    length = math.hypot(*along)
    dx, dy = along[0] / length, along[1] / length
    grow = (width - unit) / 2
    tip = (start[0] + along[0] + dx * grow, start[1] + along[1] + dy * grow)
    head = min(4.5 * unit, 0.6 * length) + 2 * grow
    neck = (tip[0] - dx * head, tip[1] - dy * head)
    half = 1.7 * unit + 1.5 * grow
    draw.line((start, neck), fill=color, width=round(width))
    left = (neck[0] - dy * half, neck[1] + dx * half)
    right = (neck[0] + dy * half, neck[1] - dx * half)
    draw.polygon((tip, left, right), fill=color)


def _ring(
    draw: ImageDraw.ImageDraw, at: Point, inwards: bool, width: float, color: Color, unit: float
) -> None:
    """Draw an arrow seen from its feathers (a cross) or from its tip (a dot)."""
    grow, radius = (width - unit) / 2, 3.0 * unit
    _disc(draw, at, radius + grow, color)
    if grow:
        return
    _disc(draw, at, radius - unit * 0.8, _INKS[color == _INKS[True][0]][1])
    if not inwards:
        _disc(draw, at, 1.1 * unit, color)
        return
    arm = (radius - unit * 0.5) * math.sqrt(0.5)
    for sign in (1, -1):
        ends = ((at[0] - arm, at[1] - sign * arm), (at[0] + arm, at[1] + sign * arm))
        draw.line(ends, fill=color, width=round(0.8 * unit))


def _disc(draw: ImageDraw.ImageDraw, at: Point, radius: float, color: Sequence[int]) -> None:
    x, y = at
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(color))


def _letter_px(size: int) -> int:
    return max(size // 20, 11)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
