"""What a window does to measure the work while it goes on, in one place.

Hand it every page of news (`follow`), every answer (`answered`) and every site whose answer
changed otherwise (`changed`); ask it whether a verdict is to be hidden (`hides`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.dashboard import Dashboard, DashboardView
from app.services.evidence import PictureKeeper
from app.services.triage import Triage, TriageView
from connectome.closing import Closing
from proofreading.blind import is_hidden, mixed_in
from proofreading.decisions import Answer, Decision
from proofreading.session import Session
from proofreading.statistics import BREAK_AFTER

if TYPE_CHECKING:
    from rendering.pictures import SitePictures

__all__ = ["BREAK_TEXT", "Quality"]

BREAK_TEXT = f"{BREAK_AFTER} answers in one go: a break of ten minutes keeps them good."
_PAGE = 500
"""So many verdicts are taken in at once: a window must not wait for more."""


class Quality(Closing):
    """Lanes, figures, hidden verdicts and kept pictures of one open session."""

    def __init__(self, session: Session) -> None:
        self._ledger = session.ledger
        self._triage = Triage(session.catalogue, session.ledger)
        self._dashboard = Dashboard(session.ledger, session.catalogue, self._triage)
        self._dashboard.follow()
        self._keeper = PictureKeeper(session.folder)

    def close(self) -> None:
        """Finish keeping pictures."""
        self._keeper.close()

    def follow(self) -> bool:
        """Take in one page of new verdicts; tell whether there may be more."""
        return self._triage.follow(_PAGE)

    @property
    def pace(self) -> tuple[float | None, float | None]:
        """Answers per hour of work, and the median seconds of one."""
        return self._triage.running.pace

    def hides(self, site_id: str) -> bool:
        """Tell whether a site's verdict is hidden now: a sample, until it is answered once."""
        return not self._dashboard.was_answered(site_id) and is_hidden(
            site_id,
            self._triage.sampling,
            gold=self._ledger.state.is_gold(site_id),
            audited=self._triage.is_audited(site_id),
        )

    def answered(self, decision: Decision, pictures: SitePictures | None) -> str:
        """Take in an answer that is in the ledger; return a suggestion, mostly empty."""
        if decision.answer is Answer.ACCEPT:
            self._keeper.keep(decision.id, pictures)
        self._triage.mark(decision.site_id)
        return BREAK_TEXT if self._dashboard.follow() else ""

    def changed(self, site_ids: Iterable[str]) -> None:
        """Take in that these sites were answered, or opened again, by anything else."""
        for site_id in site_ids:
            self._triage.mark(site_id)
        self._dashboard.follow()

    def order(self, site_ids: list[str]) -> list[str]:
        """Return open sites in their order, with gold ones mixed in."""
        gold = self._ledger.state.gold()
        if not gold or not self._triage.sampling.gold:
            return site_ids
        return list(mixed_in(site_ids, [s for s in site_ids if s in gold], self._triage.sampling))

    def lanes(self, error_rate: float | None = None) -> TriageView:
        """Return the lanes, at the dial's error if none is given."""
        return self._triage.view(error_rate)

    def accept_error(self, error_rate: float) -> None:
        """Set the dial; recorded."""
        self._triage.accept(error_rate)

    def figures(self) -> DashboardView:
        """Return what the dashboard shows."""
        return self._dashboard.view()

    def save_report(self, name: str, datastack: str, out: Path) -> list[Path]:
        """Write the report of now as HTML and PNG and return the files."""
        from app.services.report_page import write_pages

        return write_pages(self.figures(), name, datastack, out)
