"""The risk dial: how many errors the person accepts, and how much work that leaves."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import QRectF, QSize, Qt, QTimer
from PyQt6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.services.triage import TriageView
from app.ui.theme import GRID, question_font, theme, ui_font
from app.ui.widgets import label, rule, set_tone, shown, title
from proofreading.triage import STEPS, LaneCounts

__all__ = ["RiskDial", "percent"]

_SETTLED_MS = 400
_MARKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
_PAGE = 3


class RiskDial(QWidget):
    """A slider over the accepted error, and what falls in each lane there.

    Parameters
    ----------
    look : callable
        Returns the lanes at an accepted error; asked at every step, so it must be quick.
    accept : callable
        Told the accepted error once the person has come to rest on it.
    """

    def __init__(
        self, look: Callable[[float], TriageView], accept: Callable[[float], object]
    ) -> None:
        super().__init__()
        self._look = look
        self._accept = accept
        self._rate = label()
        self._rate.setFont(question_font())
        self.slider = _slider()
        self.slider.valueChanged.connect(self._moved)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_SETTLED_MS)
        self._rest.timeout.connect(self._settle)
        self.bar = LaneBar()
        self.lanes = _LaneTable()
        self.lock = _LockLine()
        self._audit = label("", "dim", wrap=True)
        self._build()

    @property
    def error_rate(self) -> float:
        """The accepted error on the dial."""
        return STEPS[self.slider.value()]

    @property
    def audit_text(self) -> str:
        """What the dial says about the audit."""
        return self._audit.text()

    def show_rate(self, error_rate: float) -> None:
        """Turn the dial to an accepted error, as the session has it, and show the lanes."""
        place = max(i for i, step in enumerate(STEPS) if step <= error_rate or i == 0)
        if not self._rest.isActive() and not self.slider.isSliderDown():
            self.slider.blockSignals(True)
            self.slider.setValue(place)
            self.slider.blockSignals(False)
        self.refresh()

    def refresh(self) -> None:
        """Show what has become of the lanes."""
        view = self._look(self.error_rate)
        self._rate.setText(percent(view.counts.error_rate))
        self.slider.setAccessibleDescription(_spoken(view))
        self.bar.show_counts(view.counts)
        self.lanes.show_counts(view.counts)
        self.lock.show_view(view)
        self._audit.setText(_audit_words(view))

    def _build(self) -> None:
        head = QHBoxLayout()
        head.addWidget(title("Accepted error"))
        head.addStretch(1)
        head.addWidget(self._rate)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addLayout(head)
        column.addWidget(self.slider)
        column.addWidget(_Marks())
        column.addSpacing(GRID)
        column.addWidget(self.bar)
        column.addWidget(self.lanes)
        column.addWidget(rule())
        column.addWidget(self.lock)
        column.addWidget(rule())
        column.addWidget(title("Random audit"))
        column.addWidget(self._audit)
        column.addStretch(1)
        self.setFocusProxy(self.slider)

    def _moved(self, _place: int) -> None:
        self.refresh()
        self._rest.start()

    def _settle(self) -> None:
        if self.slider.isSliderDown():
            self._rest.start()
            return
        self._accept(self.error_rate)
        self.refresh()


class LaneBar(QWidget):
    """The open sites as one bar of three parts; the table below it says the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: tuple[int, int, int] = (0, 0, 0)
        self.setFixedHeight(2 * GRID)

    def show_counts(self, counts: LaneCounts) -> None:
        """Show the lanes."""
        parts = (counts.automatic, counts.quick, counts.full)
        if parts != self._parts:
            self._parts = parts
            self.setAccessibleName("{} automatic, {} quick look, {} full review".format(*parts))
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the three parts."""
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        whole = sum(self._parts)
        x = 0.0
        for part, color in zip(self._parts, lane_colors(), strict=True):
            width = self.width() * part / whole if whole else 0.0
            painter.fillRect(QRectF(x, 0, max(0.0, width - 1), self.height()), QColor(color))
            x += width
        if not whole:
            painter.fillRect(self.rect(), QColor(theme().ground))
        painter.end()


class _LaneTable(QWidget):
    """A line for each lane: what it is, how many, and what may be wrong in it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, tuple[QLabel, QLabel]] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(GRID // 2)
        grid.setColumnStretch(1, 1)
        for lane, name in enumerate(("automatic", "quick look", "full review")):
            number, note = label(), label("", "dim", wrap=True)
            number.setFont(ui_font(bold=True))
            number.setAlignment(Qt.AlignmentFlag.AlignRight)
            grid.addWidget(_Swatch(lane), 2 * lane, 0)
            grid.addWidget(label(name), 2 * lane, 1)
            grid.addWidget(number, 2 * lane, 2)
            grid.addWidget(note, 2 * lane + 1, 1, 1, 2)
            self.lines[name] = (number, note)

    def show_counts(self, counts: LaneCounts) -> None:
        """Show the numbers and what they mean."""
        texts = {
            "automatic": (counts.automatic, _wrong_words(counts)),
            "quick look": (counts.quick, "a glance at the pictures is enough"),
            "full review": (counts.full, _full_words(counts)),
        }
        for name, (number, note) in texts.items():
            self.lines[name][0].setText(f"{number:,}")
            self.lines[name][1].setText(note)


class _LockLine(QWidget):
    """Whether the automatic lane may be used, and what is missing."""

    def __init__(self) -> None:
        super().__init__()
        self._state = label()
        self._state.setFont(ui_font(bold=True))
        self._why = label("", "dim", wrap=True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName("blind answers")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        for part in (self._state, self.progress, self._why):
            column.addWidget(part)

    @property
    def text(self) -> str:
        """What stands there."""
        return f"{self._state.text()} {self._why.text()}"

    def show_view(self, view: TriageView) -> None:
        """Show the lock as it is now."""
        confirmed, lock = view.confirmation, view.lock
        locked = lock is not None
        missing = lock.missing if lock is not None else 0
        self._state.setText(_lock_words(missing, locked=locked))
        set_tone(self._state, "error" if locked and not missing else "")
        shown(self.progress, when=missing > 0)
        self.progress.setRange(0, view.needed)
        self.progress.setValue(min(confirmed.blind, view.needed))
        if lock is not None:
            self._why.setText(lock.text)
        elif confirmed.expected is not None and confirmed.observed is not None:
            self._why.setText(
                f"{confirmed.blind} blind answers of yours agree with it: "
                f"{percent(confirmed.observed)} yes, {percent(confirmed.expected)} expected."
            )


class _Swatch(QWidget):
    """The colour of a lane beside its name."""

    def __init__(self, lane: int) -> None:
        super().__init__()
        self._lane = lane
        self.setFixedSize(12, 12)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(lane_colors()[self._lane]))
        painter.end()


class _Marks(QWidget):
    """The numbers under the slider; its steps are not quite even, the marks are where they are."""

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return one line."""
        return QSize(30 * GRID, 2 * GRID)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: N802, ARG002
        """Paint the numbers."""
        painter = QPainter(self)
        painter.setFont(ui_font())
        painter.setPen(QColor(theme().faint))
        inner = self.width() - 2 * GRID
        for mark in _MARKS:
            x = GRID + inner * STEPS.index(mark) / (len(STEPS) - 1)
            width = painter.fontMetrics().horizontalAdvance(percent(mark))
            left = min(max(0.0, x - width / 2), self.width() - width)
            box = QRectF(left, 0, width + 1, self.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignTop, f"{mark * 100:g}")
        painter.end()


class _KeySlider(QSlider):
    """A slider whose End and Home are what they say also from right to left, and Esc leaves."""

    def keyPressEvent(self, ev: QKeyEvent | None) -> None:  # noqa: N802
        """Give the keys back to the window on Escape."""
        if ev is not None and ev.key() == Qt.Key.Key_Escape:
            self.clearFocus()
            return
        super().keyPressEvent(ev)


def lane_colors() -> tuple[str, str, str]:
    """Return the greys of the lanes: the less a person has to do, the quieter."""
    t = theme()
    return t.line, t.faint, t.bar


def percent(share: float) -> str:
    """Return a share as per cent with as many digits as it needs."""
    return f"{share * 100:.2g} %"


def _slider() -> QSlider:
    made = _KeySlider(Qt.Orientation.Horizontal)
    made.setRange(0, len(STEPS) - 1)
    made.setSingleStep(1)
    made.setPageStep(_PAGE)
    made.setAccessibleName("accepted error")
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    made.setToolTip("Arrow keys: one step. Page up and down: three. Home and End: the ends.")
    return made


def _wrong_words(counts: LaneCounts) -> str:
    if not counts.automatic:
        return "none: the judge is nowhere sure enough for this"
    wrong, merges = counts.wrong, counts.wrong_accepted
    return (
        f"about {wrong.value:.0f} wrong ({wrong.low:,}–{wrong.high:,}); "
        f"{counts.accepted:,} yes, of which about {merges.value:.0f} "
        f"({merges.low:,}–{merges.high:,}) would be wrong edits"
    )


def _full_words(counts: LaneCounts) -> str:
    parts = []
    if counts.unjudged:
        parts.append(f"{counts.unjudged:,} without a verdict")
    if counts.unusual:
        parts.append(f"{counts.unusual:,} unlike what the judge knows")
    return ", ".join(parts) or "where the judge cannot tell"


def _lock_words(missing: int, *, locked: bool) -> str:
    if missing:
        return f"Automatic lane locked: {missing} blind answers missing"
    return "Automatic lane locked" if locked else "Automatic lane unlocked"


def _audit_words(view: TriageView) -> str:
    planned = f"{percent(view.audit_share)} of the automatic lane come to you all the same, "
    planned += f"verdict hidden: {view.counts.audited:,} to look at."
    error = view.audit.error
    if error.value is None:
        return f"{planned} None looked at yet."
    return (
        f"{planned} {error.count:,} looked at, {error.hits:,} wrong: "
        f"{percent(error.value)} ({percent(error.low)}–{percent(error.high)})."
    )


def _spoken(view: TriageView) -> str:
    counts = view.counts
    return (
        f"{percent(counts.error_rate)}: {counts.automatic} automatic, {counts.quick} quick look, "
        f"{counts.full} full review"
    )
