"""Everything behind the window, free of Qt and on one thread.

The window calls intents (answer, select, undo …) and draws `snapshot`. Workers,
Neuroglancer and the exporter speak on threads of their own; what they say is posted
to the owner's thread and changes nothing before it gets there (`hearing.py`). The parts
themselves are in `desks.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.answer_desk import AnswerDesk
from app.services.bench_jobs import BenchJobs
from app.services.desks import Desks
from app.services.hearing import Hearing
from app.services.looking import view_box
from app.services.model import EditList, Level, Notice, PlannedEdit, SecondLook, Snapshot
from app.services.snapshots import current_of, snapshot_of
from app.services.splitting_model import CutSide
from app.services.through import QueueOrder
from app.services.workers import Post, Worker
from connectome.errors import ProofdeskError
from proofreading.decisions import Answer
from proofreading.triage import Lane
from rendering.em import grey_range

if TYPE_CHECKING:
    from app.services.opening import Opened

__all__ = ["Post", "Workbench", "launch"]

CUTTING = "While an object is cut it is not tinted: Esc leaves the cut."


class Workbench:
    """The use-cases of one window on one session.

    Parameters
    ----------
    opened : Opened
        The session folder and the address of its datastack.
    post : callable
        Runs a callable on the owner's thread.
    clock : callable
        Seconds that never go backwards; measures how long an answer took.

    Raises
    ------
    ProofdeskError
        If the session or the datastack cannot be opened; nothing is left open then.
    """

    def __init__(
        self, opened: Opened, post: Post, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._closed = False
        self._desks = desks = Desks(opened, post, clock, self._changed, lambda: self._hearing)
        self._jobs = BenchJobs(desks)
        self._hearing = Hearing(desks, self._jobs, post, self._changed)
        self._answers = AnswerDesk(desks, self.select, self._hearing.exported, self._changed)
        self.session, self.queue, self.viewer = desks.session, desks.queue, desks.viewer
        self.quality, self.cutting, self.map = desks.quality, desks.cutting, desks.map

    # ---- life ----------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers, show what the session holds, and go to where it was left."""
        threading.Thread(target=self._set_contrast, daemon=True, name="contrast").start()
        self._desks.workers.start()
        self._desks.language.begin()
        self._hearing.begin()
        self._desks.export.recover(self._hearing.exported)
        self._jobs.begin()
        self._changed()

    def close(self) -> None:
        """End the workers and give everything back; the ledger is complete already."""
        if self._closed:
            return
        self._closed = True
        self._hearing.close()
        self._desks.close()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener on the owner's thread after every change."""
        self._listeners.append(listener)

    @property
    def datastack_address(self) -> str:
        """What opens the datastack again."""
        return self._desks.datastack.address

    @property
    def worker_pids(self) -> dict[Worker, int]:
        """Process ids of the workers that were started."""
        return self._desks.workers.pids

    def snapshot(self) -> Snapshot:
        """Return what the window shows now."""
        return snapshot_of(self._desks, self._hearing.judge, self._answers.question)

    def follow_soon(self) -> None:
        """Take in news of the catalogue when the loop comes round."""
        self._hearing.follow_soon()

    # ---- going about ---------------------------------------------------------------

    def select(self, site_id: str) -> None:
        """Make a site the current one."""
        self._desks.second.leave()
        self._desks.looking.came_to(site_id)
        if not self._desks.place.go(site_id):
            self.notify(Level.WARNING, "That site is not in this session.")
        self._changed()

    def choose_partner(self, index: int) -> None:
        """Ask the question of another partner of the current site."""
        place = self._desks.place
        if place.site is not None and 0 <= index < len(place.site.partners):
            place.show(place.site, index)
            self._changed()

    def next(self) -> None:
        """Go one row down without answering; never wraps."""
        if not self._desks.place.step(+1):
            self.notify(Level.INFO, "That is the last site of the queue.")
        self._changed()

    def previous(self) -> None:
        """Go one row up without answering; never wraps."""
        if not self._desks.place.step(-1):
            self.notify(Level.INFO, "That is the first site of the queue.")
        self._changed()

    def look_through(self, lane: Lane | None, order: QueueOrder) -> None:
        """Look through the sites of a lane (None: of all) in an order."""
        site = self._desks.place.site
        self._desks.looking.choose(lane, order, None if site is None else site.id)
        self._changed()

    def view_box(self) -> str:
        """Return the filter's word for the region that Neuroglancer shows."""
        return view_box(self.viewer.view_state())

    # ---- answering -----------------------------------------------------------------

    def answer(self, answer: Answer, *, reason: str = "") -> None:
        """Record an answer to the current question and go to the next open site.

        One that a sure judge contradicts has to be given twice, if the person wants that.
        """
        self._answers.give(answer, reason, current_of(self._desks, self._hearing.judge))

    def undo(self) -> None:
        """Take back the person's last answer, and its edit if that was sent already.

        Where others have built on that edit, nothing happens before `answer_undo`.
        """
        self._answers.undo()

    def answer_undo(self, *, confirmed: bool) -> None:
        """Undo the edit after all, or leave it."""
        self._answers.confirm_undo(confirmed=confirmed)

    def redo(self) -> None:
        """Give the answer again that was taken back last."""
        self._answers.redo()

    def put_point(self, side: CutSide) -> None:
        """Put a point of a cut where the mouse is."""
        self._desks.tint.leave()
        self.cutting.point(side)
        self._changed()

    def preview_cut(self) -> None:
        """Show what the cut between the points would do."""
        self._told(self.cutting.preview())

    def make_cut(self) -> None:
        """Accept the cut that was previewed; it waits for the export like every edit."""
        if not self.cutting.active:
            self._told(self.cutting.preview())
        elif self.cutting.may_cut() and self.cutting.aside:
            self._answers.cut_aside()
            self._hearing.follow_soon()
        elif self.cutting.may_cut():
            self.answer(Answer.ACCEPT)

    # ---- what is shown -------------------------------------------------------------

    def toggle_tint(self) -> None:
        """Tint the parts of A whose sites are answered, or stop that."""
        self._told(CUTTING if self.cutting.active else self._desks.tint.toggle())

    def toggle_after(self) -> None:
        """Show what the edit in question would leave, or again what is there."""
        self._told(self.cutting.toggle() if self.cutting.active else self._desks.after.toggle())

    def toggle_overlay(self) -> None:
        """Show on the pictures where the judge looked, or hide it again."""
        self._desks.why.toggle_overlay()
        self._changed()

    def toggle_why(self) -> None:
        """Unfold the judge's reasons, or fold them."""
        self._desks.why.toggle_open()
        self._changed()

    def hide_below(self, limit: float) -> None:
        """Show no open site that is less probable than this; what has an answer stays."""
        self._desks.improbable.hide_below(limit)
        self._changed()

    def toggle_improbable(self) -> None:
        """Show the improbable sites, too, or hide them again."""
        self._desks.improbable.toggle()
        self._changed()

    def ask_twice(self, *, wanted: bool) -> None:
        """Ask back, once for a site, where an answer contradicts a sure judge; or never."""
        self._desks.second.wanted = wanted

    def suggest_breaks(self, *, wanted: bool) -> None:
        """Say it once when a person has answered for long, or never."""
        self._answers.suggests_breaks = wanted

    def notify(self, level: Level, text: str, remedy: str = "") -> None:
        """Show a notice; the same one is shown once."""
        self._desks.notices.notify(level, text, remedy)

    def dismiss_notice(self, notice: Notice) -> None:
        """Take a notice away."""
        self._desks.notices.dismiss(notice)

    # ---- jobs ----------------------------------------------------------------------

    def start_detection(self) -> None:
        """Look for sites in the background."""
        if self._jobs.detect():
            self._changed()

    def start_judging(self, *, again: bool = False) -> None:
        """Let the model judge what has no verdict."""
        if self._jobs.judge(again=again):
            self._changed()

    def retry_failed(self) -> None:
        """Judge sites again whose verdict failed."""
        self.start_judging(again=True)

    def ask_language(self) -> None:
        """Ask the language model about the site on the screen."""
        site = self._desks.place.site
        if site is not None:
            self._desks.language.ask(site.id)

    def use_words(self, words: Mapping[str, str]) -> None:
        """Ask the language model with these words from now on, first about this site.

        Raises
        ------
        InputError, StorageError
            If they cannot be kept with the session.
        """
        site = self._desks.place.site
        self._desks.language.use_words(words, None if site is None else site.id)
        self._changed()

    def plan_export(self, done: Callable[[EditList], None]) -> None:
        """List the edits in the background: at once as they are known, then as they are now."""
        self._desks.export.plan(done)

    def look_again(
        self, action: SecondLook, edits: Sequence[PlannedEdit], done: Callable[[str], None]
    ) -> None:
        """Do what the person decided about edits that were not simply sent.

        `done` is called with what did not work, or with nothing.
        """

        def told(trouble: str) -> None:
            done(trouble)
            self._changed()

        self._desks.export.look_again(action, edits, told)

    def start_export(self) -> None:
        """Send accepted edits in the background."""
        if not self._desks.jobs.running("export"):
            self._desks.jobs.start("export", "exporting")
            self._desks.export.export(self._hearing.exported)
            self._changed()

    def save_tables(self, folder: Path) -> list[Path]:
        """Write all decisions as CSV and JSON and return the files."""
        return self._desks.export.save_tables(folder)

    def cancel(self, job: str) -> None:
        """Stop a background job; what it has done stays."""
        self._jobs.cancel(job)

    # ---- inside --------------------------------------------------------------------

    def _set_contrast(self) -> None:
        """Stretch the grey values of the slices; on a thread, because a server may be slow."""
        imagery = self._desks.datastack.imagery
        if imagery is None:
            return
        try:
            low, high = grey_range(imagery)
        except ProofdeskError:
            return  # The page then shows the full range, and says itself what it cannot load.
        self.viewer.set_contrast(low, high)

    def _told(self, trouble: str) -> None:
        if trouble:
            self.notify(Level.INFO, trouble)
        self._changed()

    def _changed(self) -> None:
        if self._closed:
            return
        desks = self._desks
        desks.cutting.follow()
        desks.after.follow()
        if desks.cutting.active:
            desks.tint.leave()
        desks.tint.follow()
        for listener in list(self._listeners):
            listener()


def launch(opened: Opened, post: Post) -> Workbench:
    """Return a workbench that starts its work as soon as the owner's loop runs."""
    workbench = Workbench(opened, post)
    post(workbench.start)
    return workbench
