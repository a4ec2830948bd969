"""Three views and three slices of a site, as the judge saw them; a click enlarges one."""

from __future__ import annotations

from collections.abc import Mapping

from PyQt6.QtCore import QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
)
from PyQt6.QtWidgets import QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from app.ui.overlay import Overlay
from app.ui.ports import PictureLike
from app.ui.theme import GRID, theme, ui_font
from app.ui.widgets import label

__all__ = ["EnlargedPicture", "PictureGrid", "PictureTile", "to_pixmap"]

_COLUMNS = 3
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

    def __init__(self) -> None:
        super().__init__()
        self.picture: PictureLike | None = None
        self._pixmap: QPixmap | None = None
        self._sentence = ""
        self.setMinimumSize(_LEAST, _LEAST)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_picture(self, picture: PictureLike) -> None:
        """Show a picture; converts pixels only when they are others."""
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
            self._paint_sentence(painter)
        else:
            painter.drawPixmap(square, self._pixmap, QRectF(self._pixmap.rect()))
        if self.picture is not None:
            _paint_caption(painter, square, self.picture.caption)
        painter.end()

    def _paint_sentence(self, painter: QPainter) -> None:
        painter.fillRect(self.rect(), QColor(theme().ground))
        painter.setPen(QColor(theme().faint))
        painter.setFont(ui_font())
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.rect().adjusted(GRID, GRID, -GRID, -GRID), flags, self._sentence)


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
    """Two rows of three squares: views above, slices below."""

    enlarge = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.tiles = [PictureTile() for _ in range(2 * _COLUMNS)]
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(_GAP)
        for number, tile in enumerate(self.tiles):
            grid.addWidget(tile, number // _COLUMNS, number % _COLUMNS)
            tile.clicked.connect(lambda t=tile: self.enlarge.emit(t.picture))

    def show_pictures(
        self, views: Mapping[str, PictureLike], slices: Mapping[str, PictureLike]
    ) -> None:
        """Show what there is; a view that was not made leaves its place empty."""
        for row, pictures in enumerate((views, slices)):
            for column, tile in enumerate(self.tiles[row * _COLUMNS : (row + 1) * _COLUMNS]):
                chosen = list(pictures.values())[column : column + 1]
                if chosen:
                    tile.show_picture(chosen[0])
                else:
                    tile.show_sentence("")

    def show_sentence(self, text: str) -> None:
        """Empty every place and say why in the first row's middle."""
        for number, tile in enumerate(self.tiles):
            tile.show_sentence(text if number == 1 else "")

    def resizeEvent(self, a0: QResizeEvent | None) -> None:  # noqa: N802
        """Never be higher than two rows of squares."""
        super().resizeEvent(a0)
        side = (self.width() - (_COLUMNS - 1) * _GAP) / _COLUMNS
        self.setMaximumHeight(max(2 * _LEAST + _GAP, round(2 * side + _GAP)))


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
        shown: PictureLike = picture  # type: ignore[assignment]  # has rgb: a grid's tile sent it
        side = min(parent.width(), parent.height()) - 14 * GRID
        self.tile.setFixedSize(side, side)
        self.tile.show_picture(shown)
        width_nm = shown.nm_per_px * rgb.shape[1]
        self._scale.setText(f"{shown.caption} · {width_nm:,.0f} nm across · Esc closes")
        self.open()
