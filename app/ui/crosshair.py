"""The same point in every picture of a site: where it lies in each, and what a mouse points at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QLineF, QPointF, QRectF
from PyQt6.QtGui import QColor, QPainter, QPen

from app.ui.ports import PictureLike
from connectome.space import PointNm

__all__ = ["Mark", "paint_mark", "place_in", "point_at"]

_IN_PLANE_PX = 1.5
"""How far a point may lie before or behind a picture and be in it."""
_GAP, _ARM = 6, 14
_YELLOW, _EDGE = "#ffd60a", "#000000"
"""Neither A nor B, nor an error, nor what a judge looked at, and seen on white and on tissue."""
_FAINT = 170


@dataclass(frozen=True)
class Mark:
    """Where a point lies in a picture.

    Parameters
    ----------
    right, down : float
        From the middle of the picture, in parts of its half edge: inside from -1 to 1.
    in_plane : bool
        Whether it lies in the picture, not before or behind it.
    """

    right: float
    down: float
    in_plane: bool


def place_in(picture: PictureLike, point_nm: PointNm) -> Mark | None:
    """Return where a point lies in a picture; None outside of it, or where nobody knows."""
    half = _half_nm(picture)
    if picture.record is None or half is None:
        return None
    offset = np.subtract(point_nm, picture.record.center_nm)
    right, down, into = (float(np.dot(offset, axis)) for axis in picture.record.axes)
    if max(abs(right), abs(down)) > half:
        return None
    return Mark(right / half, down / half, abs(into) <= _IN_PLANE_PX * picture.nm_per_px)


def point_at(picture: PictureLike, right: float, down: float) -> PointNm | None:
    """Return the point (x, y, z) in nm that a place in a picture shows; see `Mark`."""
    half = _half_nm(picture)
    if picture.record is None or half is None:
        return None
    axes = picture.record.axes
    x, y, z = (
        c + half * (right * r + down * d)
        for c, r, d in zip(picture.record.center_nm, axes[0], axes[1], strict=True)
    )
    return (x, y, z)


def paint_mark(painter: QPainter, square: QRectF, mark: Mark) -> None:
    """Paint a cross-hair that leaves its middle free; a faint one where it is not in the plane."""
    half = square.width() / 2
    at = square.center() + QPointF(mark.right * half, mark.down * half)
    lines = [
        QLineF(at.x() + _GAP * x, at.y() + _GAP * y, at.x() + _ARM * x, at.y() + _ARM * y)
        for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1))
    ]
    line, strength = (2, 255) if mark.in_plane else (1, _FAINT)
    painter.setClipRect(square)
    for name, width in ((_EDGE, line + 2), (_YELLOW, line)):
        color = QColor(name)
        color.setAlpha(strength)
        painter.setPen(QPen(color, width))
        painter.drawLines(*lines)
    painter.setClipping(False)


def _half_nm(picture: PictureLike) -> float | None:
    return None if picture.rgb is None else picture.nm_per_px * picture.rgb.shape[1] / 2
