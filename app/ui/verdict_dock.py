"""The question, its evidence and what the model thinks."""

from __future__ import annotations

from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.services.language import LanguageStatus
from app.services.model import Current, Phase, Snapshot
from app.services.why import WhyView
from app.ui.language_panel import LanguagePanel
from app.ui.partners import PartnerList
from app.ui.picture_grid import PictureGrid
from app.ui.ports import WorkbenchPort
from app.ui.probability_bar import ProbabilityBar
from app.ui.theme import COLOR_B, GRID, question_font, theme
from app.ui.why_panel import WhyPanel
from app.ui.widgets import Message, button, chip, label, set_tone, short_id, shown, title
from app.ui.words_dialog import WordsDialog
from proofreading.sites import SiteKind

__all__ = ["VerdictDock"]

_WORDS = {SiteKind.ENDPOINT: "merge", SiteKind.CONTACT: "merge"}
_WAITING = (Phase.LOADING, Phase.PARTIAL)


class VerdictDock(QWidget):
    """One site: question, pair, pictures, verdict, partners."""

    def __init__(self, workbench: WorkbenchPort) -> None:
        super().__init__()
        self.setObjectName("verdictDock")
        self._workbench = workbench
        self._shown: Current | None = None
        self._said: LanguageStatus | None = None
        self._why: WhyView | None = None
        self._theme = theme()
        self.head = QWidget()
        head = QHBoxLayout(self.head)
        head.setContentsMargins(2 * GRID, GRID, 2 * GRID, 0)
        head.addWidget(title("VERDICT"))
        self.message = Message()
        self.content = QWidget()
        self._build()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        outer.addWidget(self.content)
        outer.addWidget(self.message)
        self.show_snapshot(workbench.snapshot())

    def _build(self) -> None:
        self.question = label(wrap=True)
        self.question.setFont(question_font())
        self.pictures = PictureGrid()
        self.bar = ProbabilityBar()
        self.provenance = label("", "dim", wrap=True)
        self.retry = button("Retry", self._workbench.retry_failed)
        self.answered = label("", "dim")
        self.partners = PartnerList(self._workbench.choose_partner, COLOR_B)
        self.partners_title = title("PARTNERS")
        self.language = LanguagePanel(
            self._workbench.ask_language, self.open_words, self._workbench.retry_failed
        )
        self.why = WhyPanel(self._workbench.toggle_why, self._workbench.toggle_overlay)
        said = QHBoxLayout()
        said.addWidget(self.provenance, 1)
        said.addWidget(self.retry)
        column = QVBoxLayout(self.content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(self.question)
        column.addLayout(self._pair_line())
        column.addWidget(self.pictures, 1)
        column.addWidget(self.bar)
        column.addLayout(said)
        column.addWidget(self.language)
        column.addWidget(self.why)
        column.addWidget(self.partners_title)
        column.addWidget(self.partners)
        column.addWidget(self.answered)

    def _pair_line(self) -> QHBoxLayout:
        self.kind = label("", "dim")
        self.root_a, self.root_b, self.chip_b = label(), label(), chip("B")
        line = QHBoxLayout()
        line.setSpacing(GRID)
        for part in (self.kind, chip("A"), self.root_a, self.chip_b, self.root_b):
            line.addWidget(part)
        line.addStretch(1)
        return line

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the current site, or why there is none."""
        current = snapshot.current
        shown(self.content, when=current is not None)
        shown(self.message, when=current is None)
        if current is None:
            self._shown = None
            self._say_why_empty(snapshot)
        else:
            self._show(current, snapshot.language, snapshot.why)

    def _show(self, current: Current, said: LanguageStatus | None, why: WhyView | None) -> None:
        """Show a site; of one that is shown already, only what the language model does."""
        other = current is not self._shown or theme() is not self._theme
        if other:
            self._show_site(current)
            self._show_pictures(current)
            self._show_verdict(current)
        if other or said != self._said:
            self.language.show_verdict(current, said)
        if other or why != self._why:
            self._show_why(current, why)
        self._shown, self._said, self._theme, self._why = current, said, theme(), why

    def _show_why(self, current: Current, why: WhyView | None) -> None:
        shown(self.why, when=why is not None and current.verdict is not None)
        if why is None:
            return
        self.why.show_view(why)
        explained = why.explained if why.overlay else None
        self.pictures.show_saliency(None if explained is None else explained.saliency)

    def open_words(self) -> None:
        """Open what the person tells the language model."""
        status = self._workbench.snapshot().language
        words = {} if status is None else dict(status.words)
        WordsDialog(words, self._workbench.use_words, self.window() or self).open()

    def _say_why_empty(self, snapshot: Snapshot) -> None:
        decided, total = snapshot.progress.decided, snapshot.progress.total
        if total and decided >= total:
            self.message.say(
                f"All {total:,} sites are answered.",
                "Export the accepted edits, or press Z to undo.",
            )
        elif not total:
            self.message.say("No site is open.", "The first one opens when sites are found.")
        else:
            self.message.say("No site is open.", "Choose one in the queue, or press Space.")

    def _show_site(self, current: Current) -> None:
        self.question.setText(current.question)
        face = " at the volume's face" if current.site.at_volume_face else ""
        self.kind.setText(f"{current.site.kind.value}{face}")
        partner = current.partner
        self.root_a.setText(short_id(current.site.root))
        self.root_a.setToolTip(str(current.site.root))
        for part in (self.chip_b, self.root_b):
            shown(part, when=partner is not None)
        if partner is not None:
            self.root_b.setText(short_id(partner.root))
            self.root_b.setToolTip(str(partner.root))
        shown(self.partners_title, when=bool(current.partners))
        self.partners.show_partners(current.partners, current.partner_index)
        shown(self.answered, when=current.answer is not None)
        self.answered.setText(f"Answered: {current.answer}. Another key changes it.")

    def _show_pictures(self, current: Current) -> None:
        if current.pictures is not None:
            self.pictures.show_pictures(current.pictures.views, current.pictures.slices)
        else:
            waiting = current.pictures_phase in _WAITING
            fallback = "Drawing…" if waiting else "No pictures of this site."
            self.pictures.show_sentence(current.pictures_text or fallback)

    def _show_verdict(self, current: Current) -> None:
        verdict, phase = current.verdict, current.verdict_phase
        word = _WORDS.get(current.site.kind, "fused")
        self.bar.show_value(None if verdict is None else verdict.probability, word)
        failed = phase is Phase.FAILED
        shown(self.retry, when=failed)
        set_tone(self.provenance, "error" if failed else "dim")
        self.provenance.setText(_provenance(current))


def _provenance(current: Current) -> str:
    verdict = current.verdict
    if verdict is None:
        waiting = current.verdict_phase in _WAITING
        return current.verdict_text or ("Judging…" if waiting else "No verdict yet.")
    p = verdict.provenance
    told = [p.model_id, p.provider, f"{p.latency_ms:.0f} ms"]
    if current.verdict_text:
        told.append(current.verdict_text)
    return " · ".join(told)
