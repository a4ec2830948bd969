"""The bird's-eye map: where the sites are, which are answered, and a click to go there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.services.map_raster import PLANES, SiteMap
from app.ui.overlay import Overlay
from app.ui.ports import MapPort
from app.ui.theme import GRID, scale_color, theme
from app.ui.widgets import button, label, title
from connectome.space import PointNm

__all__ = ["BirdsEye", "MapCanvas", "cell_words", "map_image"]

_STEPS = 256
_BAR = 12 * GRID
_FAINTEST = 0.55
_VISITED_WEIGHT = 0.85
_UNJUDGED = 0.5
_HINT = "A click goes to the nearest site, an open one if there is any. B or Esc closes."


@lru_cache(maxsize=1)
def _scale() -> NDArray[np.float32]:
    """Return the colours of probabilities, and of what nobody has judged at the end."""
    colors = [scale_color(step / (_STEPS - 1)) for step in range(_STEPS)] + [scale_color(None)]
    return np.array([[c.red(), c.green(), c.blue()] for c in colors], np.float32)


def map_image(seen: SiteMap) -> NDArray[np.uint8]:
    """Return a map as pixels, one for each cell, uint8 of shape (down, right, 3).

    Open cells have the colour of their most probable site, stronger the more sites there
    are; what nobody has judged steps back, what is answered fades; cells without sites are
    the ground.
    """
    t = theme()
    ground, grey = _rgb(t.ground), _rgb(t.line)
    best = np.nan_to_num(seen.best, nan=-1.0)
    step = np.where(best < 0, _STEPS, (best * (_STEPS - 1)).round()).astype(np.int64)
    open_ = _scale()[step.clip(0, _STEPS)]
    total = np.maximum(seen.total, 1)
    share = (seen.visited / total)[..., None] ** 0.5 * _VISITED_WEIGHT
    share = np.where((seen.visited == seen.total)[..., None], 1.0, share)
    color = open_ * (1 - share) + grey * share
    most = max(int(seen.total.max(initial=1)), 2)
    weight = _FAINTEST + (1 - _FAINTEST) * np.log1p(seen.total) / np.log1p(most)
    weight = np.where((best < 0) & (seen.visited < seen.total), _UNJUDGED * weight, weight)
    mixed = ground * (1 - weight[..., None]) + color * weight[..., None]
    return np.where((seen.total > 0)[..., None], mixed, ground).round().astype(np.uint8)


def cell_words(seen: SiteMap, cell: tuple[int, int] | None) -> str:
    """Return what lies in a cell, or in all of them."""
    if cell is None:
        total, visited = int(seen.total.sum()), int(seen.visited.sum())
        share = f" ({visited / total:.0%})" if total else ""
        wide = seen.shape[1] * seen.cell_nm / 1000
        return f"{total:,} sites, {visited:,} answered{share} · {wide:,.1f} µm across"
    total, visited, best = (array[cell] for array in (seen.total, seen.visited, seen.best))
    if not total:
        return "no site here"
    sites = "1 site" if total == 1 else f"{total:,} sites"
    told = f"{sites} here, {visited:,} answered ({visited / total:.0%})"
    if best >= 0:
        told += f"; the most probable open one {best:.2f}"
    return told


class Legend(QWidget):
    """What the colours of the map mean."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(2 * GRID)
        self._words = ("open: 0", "1", "not judged", "answered")
        metrics = self.fontMetrics()
        wide = sum(metrics.horizontalAdvance(word) for word in self._words)
        self.setFixedWidth(wide + _BAR + 14 * GRID)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the scale between its ends, and a swatch before each other word."""
        painter = QPainter(self)
        x = self._word(painter, 0, self._words[0])
        for step in range(_BAR):
            painter.fillRect(x + step, GRID // 2, 1, GRID, scale_color(step / (_BAR - 1)))
        x = self._word(painter, x + _BAR + GRID, self._words[1]) + GRID
        for word, color in zip(
            self._words[2:], (scale_color(None).darker(180), QColor(theme().line)), strict=True
        ):
            painter.fillRect(x, GRID // 2, GRID, GRID, color)
            x = self._word(painter, x + GRID + GRID // 2, word) + GRID
        painter.end()

    def _word(self, painter: QPainter, x: int, word: str) -> int:
        painter.setPen(QColor(theme().dim))
        wide = painter.fontMetrics().horizontalAdvance(word)
        painter.drawText(QRectF(x, 0, wide + 2, 2 * GRID), Qt.AlignmentFlag.AlignVCenter, word)
        return x + wide + GRID


class MapCanvas(QWidget):
    """Paints a map as large as it fits; tells where it is pointed at and clicked."""

    pointed = pyqtSignal(object)
    """The cell under the mouse, or None."""
    chosen = pyqtSignal(float, float)
    """A place, right and down, nm."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: SiteMap | None = None
        self._image: QImage | None = None
        self._here: PointNm | None = None
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size at which cells can be told apart."""
        return QSize(640, 480)

    def show_map(self, seen: SiteMap, here: PointNm | None) -> None:
        """Show a map and where the current site is."""
        self.seen, self._here = seen, here
        pixels = np.ascontiguousarray(map_image(seen))
        rows, columns = seen.shape
        data = pixels.tobytes()
        made = QImage(data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
        self._image = made.copy()  # `data` goes
        self.update()

    def place_of(self, cell: tuple[int, int]) -> QPointF:
        """Return the middle of a cell (down, right) in the widget."""
        frame, step = self._frame()
        return frame.topLeft() + QPointF((cell[1] + 0.5) * step, (cell[0] + 0.5) * step)

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of the cell under the mouse."""
        if a0 is not None and self.seen is not None:
            at = self._nm(a0.position())
            self.pointed.emit(None if at is None else self.seen.cell_at(*at))

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:  # noqa: N802
        """Tell of a click in the map; the card behind it stays open."""
        if a0 is None:
            return
        a0.accept()
        at = self._nm(a0.position())
        if at is not None and a0.button() is Qt.MouseButton.LeftButton:
            self.chosen.emit(*at)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the cells, a frame, and a cross at the current site."""
        if self._image is None or self.seen is None:
            return
        painter = QPainter(self)
        frame, step = self._frame()
        painter.drawImage(frame, self._image)
        painter.setPen(QPen(QColor(theme().line), 1))
        painter.drawRect(frame)
        if self._here is not None:
            _cross(painter, self._at(frame, step, self._here))
        painter.end()

    def _frame(self) -> tuple[QRectF, float]:
        """Return where the map lies, and the edge of a cell in pixels."""
        rows, columns = self.seen.shape if self.seen is not None else (1, 1)
        step = min(self.width() / columns, self.height() / rows)
        width, height = columns * step, rows * step
        left, top = (self.width() - width) / 2, (self.height() - height) / 2
        return QRectF(left, top, width, height), step

    def _nm(self, at: QPointF) -> tuple[float, float] | None:
        frame, step = self._frame()
        if self.seen is None or not frame.contains(at):
            return None
        per_px, (right, down) = self.seen.cell_nm / step, self.seen.low_nm
        return right + (at.x() - frame.x()) * per_px, down + (at.y() - frame.y()) * per_px

    def _at(self, frame: QRectF, step: float, point: PointNm) -> QPointF:
        assert self.seen is not None
        px = step / self.seen.cell_nm
        (right, down), (low, top) = self.seen.place_of(point), self.seen.low_nm
        return frame.topLeft() + QPointF((right - low) * px, (down - top) * px)


class BirdsEye(Overlay):
    """The map in a card over the window.

    Parameters
    ----------
    maps : MapPort
        Draws the map.
    here : callable
        Returns where the current site is.
    go : callable
        Goes to a site.
    """

    def __init__(
        self,
        parent: QWidget,
        maps: MapPort,
        *,
        here: Callable[[], PointNm | None],
        go: Callable[[str], None],
    ) -> None:
        super().__init__(parent)
        self._maps, self._here, self._go = maps, here, go
        self.plane = next(iter(PLANES))
        self._drawing = self._again = False
        self.canvas = MapCanvas()
        self.words = label("", "dim")
        self.planes = {
            name: button(name, partial(self.show_plane, name), kind="quiet") for name in PLANES
        }
        self.canvas.pointed.connect(self._say)
        self.canvas.chosen.connect(self._find)
        self._lay_out()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(title("MAP OF ALL SITES"))
        head.addStretch(1)
        for made in self.planes.values():
            made.setCheckable(True)
            head.addWidget(made)
        column = QVBoxLayout(self.card)
        column.setContentsMargins(2 * GRID, GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addLayout(head)
        column.addWidget(self.canvas, 1)
        foot = QHBoxLayout()
        foot.addWidget(self.words, 1)
        foot.addWidget(Legend())
        column.addLayout(foot)
        column.addWidget(label(_HINT, "faint"))

    def open(self) -> None:
        """Cover the window, and draw the map of now."""
        parent = self.parentWidget()
        if parent is not None:
            self.card.setFixedSize(parent.width() - 12 * GRID, parent.height() - 12 * GRID)
        super().open()
        self.show_plane(self.plane)

    def show_plane(self, name: str) -> None:
        """Look along another axis."""
        self.plane = name
        for plane, made in self.planes.items():
            made.setChecked(plane == name)
        self.refresh()

    def refresh(self) -> None:
        """Draw anew, if the map is open; never twice at once."""
        if not self.isVisible():
            return
        if self._drawing:
            self._again = True
            return
        self._drawing = True
        self._maps.draw(self.plane, self._drawn)

    def _drawn(self, seen: SiteMap) -> None:
        self._drawing = False
        again, self._again = self._again, False
        if seen.plane == self.plane:
            self.canvas.show_map(seen, self._here())
            self._say(None)
        if again or seen.plane != self.plane:
            self.refresh()

    def _say(self, cell: object) -> None:
        if self.canvas.seen is not None:
            at = cell if isinstance(cell, tuple) else None
            self.words.setText(cell_words(self.canvas.seen, at))

    def _find(self, right_nm: float, down_nm: float) -> None:
        if self.canvas.seen is not None:
            self._maps.find(self.canvas.seen, right_nm, down_nm, self._found)

    def _found(self, site_id: str | None) -> None:
        if site_id is not None and self.isVisible():
            self.hide()
            self._go(site_id)


def _rgb(name: str) -> NDArray[np.float32]:
    color = QColor(name)
    return np.array([color.red(), color.green(), color.blue()], np.float32)


def _cross(painter: QPainter, at: QPointF) -> None:
    for color, width in (("#000000", 4), ("#ffffff", 2)):
        painter.setPen(QPen(QColor(color), width))
        painter.drawEllipse(at, 9.0, 9.0)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(at + QPointF(6 * dx, 6 * dy), at + QPointF(14 * dx, 14 * dy))
