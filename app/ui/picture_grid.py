"""Three views and three slices of a site, as the judge saw them; a click enlarges one."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
)
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.ui.overlay import Overlay
from app.ui.ports import PictureLike
from app.ui.theme import GRID, theme, ui_font
from app.ui.widgets import label, shown

__all__ = ["EnlargedPicture", "PictureGrid", "PictureTile", "to_pixmap"]

_PLANES = 3
_GAP = GRID // 2
_LEAST = 64
_WELL_SEEN = 160


def to_pixmap(picture: PictureLike) -> QPixmap | None:
    """Return the pixels of a picture, or None if it has none."""
    rgb = picture.rgb
    if rgb is None:
        return None
    height, width = rgb.shape[:2]
    data = rgb.tobytes()
    image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)  # Copies: `data` may go.


class PictureTile(QWidget):
    """One square picture with its caption, or a sentence why there is none."""

    clicked = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture: PictureLike | None = None
        self._pixmap: QPixmap | None = None
        self._sentence = ""
        self._name = ""

    def show_picture(self, picture: PictureLike, name: str = "") -> None:
        """Show a picture under a short name; converts pixels only when they are others."""
        self._name = name
        self.setToolTip(picture.caption)
        if self.picture is None or picture.rgb is not self.picture.rgb or picture.rgb is None:
            self._pixmap = to_pixmap(picture)
        self.picture = picture
        self._sentence = "" if self._pixmap is not None else picture.reason
        self.setAccessibleName(f"{picture.caption} {self._sentence}".strip())
        self.setCursor(
            Qt.CursorShape.PointingHandCursor if self._pixmap else Qt.CursorShape.ArrowCursor
        )
        self.update()

    def show_sentence(self, text: str) -> None:
        """Show a sentence in the place of a picture."""
        self.picture, self._pixmap, self._sentence = None, None, text
        self.unsetCursor()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size at which a picture can be judged."""
        return QSize(_WELL_SEEN, _WELL_SEEN)

    def mouseReleaseEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of a click on a picture."""
        if a0 is not None and self._pixmap is not None and self.rect().contains(a0.pos()):
            self.clicked.emit()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the picture as large as it fits."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        side = min(self.width(), self.height())
        square = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        if self._pixmap is None:
            _paint_sentence(painter, self.rect(), self._sentence)
        else:
            painter.drawPixmap(square, self._pixmap, QRectF(self._pixmap.rect()))
        if self.picture is not None:
            _paint_caption(painter, square, self._name)
        painter.end()


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

    enlarge = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.sentence = ""
        self.tiles = [PictureTile(self) for _ in range(2 * _PLANES)]
        for tile in self.tiles:
            tile.clicked.connect(lambda t=tile: self.enlarge.emit(t.picture))
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

    def show_picture(self, picture: object) -> None:
        """Open with a picture; anything without pixels is ignored."""
        rgb = getattr(picture, "rgb", None)
        parent = self.parentWidget()
        if rgb is None or parent is None:
            return
        chosen: PictureLike = picture  # type: ignore[assignment]  # has rgb: a grid's tile sent it
        side = min(parent.width(), parent.height()) - 14 * GRID
        self.tile.setFixedSize(side, side)
        self.tile.show_picture(chosen)
        width_nm = chosen.nm_per_px * rgb.shape[1]
        self._scale.setText(f"{chosen.caption} · {width_nm:,.0f} nm across · Esc closes")
        self.open()
