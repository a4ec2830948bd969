"""Three views and three slices of a site, as the judge saw them; a click enlarges one.

What the mouse points at in a slice is marked in all others, and so is where Neuroglancer looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.ui.crosshair import Mark, paint_mark, place_in, point_at
from app.ui.overlay import Overlay
from app.ui.ports import PictureLike
from app.ui.theme import GRID, theme, ui_font
from app.ui.widgets import label, shown
from connectome.space import PointNm

if TYPE_CHECKING:
    from inference.judges.saliency import SeenSaliency

__all__ = ["EnlargedPicture", "Heat", "PictureGrid", "PictureTile", "heats_of", "to_pixmap"]

_VIOLET = (176, 64, 255)
"""Neither A nor B, nor an error, nor a grey of the tissue."""
_OPAQUE = 190
_PLANES = 3
_SENDS = "A right click moves Neuroglancer here."
_GAP = GRID // 2
_LEAST = 64
_WELL_SEEN = 160
_AT_THE_SITE = 0.02
"""So near to the middle of a picture a cross-hair would only hide what is in question."""


def to_pixmap(picture: PictureLike) -> QPixmap | None:
    """Return the pixels of a picture, or None if it has none."""
    rgb = picture.rgb
    if rgb is None:
        return None
    height, width = rgb.shape[:2]
    data = rgb.tobytes()
    image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)  # Copies: `data` may go.


@dataclass(frozen=True)
class Heat:
    """Where a judge looked on one slice.

    Parameters
    ----------
    pixmap : QPixmap
        Transparent where nothing speaks for the answer.
    half_extent_nm : float
        Half the width that the judge was shown, around the middle of the picture.
    """

    pixmap: QPixmap
    half_extent_nm: float


def heats_of(saliency: SeenSaliency | None) -> dict[str, Heat]:
    """Return what to lay over each slice, by its name."""
    if saliency is None:
        return {}
    most = float(saliency.supporting.max())
    strength = np.clip(saliency.supporting / most if most > 0 else saliency.supporting * 0, 0, 1)
    found = {}
    for name, plane in zip(saliency.planes, strength, strict=True):
        rgba = np.empty((*plane.shape, 4), np.uint8)
        rgba[..., :3] = _VIOLET
        rgba[..., 3] = np.round(_OPAQUE * plane)
        height, width = plane.shape
        image = QImage(rgba.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
        found[name] = Heat(QPixmap.fromImage(image), saliency.half_extent_nm)
    return found


class PictureTile(QWidget):
    """One square picture with its caption, or a sentence why there is none."""

    clicked = pyqtSignal()
    pointed = pyqtSignal(object)
    """The point (nm) under the mouse, or None when it has left."""
    sent = pyqtSignal(object)
    """A point (nm) to which Neuroglancer is to go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_slice = False
        self.mark: Mark | None = None
        self.picture: PictureLike | None = None
        self.heat: Heat | None = None
        self._pixmap: QPixmap | None = None
        self._sentence = ""
        self.name = ""

    def show_picture(self, picture: PictureLike, name: str = "") -> None:
        """Show a picture under a short name; converts pixels only when they are others."""
        self.name = name
        self.setToolTip(f"{picture.caption}\n{_SENDS}" if self.is_slice else picture.caption)
        if self.picture is None or picture.rgb is not self.picture.rgb or picture.rgb is None:
            self._pixmap = to_pixmap(picture)
        self.picture = picture
        self._sentence = "" if self._pixmap is not None else picture.reason
        self.setAccessibleName(f"{picture.caption} {self._sentence}".strip())
        self.setCursor(
            Qt.CursorShape.PointingHandCursor if self._pixmap else Qt.CursorShape.ArrowCursor
        )
        self.update()

    def show_heat(self, heat: Heat | None) -> None:
        """Lay over the picture where a judge looked, or take it away."""
        if heat is not self.heat:
            self.heat = heat
            self.update()

    def show_sentence(self, text: str) -> None:
        """Show a sentence in the place of a picture."""
        self.picture, self._pixmap, self._sentence = None, None, text
        self.unsetCursor()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size at which a picture can be judged."""
        return QSize(_WELL_SEEN, _WELL_SEEN)

    def follow_mouse(self) -> None:
        """Tell what the mouse points at: in a slice that is one point."""
        self.is_slice = True
        self.setMouseTracking(True)

    def show_mark(self, point_nm: PointNm | None) -> None:
        """Mark where a point lies, or nothing."""
        mark = None
        if point_nm is not None and self.picture is not None:
            mark = place_in(self.picture, point_nm)
        if mark is not None and max(abs(mark.right), abs(mark.down)) < _AT_THE_SITE:
            mark = None
        if mark is not None and not self.is_slice:
            mark = replace(mark, in_plane=True)  # A view has no depth to be out of.
        if mark != self.mark:
            self.mark = mark
            self.update()

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802
        """Tell what the mouse points at."""
        if a0 is not None and self.is_slice:
            self.pointed.emit(self._point_at(a0.position()))

    def leaveEvent(self, a0: QEvent | None) -> None:  # noqa: N802, ARG002
        """Tell that the mouse points at nothing."""
        self.pointed.emit(None)

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of a click on a picture; the right button sends Neuroglancer there."""
        if a0 is None or self._pixmap is None or not self.rect().contains(a0.pos()):
            return
        if a0.button() is not Qt.MouseButton.RightButton:
            self.clicked.emit()
        elif self.is_slice and (point := self._point_at(a0.position())) is not None:
            self.sent.emit(point)

    def _point_at(self, place: QPointF) -> PointNm | None:
        square = self._square()
        away = (place - square.center()) / (square.width() / 2)
        if self.picture is None or max(abs(away.x()), abs(away.y())) > 1:
            return None
        return point_at(self.picture, away.x(), away.y())

    def _square(self) -> QRectF:
        side = min(self.width(), self.height())
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the picture as large as it fits."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        square = self._square()
        if self._pixmap is None:
            _paint_sentence(painter, self.rect(), self._sentence)
        else:
            painter.drawPixmap(square, self._pixmap, QRectF(self._pixmap.rect()))
            self._paint_heat(painter, square)
            if self.mark is not None:
                paint_mark(painter, square, self.mark)
        if self.picture is not None:
            _paint_caption(painter, square, self.name)
        painter.end()

    def _paint_heat(self, painter: QPainter, square: QRectF) -> None:
        """Paint where the judge looked, in the part of the picture that it was shown."""
        rgb = None if self.picture is None else self.picture.rgb
        if self.heat is None or self.picture is None or rgb is None:
            return
        share = 2 * self.heat.half_extent_nm / (self.picture.nm_per_px * rgb.shape[1])
        half = square.width() * min(share, 1.0) / 2
        middle = square.center()
        seen = QRectF(middle.x() - half, middle.y() - half, 2 * half, 2 * half)
        painter.drawPixmap(seen, self.heat.pixmap, QRectF(self.heat.pixmap.rect()))
        painter.setPen(QPen(QColor(*_VIOLET), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(seen)


def _paint_sentence(painter: QPainter, place: QRect, text: str) -> None:
    painter.fillRect(place, QColor(theme().ground))
    painter.setPen(QColor(theme().dim))
    painter.setFont(ui_font())
    flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
    painter.drawText(place.adjusted(GRID, GRID, -GRID, -GRID), flags, text)


def _paint_caption(painter: QPainter, square: QRectF, caption: str) -> None:
    if not caption:
        return
    painter.setFont(ui_font())
    metrics = painter.fontMetrics()
    text = metrics.elidedText(caption, Qt.TextElideMode.ElideRight, int(square.width()) - GRID)
    box = QRectF(square.x(), square.y(), metrics.horizontalAdvance(text) + GRID, 18)
    painter.fillRect(box, QColor(18, 20, 23, 200))
    painter.setPen(QColor("#e8eaed"))
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


class PictureGrid(QWidget):
    """Three views and three slices, as large as the room allows.

    In a wide place views stand above slices; in a high one they stand beside them.
    """

    enlarge = pyqtSignal(object, object)
    """A picture, and the `Heat` over it or None."""
    sent = pyqtSignal(object)
    """A point (nm) to which Neuroglancer is to go."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = ""
        self._saliency: SeenSaliency | None = None
        self.tiles = [PictureTile(self) for _ in range(2 * _PLANES)]
        for tile in self.tiles:
            tile.clicked.connect(lambda t=tile: self.enlarge.emit(t.picture, t.heat))
        self._here: PointNm | None = None
        for tile in self.tiles[_PLANES:]:
            tile.follow_mouse()
            tile.pointed.connect(lambda point, t=tile: self._mark(point or self._here, but=t))
            tile.sent.connect(self.sent)
        self.setMinimumHeight(2 * _LEAST + _GAP)

    def show_pictures(
        self, views: Mapping[str, PictureLike], slices: Mapping[str, PictureLike]
    ) -> None:
        """Show what there is; a view that was not made leaves its place empty."""
        self._say("")
        for first, pictures in ((0, views), (_PLANES, slices)):
            found = list(pictures.items())
            for place, tile in enumerate(self.tiles[first : first + _PLANES]):
                if place < len(found):
                    name, picture = found[place]
                    tile.show_picture(picture, name)
                else:
                    tile.show_sentence("")
        self._mark(self._here)

    def show_here(self, point_nm: PointNm) -> None:
        """Mark where Neuroglancer looks."""
        self._here = point_nm
        self._mark(point_nm)

    def _mark(self, point_nm: PointNm | None, *, but: PictureTile | None = None) -> None:
        """Mark a point in every picture; not under the mouse, which shows it there."""
        for tile in self.tiles:
            tile.show_mark(None if tile is but and point_nm is not self._here else point_nm)

    def show_saliency(self, saliency: SeenSaliency | None) -> None:
        """Lay over the slices where a judge looked, or take it away."""
        if saliency is self._saliency:
            return
        self._saliency = saliency
        heats = heats_of(saliency)
        for tile in self.tiles:
            tile.show_heat(heats.get(tile.name))

    def show_sentence(self, text: str) -> None:
        """Show a sentence in the place of all pictures."""
        self._say(text)

    def _say(self, text: str) -> None:
        self.sentence = text
        for tile in self.tiles:
            shown(tile, when=not text)
        self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the sentence, if there is one."""
        if self.sentence:
            painter = QPainter(self)
            _paint_sentence(painter, self.rect(), self.sentence)
            painter.end()

    def resizeEvent(self, a0: QResizeEvent | None) -> None:  # noqa: N802
        """Place the tiles."""
        super().resizeEvent(a0)
        beside = _side(self.width(), self.height(), 2, _PLANES)
        above = _side(self.width(), self.height(), _PLANES, 2)
        side, columns = (beside, 2) if beside > above else (above, _PLANES)
        left = (self.width() - columns * side - (columns - 1) * _GAP) // 2
        for number, tile in enumerate(self.tiles):
            group, plane = divmod(number, _PLANES)
            row, column = (plane, group) if columns == 2 else (group, plane)
            tile.setGeometry(left + column * (side + _GAP), row * (side + _GAP), side, side)


def _side(width: int, height: int, columns: int, rows: int) -> int:
    """Return the edge of the largest squares that fit."""
    return min((width - (columns - 1) * _GAP) // columns, (height - (rows - 1) * _GAP) // rows)


class EnlargedPicture(Overlay):
    """One picture as large as the window allows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.tile = PictureTile()
        self.tile.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._scale = label("", "dim")
        column = QVBoxLayout(self.card)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.addWidget(self.tile)
        column.addWidget(self._scale)

    def show_picture(self, picture: object, heat: Heat | None = None) -> None:
        """Open with a picture and what lies over it; anything without pixels is ignored."""
        rgb = getattr(picture, "rgb", None)
        parent = self.parentWidget()
        if rgb is None or parent is None:
            return
        chosen: PictureLike = picture  # type: ignore[assignment]  # has rgb: a grid's tile sent it
        side = min(parent.width(), parent.height()) - 14 * GRID
        self.tile.setFixedSize(side, side)
        self.tile.show_picture(chosen)
        self.tile.show_heat(heat)
        width_nm = chosen.nm_per_px * rgb.shape[1]
        self._scale.setText(f"{chosen.caption} · {width_nm:,.0f} nm across · Esc closes")
        self.open()
