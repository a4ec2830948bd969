"""A window in a process of its own that works through a plan with real keys.

It writes down what it is about to press and what the window then shows, and does what can go
wrong inside: the page's renderer is killed, and an export is under way when the service is lost.
What goes wrong outside, it asks for by a line.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.day_check import difference
from benchmarks.day_plan import ANSWERS, CUT, REDO, SENT, UNDO, Entry, Journal, plan
from proofreading.sites import Site, SiteKind

if TYPE_CHECKING:
    from app.services.model import Current
    from app.ui.driver import Driver
    from proofreading.edits import EditRecord

__all__ = [
    "DONE",
    "RENDERER",
    "REOPENED",
    "SERVICE_DOWN",
    "SERVICE_LOST",
    "SERVICE_UP",
    "Worker",
    "main",
]

RENDERER, SERVICE_DOWN, SERVICE_UP = "renderer killed", "service down", "service up"
SERVICE_LOST = "service lost while sending"
"""Before it has answered the first edit of an export; `SERVICE_DOWN`: right after."""
REOPENED, DONE = "opened again", "done"
PATIENCE_S = 60.0
_PLACE = "window.viewer ? Array.from(window.viewer.position.value) : null"


class Worker:
    """Does the steps of a plan in a driven window and writes the journal.

    Parameters
    ----------
    faults : mapping of int to str
        What goes wrong before which step.
    ask : callable
        Lets somebody outside do what goes wrong there, and returns when it is done.
    """

    def __init__(
        self,
        driver: Driver,
        journal: Journal,
        faults: Mapping[int, str],
        ask: Callable[[str], None],
    ) -> None:
        self._driver = driver
        self._bench = driver.workbench
        self._journal = journal
        self._faults = faults
        self._ask = ask
        self._is_served = True

    def work(self, keys: list[str], first: int) -> None:
        """Do the steps from one on."""
        self._driver.until(lambda: self._driver.window.web.is_ready, "the page", PATIENCE_S)
        if first:
            self._compare_rows(first)
        for step in range(first, len(keys)):
            if step in self._faults:
                self._go_wrong(step, self._faults[step])
            self._driver.until(lambda: self._bench.snapshot().current is not None, "a site")
            self._do(step, keys[step])

    def _do(self, step: int, key: str) -> None:
        if key == UNDO:
            self._take_back(step, key, self._bench.snapshot().can_undo)
        elif key == REDO:
            self._take_back(step, key, self._bench.snapshot().can_redo)
        elif key == CUT:
            self._cut(step)
        elif key == SENT:
            self._send_and_undo(step)
        else:
            self._answer(step, key)

    def _answer(self, step: int, key: str) -> None:
        site = self._current.site.id
        self._journal.add(Entry(step, "pressing", key, site))
        self._press_as_meant(key)
        self._until_row(site, ANSWERS[key])
        self._show(step, key, site)

    def _take_back(self, step: int, key: str, possible: bool) -> None:
        if not possible:
            return
        state = self._bench.session.ledger.state
        decision = state.last_undoable() if key == UNDO else state.last_redoable()
        assert decision is not None
        self._journal.add(Entry(step, "pressing", key, decision.site_id))
        self._driver.press(key)
        self._driver.until(lambda: self._current.site.id == decision.site_id, key, PATIENCE_S)
        self._driver.until(
            lambda: (
                state.stands(decision.id) == (key == REDO)
                and self._row(decision.site_id) == self._kept(decision.site_id)
            ),
            f"what {key} does",
            PATIENCE_S,
        )
        self._show(step, key, decision.site_id)

    def _cut(self, step: int) -> None:
        """Go to a proposed cut and run it, after looking at the preview."""
        site = self._next_cut()
        if site is None:
            return
        self._bench.select(site)
        self._journal.add(Entry(step, "pressing", CUT, site))
        self._press_until("E", "partial")
        self._press_until("P", "ready")
        # What cannot be cut is left alone: that is an answer, too.
        key = "Return" if self._phase() == "ready" else "Escape"
        self._press_as_meant(key)
        if key == "Return":
            self._until_row(site, "accept")
        self._show(step, CUT, site)
        if key == "Escape":
            self._answer(step, "A")

    def _send_and_undo(self, step: int) -> None:
        """Accept a pair, export, and take the answer back, on the server too."""
        pair = next(self._open_sites(SiteKind.CONTACT), None)
        if pair is not None:
            self._bench.select(pair.id)
        site = self._current.site.id
        self._answer(step, "F")
        record = self._edit_of(site)
        if record is None or not self._is_served:
            return  # Accepted, but there is nothing to send, or nobody to send it to.
        self._driver.export()
        record = self._edit_of(site)
        assert record is not None
        if record.state.value != "committed":
            return  # An earlier edit has done the same already.
        self._journal.add(Entry(step, "pressing", SENT, site))
        self._driver.press(UNDO)
        self._driver.until(
            lambda: self._confirmed() and self._state_of(site) != "committed", SENT, PATIENCE_S
        )
        self._driver.until(lambda: self._row(site) is None, "the answer taken back", PATIENCE_S)
        self._show(step, SENT, site)

    def _confirmed(self) -> bool:
        """Confirm an undo if the window asks."""
        if self._bench.snapshot().undo_question is not None:
            self._bench.answer_undo(confirmed=True)
        return True

    def _state_of(self, site: str) -> str:
        record = self._edit_of(site, standing=False)
        return "" if record is None else record.state.value

    def _edit_of(self, site: str, *, standing: bool = True) -> EditRecord | None:
        """Return the newest edit of a site, by default only that of the answer that stands."""
        state = self._bench.session.ledger.state
        decision = state.decision(site)
        if standing:
            return None if decision is None else state.edit_of(decision.id)
        return next((r for r in reversed(state.edits()) if r.edit.site_id == site), None)

    def _press_as_meant(self, key: str) -> None:
        self._driver.press(key)
        if self._bench.snapshot().doubt is not None:
            self._driver.press(key)  # The window asks once whether it is meant.

    def _press_until(self, key: str, phase: str) -> None:
        self._driver.press(key)
        self._driver.until(lambda: self._phase() in (phase, "failed"), key, PATIENCE_S)

    def _next_cut(self) -> str | None:
        sites = self._open_sites(SiteKind.BOTTLENECK)
        return next((site.id for site in sites if site.proposed_cut is not None), None)

    def _open_sites(self, kind: SiteKind) -> Iterator[Site]:
        for site in self._bench.session.catalogue.sites(kind):
            row = self._bench.queue.get(site.id)
            if row is not None and row.answer is None and row.root != row.partner_root:
                yield site

    def _phase(self) -> str:
        cut = self._bench.snapshot().cut
        return "" if cut is None else cut.phase.value

    # ---- what goes wrong -----------------------------------------------------------

    def _compare_rows(self, step: int) -> None:
        """Compare what a window shows that was opened again with what the last one showed."""
        shown = self._journal.shown()
        known = self._bench.queue.get
        self._driver.until(lambda: all(map(known, shown)), "the sites", PATIENCE_S)
        self._driver.settle()
        rows = {site: self._row(site) for site in shown}
        wrong = [f"{s}: shown {shown[s]}, then {row}" for s, row in rows.items() if row != shown[s]]
        self._journal.add(Entry(step, "back", REOPENED, answer="; ".join(wrong)))

    def _go_wrong(self, step: int, fault: str) -> None:
        if fault == RENDERER:
            self._kill_renderer()
        elif fault in (SERVICE_DOWN, SERVICE_LOST):
            self._have_something_to_send(step)
            self._lose_service(while_sending=fault == SERVICE_LOST)
        else:
            self._ask(fault)
            self._is_served = True
            self._reconcile()
        differing = difference(self._bench.session.folder, self._journal)
        self._journal.add(Entry(step, "back", fault, answer="; ".join(differing)))

    def _have_something_to_send(self, step: int) -> None:
        """Accept a pair where everything has gone out: a service is lost while it sends."""
        pair = next(self._open_sites(SiteKind.CONTACT), None)
        if pair is not None and not self._bench.session.ledger.state.pending_edits():
            self._bench.select(pair.id)
            self._answer(step, "F")

    def _lose_service(self, *, while_sending: bool) -> None:
        """Let the service end in the middle of an export; the person goes on meanwhile."""
        state = self._bench.session.ledger.state
        self._driver.begin_export()
        waiting = len(state.pending_edits())

        def reached() -> bool:
            under_way = len(state.unanswered_edits())
            begun = len(state.pending_edits()) < waiting
            return under_way > 0 if while_sending else begun and not under_way

        self._driver.until(reached, "the first edit", step_ms=1)
        self._ask(SERVICE_DOWN)
        self._is_served = False
        self._driver.close_export()

    def _reconcile(self) -> None:
        """Export what the loss left open: what was sent is looked up, the rest goes out."""
        state = self._bench.session.ledger.state
        self._driver.end_export()
        while state.pending_edits() or state.unanswered_edits():
            before = len(state.pending_edits()), len(state.unanswered_edits())
            self._driver.export()
            if before == (len(state.pending_edits()), len(state.unanswered_edits())):
                return  # What is left is told at the end of the day.

    def _kill_renderer(self) -> None:
        """Kill the page's process and wait until the page is back at the same place."""
        web = self._driver.window.web
        os.kill(web.page.renderProcessPid(), signal.SIGKILL)
        self._driver.until(lambda: not web.is_ready, "the loss of the page", PATIENCE_S)
        self._driver.until(lambda: web.is_ready, "the page's return", PATIENCE_S)
        self._driver.until(self._is_there, "the same place", PATIENCE_S)

    def _is_there(self) -> bool:
        place, voxel = self._driver.evaluate(_PLACE), self._bench.viewer.voxel_nm
        if not isinstance(place, list) or len(place) != len(voxel):
            return False
        wanted = self._current.site.point_nm
        return all(abs(p * v - w) < 2 * v for p, v, w in zip(place, voxel, wanted, strict=True))

    # ---- what is shown -------------------------------------------------------------

    @property
    def _current(self) -> Current:
        current = self._bench.snapshot().current
        assert current is not None
        return current

    def _row(self, site: str) -> str | None:
        """Return the answer that the queue's table has for a site."""
        place = self._bench.queue.index_of(site)
        row = None if place is None else self._driver.window.queue.model.row_at(place)
        return None if row is None or row.answer is None else row.answer.value

    def _kept(self, site: str) -> str | None:
        """Return the answer that the ledger has: the one before, where one was taken back."""
        decision = self._bench.session.ledger.state.decision(site)
        return None if decision is None else decision.answer.value

    def _until_row(self, site: str, answer: str) -> None:
        self._driver.until(lambda: self._row(site) == answer, f"{answer} on the row", PATIENCE_S)

    def _show(self, step: int, key: str, site: str) -> None:
        self._journal.add(Entry(step, "shown", key, site, self._row(site)))


def main(session: str, address: str, journal: str, seed: str, size: str, *faults: str) -> None:
    """Go on with the day where its journal ends."""
    from app.services.opening import Opened
    from app.ui.driver import Driver

    decisions, cuts, sent = (int(each) for each in size.split("+"))
    due = {int(step): fault for step, _, fault in (each.partition(":") for each in faults)}
    written = Journal(Path(journal))
    last = written.last
    first = 0 if last is None else last.step + (last.what == "shown")
    with Driver(Opened(Path(session), address)) as driver:
        driver.workbench.cancel("judge")
        Worker(driver, written, due, _ask).work(plan(int(seed), decisions, cuts, sent), first)
    _tell(DONE)


def _ask(what: str) -> None:
    _tell(what)
    sys.stdin.readline()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
