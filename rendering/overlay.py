"""Slices and views with what helps a person to read them.

EM in grey, the two segments tinted and outlined in their colours, a cross-hair that
leaves the site itself uncovered, and a scale bar. Where the volume ends there is a
dark hatch that no tissue looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rendering.em import Slices
from rendering.spec import COLOR_A, COLOR_B

__all__ = ["OverlayStyle", "decorate", "paint_slice", "scale_bar_nm"]

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class OverlayStyle:
    """How strongly things are drawn."""

    color_a: str = COLOR_A
    color_b: str = COLOR_B
    fill: float = 0.25
    absent_dark: int = 34
    absent_light: int = 44
    hatch_px: int = 8


def _rgb(color: str) -> NDArray[np.float32]:
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32)


def paint_slice(
    slices: Slices, plane: str, a: int, b: int | None, style: OverlayStyle | None = None
) -> RGB:
    """Return one slice with both segments marked, shape (size, size, 3), uint8.

    Parameters
    ----------
    plane : str
        One of ``slices.spec.planes``.
    a, b : int
        Segment ids; ``b`` may be None.
    """
    style = style or OverlayStyle()
    index = slices.spec.planes.index(plane)
    picture = np.repeat(slices.em[index][..., None], 3, axis=2).astype(np.float32)
    ids = slices.ids[index]
    for segment, color in ((a, style.color_a), (b, style.color_b)):
        if segment is None:
            continue
        mask = np.equal(ids, np.uint64(segment))
        tint = _rgb(color)
        picture[mask] += (tint - picture[mask]) * style.fill
        picture[_outline(mask)] = tint
    _hatch(picture, ~slices.present[index], style)
    return picture.round().astype(np.uint8)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of the mask that have a neighbour (of four) outside it."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return np.asarray(mask & ~inner)


def _hatch(picture: NDArray[np.float32], absent: NDArray[np.bool_], style: OverlayStyle) -> None:
    rows, columns = np.nonzero(absent)
    stripe = ((rows + columns) // (style.hatch_px // 2)) % 2 == 0
    picture[rows, columns] = np.where(stripe, style.absent_dark, style.absent_light)[:, None]


def scale_bar_nm(width_nm: float) -> float:
    """Return the longest of 1, 2, 5 times a power of ten within 30 % of the width, in nm."""
    limit = 0.3 * width_nm
    power = 10.0 ** np.floor(np.log10(limit))
    return float(max(step * power for step in (1, 2, 5) if step * power <= limit))


def decorate(picture: RGB, nm_per_px: float, *, dark_ground: bool) -> RGB:
    """Return a copy with a cross-hair around the centre and a scale bar.

    Parameters
    ----------
    dark_ground : bool
        Whether the marks have to be light (EM) or dark (views on white).
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    ink, halo = ((255, 255, 255), (0, 0, 0)) if dark_ground else ((40, 40, 40), (255, 255, 255))
    _cross_hair(draw, image.size, ink, halo)
    _scale_bar(draw, image.size, nm_per_px, ink, halo)
    return np.array(image, np.uint8)


Color = tuple[int, int, int]


def _cross_hair(draw: ImageDraw.ImageDraw, size: tuple[int, int], ink: Color, halo: Color) -> None:
    """Draw four short strokes that point at the centre and leave it free."""
    width, height = size
    unit = min(size)
    gap, length = max(unit // 18, 4), max(unit // 26, 4)
    # The centre lies between two pixels where the size is even: strokes two wide meet it.
    left, top = (width - 1) // 2, (height - 1) // 2
    right, bottom = width // 2, height // 2
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
    label = f"{length_nm / 1000:g} µm" if length_nm >= 1000 else f"{length_nm:g} nm"
    draw.text(
        (x1 - length / 2, y1 - thick - 3),
        label,
        anchor="mb",
        font=_font(max(height // 20, 10)),
        fill=ink,
        stroke_width=max(height // 256, 1),
        stroke_fill=halo,
    )


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
