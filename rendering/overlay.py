"""Slices for a person to read.

EM in grey, the two segments tinted and outlined in their colours, all others outlined
faintly. Where the volume ends there is a dark hatch that no tissue looks like. Marks are
in `rendering.annotations`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rendering.em import Slices, other_boundaries
from rendering.spec import COLOR_A, COLOR_B

__all__ = ["OverlayStyle", "paint_slice"]

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class OverlayStyle:
    """How strongly things are drawn."""

    color_a: str = COLOR_A
    color_b: str = COLOR_B
    color_others: str = "#d8dde4"
    fill: float = 0.25
    others: float = 0.4
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
    edges = other_boundaries(ids, [segment for segment in (a, b) if segment is not None])
    picture[edges] += (_rgb(style.color_others) - picture[edges]) * style.others
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
