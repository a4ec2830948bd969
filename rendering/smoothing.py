"""Stair-steps along edges softened on the processor, after a picture was read back.

The same idea as the renderer's own FXAA (Lottes, "FXAA", NVIDIA 2009: blend along the
direction in which brightness does not change), at a tenth of its time where the
graphics adapter is itself a program on the processor. Import it lazily: it needs numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rendering.geometry.compiling import compiled

__all__ = ["smoothed"]

RGB = NDArray[np.uint8]


def smoothed(picture: RGB) -> RGB:
    """Return the picture (height, width, 3) with soft edges; flat parts stay as they are."""
    result = np.array(picture, np.uint8, order="C")
    _smooth(np.ascontiguousarray(picture, np.uint8), result)
    return result


@compiled
def _brightness(picture: RGB) -> NDArray[np.float32]:
    """Return how bright pixels are, with a rim of copies around, shape (h + 2, w + 2)."""
    height, width = picture.shape[0], picture.shape[1]
    luma = np.empty((height + 2, width + 2), np.float32)
    for row in range(height + 2):
        r = min(max(row - 1, 0), height - 1)
        for column in range(width + 2):
            c = min(max(column - 1, 0), width - 1)
            luma[row, column] = (
                0.3 * picture[r, c, 0] + 0.59 * picture[r, c, 1] + 0.11 * picture[r, c, 2]
            )
    return luma


@compiled
def _sample(picture: RGB, row: float, column: float, channel: int) -> float:
    """Return a channel between pixels, bilinearly."""
    height, width = picture.shape[0], picture.shape[1]
    row = min(max(row, 0.0), height - 1.0)
    column = min(max(column, 0.0), width - 1.0)
    r0, c0 = int(row), int(column)
    r1, c1 = min(r0 + 1, height - 1), min(c0 + 1, width - 1)
    fr, fc = row - r0, column - c0
    above = picture[r0, c0, channel] * (1 - fc) + picture[r0, c1, channel] * fc
    below = picture[r1, c0, channel] * (1 - fc) + picture[r1, c1, channel] * fc
    return float(above * (1 - fr) + below * fr)


@compiled
def _smooth(picture: RGB, out: RGB) -> None:
    height, width = picture.shape[0], picture.shape[1]
    luma = _brightness(picture)
    near, far = np.empty(3), np.empty(3)
    for row in range(height):
        for column in range(width):
            here = luma[row + 1, column + 1]
            nw, ne = luma[row, column], luma[row, column + 2]
            sw, se = luma[row + 2, column], luma[row + 2, column + 2]
            least = min(here, nw, ne, sw, se)
            most = max(here, nw, ne, sw, se)
            if most - least < max(10.0, 0.1 * most):
                continue
            dx, dy = (sw + se) - (nw + ne), (nw + sw) - (ne + se)
            grow = 1.0 / (min(abs(dx), abs(dy)) + max((nw + ne + sw + se) / 32.0, 2.0))
            dx = min(max(dx * grow, -6.0), 6.0)
            dy = min(max(dy * grow, -6.0), 6.0)
            for k in range(3):
                near[k] = 0.5 * (
                    _sample(picture, row + dy / 6, column + dx / 6, k)
                    + _sample(picture, row - dy / 6, column - dx / 6, k)
                )
                far[k] = 0.5 * near[k] + 0.25 * (
                    _sample(picture, row + dy / 2, column + dx / 2, k)
                    + _sample(picture, row - dy / 2, column - dx / 2, k)
                )
            bright = 0.3 * far[0] + 0.59 * far[1] + 0.11 * far[2]
            # The far samples have left the edge where they are brighter or darker than it.
            use_far = least <= bright <= most
            for k in range(3):
                out[row, column, k] = int((far[k] if use_far else near[k]) + 0.5)
