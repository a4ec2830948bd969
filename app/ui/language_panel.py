"""What a language model adds to a verdict: who said what, and why."""

from __future__ import annotations

from collections.abc import Callable

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.services.language import LanguageStatus, other_words
from app.services.model import Current, Phase
from app.ui.theme import GRID
from app.ui.widgets import button, label, set_tone, shown
from proofreading.verdicts import Part, Verdict

__all__ = ["LanguagePanel", "parts_text"]

_REASONS_HEIGHT = 12 * GRID
_NAME = 22
"""Letters of a model's name; the whole name is in the tool tip."""


def parts_text(parts: tuple[Part, ...]) -> str:
    """Return such as ``resnet 0.41  ·  qwen3-vl 0.88``."""
    return "   ·   ".join(f"{_short(part.model_id)} {part.probability:.2f}" for part in parts)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


class LanguagePanel(QWidget):
    """Parts of a joint verdict, the reasons given, and the model's own state.

    Hidden where the session has no language model and the verdict none of its words.

    Parameters
    ----------
    ask, words, retry : callable
        What the buttons do.
    """

    def __init__(
        self,
        ask: Callable[[], object],
        words: Callable[[], object],
        retry: Callable[[], object],
    ) -> None:
        super().__init__()
        self.parts = label("", wrap=True)
        self.reasons = label("", wrap=True)
        self.reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.reasons.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QScrollArea.Shape.NoFrame)
        self.area.setMaximumHeight(_REASONS_HEIGHT)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(self.reasons)
        self.state = label("", "dim", wrap=True)
        self.state.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.ask = button("Ask it", ask, kind="quiet")
        self.ask.setToolTip("Ask the language model about this site now.")
        self.words = button("Words…", words, kind="quiet")
        self.words.setToolTip("Tell the language model about the tissue, the cell and your rules.")
        self.retry = button("Retry", retry)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addWidget(self.parts)
        column.addWidget(self.area)
        line = QHBoxLayout()
        line.setSpacing(GRID)
        for part in (self.state, self.retry, self.ask, self.words):
            line.addWidget(part, 1 if part is self.state else 0)
        column.addLayout(line)

    def show_verdict(self, current: Current, status: LanguageStatus | None) -> None:
        """Show what is known of a site."""
        verdict = current.verdict
        said = verdict is not None and bool(verdict.parts or verdict.rationale)
        shown(self, when=said or status is not None)
        if self.isHidden():
            return
        self._show_parts(verdict)
        self._show_reasons(verdict)
        self._show_state(current, status)

    def _show_parts(self, verdict: Verdict | None) -> None:
        parts = () if verdict is None else verdict.parts
        shown(self.parts, when=bool(parts))
        self.parts.setText(parts_text(parts))
        self.parts.setToolTip("\n".join(f"{p.model_id}: {p.probability:.3f}" for p in parts))

    def _show_reasons(self, verdict: Verdict | None) -> None:
        reasons = "" if verdict is None else (verdict.rationale or "")
        shown(self.area, when=bool(reasons))
        self.reasons.setText(reasons)
        height = self.reasons.heightForWidth(max(self.width() - 2 * GRID, 1))
        self.area.setFixedHeight(max(min(height, _REASONS_HEIGHT), 2 * GRID))

    def _show_state(self, current: Current, status: LanguageStatus | None) -> None:
        failure = current.failed_beside
        text, error = _state_text(current, status)
        set_tone(self.state, "error" if error else "dim")
        self.state.setText(text)
        self.state.setToolTip(failure.text or "" if failure is not None else "")
        gone = status is not None and status.phase is Phase.FAILED
        shown(self.retry, when=failure is not None or gone)
        shown(self.ask, when=status is not None and bool(status.model) and not gone)
        shown(self.words, when=status is not None and bool(status.model))


def _state_text(current: Current, status: LanguageStatus | None) -> tuple[str, bool]:
    """Return what to say of the model, and whether it is trouble."""
    if current.failed_beside is not None:
        failure = current.failed_beside
        return f"{failure.model_id}: {failure.reason} {failure.hint}".strip(), True
    if status is None:
        return "", False
    if status.phase is Phase.FAILED:
        return status.text, True
    if status.phase is not Phase.READY:
        return status.text, False
    if status.site_id == current.site.id:
        return f"{status.model} is looking at it…", False
    return _said_text(current.verdict, status), False


def _said_text(verdict: Verdict | None, status: LanguageStatus) -> str:
    if verdict is None or verdict.provenance.prompt_sha256 is None:
        return f"{status.model} was not asked about this."
    if other_words(verdict, status.words):
        words = ", ".join(f"{name.replace('_', ' ')}: {v}" for name, v in verdict.provenance.slots)
        return f"Asked with other words ({words or 'none'}). Ask again to use those of now."
    stated = verdict.stated_confidence
    return "" if stated is None else f"It says itself that it is {stated:.0%} sure."
