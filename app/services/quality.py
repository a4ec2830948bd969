"""What a window does to measure the work while it goes on, in one place.

Hand it every page of news (`follow`), every answer (`answered`) and every site whose answer
changed otherwise (`changed`); ask it whether a verdict is to be hidden (`hides`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.services.dashboard import Dashboard, DashboardView
from app.services.evidence import PictureKeeper
from app.services.triage import Triage, TriageView
from connectome.closing import Closing
from proofreading.blind import is_hidden
from proofreading.catalogue_judged import Judged
from proofreading.decisions import Answer, Decision
from proofreading.sampling import Purpose, are_drawn, is_drawn, place_of
from proofreading.session import Session
from proofreading.statistics import BREAK_AFTER

if TYPE_CHECKING:
    from app.services.queue import Queue
    from rendering.pictures import SitePictures

__all__ = ["BREAK_TEXT", "Quality"]

BREAK_TEXT = f"{BREAK_AFTER} answers in one go: a break of ten minutes keeps them good."
_PAGE = 5_000
"""So many verdicts are taken in at once: a window must not wait for more."""


class Quality(Closing):
    """Lanes, figures, hidden verdicts and kept pictures of one open session."""

    def __init__(self, session: Session) -> None:
        self._ledger = session.ledger
        self._triage = Triage(session.catalogue, session.ledger)
        self._dashboard = Dashboard(session.ledger, session.catalogue, self._triage)
        self._dashboard.follow()
        self._keeper = PictureKeeper(session.folder)
        self._heard: list[Judged] = []
        self.dial_moved: Callable[[], None] = lambda: None
        """Called after another error was accepted."""

    def close(self) -> None:
        """Finish keeping pictures."""
        self._keeper.close()

    def follow(self) -> bool:
        """Take in one page of new verdicts; tell whether there may be more."""
        page = self._triage.page(_PAGE)
        if len(page):
            self._heard.append(page)
        return bool(len(page))

    def tell(self, queue: Queue) -> None:
        """Let the queue know what was heard of the sites that it has by now."""
        heard, self._heard = self._heard, []
        for page in heard:
            numbers = page.numbers
            known = queue.set_judged(
                numbers,
                self._triage.are_unusual(page),
                page.scores["spread"],
                self.hides_all(numbers),
                self._are_first(numbers),
            )
            if not known.all():
                self._heard.append(page.where(~known))

    def _are_first(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell what the audit leaves open of a lane that was decided: it comes before the rest."""
        if not self._dashboard.automatic:
            return np.zeros(numbers.size, np.bool_)
        first = self._triage.are_audited(numbers)
        for place in np.flatnonzero(first).tolist():
            first[place] = self._ledger.state.decision(f"{int(numbers[place]):016x}") is None
        return first

    @property
    def dashboard(self) -> Dashboard:
        """The figures of the session."""
        return self._dashboard

    @property
    def error_rate(self) -> float:
        """The error that the dial accepts."""
        return self._triage.error_rate

    @property
    def seed(self) -> int:
        """What random orders and samples begin with."""
        return self._triage.sampling.seed

    def gold_to_ask(self) -> list[str]:
        """Return the sites with known answers that are mixed in, in a random order."""
        sampling, state = self._triage.sampling, self._ledger.state
        if not sampling.gold:
            return []
        drawn = [s for s in state.gold() if is_drawn(Purpose.GOLD, self.seed, s, sampling.gold)]
        waiting = [s for s in drawn if state.decision(s) is None]
        return sorted(waiting, key=lambda s: place_of(Purpose.ORDER, self.seed, s))

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

    def hides_all(self, numbers: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Tell of each site, by its number, whether it `hides`; may be asked on any thread."""
        sampling = self._triage.sampling
        hidden = are_drawn(Purpose.BLIND, sampling.seed, numbers, sampling.blind)
        hidden |= self._triage.are_audited(numbers)
        hidden |= np.isin(numbers, [int(each, 16) for each in self._ledger.state.gold()])
        for place in np.flatnonzero(hidden).tolist():
            hidden[place] = not self._dashboard.was_answered(f"{int(numbers[place]):016x}")
        return hidden

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

    def lanes(self, error_rate: float | None = None) -> TriageView:
        """Return the lanes, at the dial's error if none is given."""
        return self._triage.view(error_rate)

    def accept_error(self, error_rate: float) -> None:
        """Set the dial; recorded."""
        self._triage.accept(error_rate)
        self.dial_moved()

    def figures(self) -> DashboardView:
        """Return what the dashboard shows."""
        return self._dashboard.view()

    def report(self, name: str, datastack: str) -> Callable[[Path], list[Path]]:
        """Return what writes the report of now as HTML and PNG, and returns the files.

        Drawing takes seconds; any thread may do it.
        """
        view = self.figures()

        def write(out: Path) -> list[Path]:
            from app.services.report_page import write_pages

            return write_pages(view, name, datastack, out)

        return write
