"""Why the judge says so: folded to one word, unfolded to what is known of its reasons."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.services.why import WhyView
from app.ui.charts import Dot, Dots
from app.ui.keyed_button import KeyedButton
from app.ui.theme import GRID
from app.ui.widgets import button, label, shown
from inference.judges.saliency import SeenSaliency

__all__ = ["WhyPanel", "curve_words", "looked_words", "short_words", "strange_words"]

_CHART = 15 * GRID


def strange_words(view: WhyView) -> str:
    """Return how unlike the training a site is, and by what; empty if it is usual."""
    if view.strange is None:
        return ""
    words = f"Unusual: {view.strange.times:.1f} × as far from the training as 95 % of sites."
    blames = view.explained.unusual if view.explained is not None else ()
    if blames:
        named = ", ".join(f"{blame.words} ({blame.share * 100:.0f} %)" for blame in blames[:2])
        words += f" Mostly {named}."
    elif view.explained is not None:
        words += " None of its numbers alone accounts for it: look at the pictures."
    return words


def looked_words(view: WhyView) -> str:
    """Return what the overlay shows and what it is worth."""
    if view.waits:
        return "Finding out where the judge looked…"
    if view.explained is None:
        return ""
    saliency = view.explained.saliency
    return view.explained.message if saliency is None else _saliency_words(saliency)


def _saliency_words(saliency: SeenSaliency) -> str:
    tested = saliency.deletion
    answer = "yes" if saliency.says_yes else "no"
    return (
        f"Violet: what pushes {saliency.model_id} towards {answer} (occlusion: each place hidden "
        f"in turn). Hiding these places moves its score back by {tested.salient:.1f}, hiding as "
        f"much at random by {tested.random:.1f}."
    )


def short_words(view: WhyView) -> str:
    """Return the same in a few words, beside the fold."""
    found = []
    if view.strange is not None:
        found.append(f"unusual × {view.strange.times:.1f}")
    if view.overlay and view.waits:
        found.append("looking…")
    elif view.overlay and view.explained is not None:
        saliency = view.explained.saliency
        found.append("nothing to show" if saliency is None else _tested(saliency))
    return " · ".join(found)


def _tested(saliency: SeenSaliency) -> str:
    tested = saliency.deletion
    return f"occlusion: {tested.salient:.1f}, at random {tested.random:.1f}"


def curve_words(view: WhyView) -> str:
    """Return what the calibration rests on."""
    if view.learnt is None:
        return "How this model was calibrated is not known here."
    words = f"Line: what its scores meant on {view.learnt.samples:,} held-out examples."
    if view.learnt.gap is not None:
        words += f" Corrected for that, it is {view.learnt.gap * 100:.1f} % off on average."
    own = sum(one.observed.count for one in view.own)
    words += f" Dots: your {own:,} blind answers here."
    if view.own_missing:
        words += f" {view.own_missing} more are needed to confirm it."
    return words


class WhyPanel(QWidget):
    """``why ▸``, and what it unfolds.

    Parameters
    ----------
    fold, overlay : callable
        Unfold or fold; show or hide where the judge looked.
    """

    def __init__(self, fold: Callable[[], object], overlay: Callable[[], object]) -> None:
        super().__init__()
        self.fold = button("why ▸", fold, kind="quiet")
        self.overlay = KeyedButton("where it looked", "V", overlay)
        self.badge = label("", "dim")
        self.strange = label("", wrap=True)
        self.looked = label("", "dim", wrap=True)
        self.curve = Dots()
        self.curve.setFixedSize(_CHART, _CHART)
        self.words = label("", "dim", wrap=True)
        head = QHBoxLayout()
        head.setSpacing(GRID)
        for part in (self.fold, self.overlay, self.badge):
            head.addWidget(part)
        head.addStretch(1)
        self.inside = QWidget()
        line = QHBoxLayout(self.inside)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(2 * GRID)
        line.addWidget(self.curve)
        line.addWidget(self.words, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addLayout(head)
        for below in (self.looked, self.strange, self.inside):
            column.addWidget(below)

    def show_view(self, view: WhyView) -> None:
        """Show what is known."""
        self.fold.setText("why ▾" if view.open else "why ▸")
        self.overlay.show_word("hide where it looked" if view.overlay else "where it looked")
        strange = strange_words(view)
        short = short_words(view)
        self.badge.setText(short)
        self.badge.setToolTip(f"{looked_words(view)} {strange}".strip())
        shown(self.badge, when=bool(short))
        self.strange.setText(strange)
        shown(self.strange, when=view.open and bool(strange))
        looked = looked_words(view)
        self.looked.setText(looked)
        # Folded, the pictures must not grow and shrink with the overlay.
        shown(self.looked, when=view.open and bool(looked))
        shown(self.inside, when=view.open)
        if view.open:
            self.words.setText(curve_words(view))
            self._show_curve(view)

    def _show_curve(self, view: WhyView) -> None:
        self.curve.show_line(() if view.learnt is None else view.learnt.curve)
        self.curve.show_dots(
            [
                Dot(one.expected, one.observed.value, one.observed.low, one.observed.high)
                for one in view.own
                if one.observed.value is not None
            ]
        )
