"""Everything behind the window, free of Qt and on one thread.

The window calls intents (answer, select, undo …) and draws `snapshot`. Workers,
Neuroglancer and the exporter speak on threads of their own; what they say is posted
to the owner's thread and changes nothing before it gets there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.answers import Answers, last_answer
from app.services.catalogue_follower import CatalogueFollower
from app.services.detecting import DETECTED
from app.services.export_desk import ExportDesk
from app.services.jobs import JobTable
from app.services.language import LanguageDesk
from app.services.learning.desk import LearningDesk
from app.services.looking import Looking, view_box
from app.services.model import (
    EditList,
    Hidden,
    JudgeStatus,
    Level,
    Notice,
    Phase,
    PlannedEdit,
    Progress,
    SecondLook,
    Snapshot,
)
from app.services.opening import Opened, open_session
from app.services.place import Place
from app.services.quality import Quality
from app.services.queue import Queue, Sight
from app.services.root_watch import RootWatch
from app.services.scan_note import note_scan
from app.services.scan_watch import JOB as SCAN
from app.services.scan_watch import ScanWatch
from app.services.second_look import SecondLooks
from app.services.seeing import seeing
from app.services.site_pairs import SitePairs
from app.services.splitting_model import CutSide
from app.services.summary import outbox_of, queue_phase, queue_text, used_up_roots
from app.services.through import QueueOrder
from app.services.undoing import Undoing
from app.services.why import WhyDesk
from app.services.worker.messages import (
    Cancel,
    Changed,
    Detect,
    Explained,
    JobDone,
    JobFailed,
    JobProgress,
    JudgeAll,
    JudgeReady,
    LanguageState,
    LearnedSo,
    Looked,
    Reply,
    RootsFound,
    RootsReplaced,
)
from app.services.workers import Post, Workers
from connectome.errors import ProofdeskError
from connectome.opening import open_datastack
from ngplugin.viewer import SiteViewer
from proofreading.decisions import Answer, Decision
from proofreading.edits import EditState
from proofreading.triage import Lane
from rendering.em import grey_range

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from rendering.pictures import SitePictures

__all__ = ["Post", "Workbench", "launch"]

CUTTING = "While an object is cut it is not tinted: Esc leaves the cut."
QUIET = ("roots", "learn")
"""Jobs that are done before anybody could read of them; only their failure is told."""


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
        self._post = post
        self._listeners: list[Callable[[], None]] = []
        self._notices: list[Notice] = []
        self._jobs = JobTable()
        self._judge = JudgeStatus(Phase.LOADING, "", "", "loading the model")
        self._closed = False
        self._following = False
        self._hide_below = 0.0
        self._showing_all = False
        self._suggests_breaks = True
        self.queue = Queue()
        self._pairs = SitePairs()
        self._datastack: Datastack = open_datastack(opened.address)
        try:
            self.session = open_session(opened.session, datastack=self._datastack)
        except BaseException:
            self._datastack.close()
            raise
        self.viewer = self._make_viewer()
        self.quality = Quality(self.session)
        self.queue.veils = self.quality.hides
        self._looking = Looking(self.session, self.queue, self.quality)
        self.quality.dial_moved = self._looking.dial_moved
        self._second = SecondLooks(self.session.ledger)
        self._follower = CatalogueFollower(
            self.session.catalogue,
            self.session.ledger,
            self.queue,
            self.viewer,
            self._pairs,
            self.quality.hides_all,
        )
        self._workers = Workers(
            self.session.folder,
            self._datastack.address,
            post,
            take=self._take,
            restarted=self._workers_restarted,
            gave_up=self._workers_gave_up,
        )
        self._why = WhyDesk(self._workers.to_judge, self.quality.dashboard)
        self._language = LanguageDesk(self.session.folder, opened.models, self._workers.to_judge)
        self._roots = RootWatch(self.queue, self._pairs, self._workers.to_detector)
        self._place = Place(self.session, self.queue, self.viewer, self._workers.to_judge, clock)
        self.cutting, self.after, self.map, self.tint = seeing(
            self.session, self._datastack, self.viewer, self._place, self.queue, post, self._changed
        )
        self._learning = LearningDesk(self.session, self._workers.to_judge)
        self._answers = Answers(self.session, self.queue, self.viewer, self._pairs)
        self._desk = ExportDesk(self.session, self._datastack, self._post)
        self._scan = None if opened.scan is None else self._watch(opened.scan)
        self._undoing = Undoing(
            self.session.ledger,
            self._desk,
            self._jobs,
            withdrawn=self._after_history,
            told=self._export_changed,
            changed=self._changed,
        )

    # ---- life ----------------------------------------------------------------------

    def start(self) -> None:
        """Start the workers, show what the session holds, and go to where it was left."""
        threading.Thread(target=self._set_contrast, daemon=True, name="contrast").start()
        self._workers.start()
        self._language.begin()
        self.follow()
        self._desk.recover(self._export_changed)
        if self._scan is not None:
            # Sites and verdicts come from there.
            self._jobs.start(SCAN, "following the scan")
            self._scan.start()
        else:
            if not self._was_detected():
                self.start_detection()
            self.start_judging()
        self._changed()

    def close(self) -> None:
        """End the workers and give everything back; the ledger is complete already."""
        if self._closed:
            return
        self._closed = True
        if self._scan is not None:
            self._scan.close()
        desks = (self._workers, self._desk, self.cutting, self.after, self.map, self.tint)
        for part in (*desks, self.viewer, self.quality):
            part.close()
        self.session.close()
        self._datastack.close()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener on the owner's thread after every change."""
        self._listeners.append(listener)

    @property
    def datastack_address(self) -> str:
        """What opens the datastack again."""
        return self._datastack.address

    # ---- intents -------------------------------------------------------------------

    def select(self, site_id: str) -> None:
        """Make a site the current one."""
        self._second.leave()
        self._looking.came_to(site_id)
        if not self._place.go(site_id):
            self.notify(Level.WARNING, "That site is not in this session.")
        self._changed()

    def choose_partner(self, index: int) -> None:
        """Ask the question of another partner of the current site."""
        site = self._place.site
        if site is not None and 0 <= index < len(site.partners):
            self._place.show(site, index)
            self._changed()

    def answer(self, answer: Answer, *, reason: str = "") -> None:
        """Record an answer to the current question and go to the next open site.

        One that a sure judge contradicts has to be given twice, if the person wants that.
        """
        site = self._place.site
        if site is None:
            self.notify(Level.INFO, "There is nothing to answer yet.")
            return
        current = self.snapshot().current
        if self._second.asks(site.id, answer, None if current is None else current.verdict):
            self._changed()
            return
        upcoming = self.queue.next_open(site.id)
        hidden = self.quality.hides(site.id)
        made = self._answers.give(
            self._place,
            answer,
            reason,
            verdict_visible=not hidden,
            cut=self.cutting.outcome(answer),
        )
        self.cutting.leave()
        if made is not None:
            self._measured(made, current.pictures if current is not None else None)
        self._learning.decided()
        self._follower.show_aside()
        if upcoming:
            self.select(upcoming[0])
        else:
            self._end_of_queue()
        self._changed()

    def _measured(self, decision: Decision, pictures: SitePictures | None) -> None:
        """Keep what the answer was based on, and let the figures follow it."""
        suggestion = self.quality.answered(decision, pictures)
        settled = self._answers.changed_by(decision)
        self.quality.changed(settled[1:])
        self._follower.unveil(settled)
        if suggestion and self._suggests_breaks:
            self.notify(Level.INFO, suggestion)

    def put_point(self, side: CutSide) -> None:
        """Put a point of a cut where the mouse is."""
        self.tint.leave()
        self._told(self.cutting.point(side))

    def preview_cut(self) -> None:
        """Show what the cut between the points would do."""
        self._told(self.cutting.preview())

    def make_cut(self) -> None:
        """Accept the cut that was previewed; it waits for the export like every edit."""
        if not self.cutting.active:
            self._told(self.cutting.preview())
        elif self.cutting.may_cut():
            self.answer(Answer.ACCEPT)

    def toggle_tint(self) -> None:
        """Tint the parts of A whose sites are answered, or stop that."""
        self._told(CUTTING if self.cutting.active else self.tint.toggle())

    def toggle_after(self) -> None:
        """Show what the edit in question would leave, or again what is there."""
        self._told(self.cutting.toggle() if self.cutting.active else self.after.toggle())

    def _told(self, trouble: str) -> None:
        if trouble:
            self.notify(Level.INFO, trouble)
        self._changed()

    def look_through(self, lane: Lane | None, order: QueueOrder) -> None:
        """Look through the sites of a lane (None: of all) in an order."""
        site = self._place.site
        self._looking.choose(lane, order, None if site is None else site.id)
        self._changed()

    def view_box(self) -> str:
        """Return the filter's word for the region that Neuroglancer shows."""
        return view_box(self.viewer.view_state())

    def toggle_overlay(self) -> None:
        """Show on the pictures where the judge looked, or hide it again."""
        self._why.toggle_overlay()
        self._changed()

    def toggle_why(self) -> None:
        """Unfold the judge's reasons, or fold them."""
        self._why.toggle_open()
        self._changed()

    def ask_twice(self, *, wanted: bool) -> None:
        """Ask back, once for a site, where an answer contradicts a sure judge; or never."""
        self._second.wanted = wanted

    def suggest_breaks(self, *, wanted: bool) -> None:
        """Say it once when a person has answered for long, or never."""
        self._suggests_breaks = wanted

    def hide_below(self, limit: float) -> None:
        """Show no open site that is less probable than this; what has an answer stays."""
        self._hide_below = limit
        self._show_limit()

    def toggle_improbable(self) -> None:
        """Show the improbable sites, too, or hide them again."""
        self._showing_all = not self._showing_all
        self._show_limit()

    def undo(self) -> None:
        """Take back the person's last answer, and its edit if that was sent already.

        Where others have built on that edit, nothing happens before `answer_undo`.
        """
        decision = self.session.ledger.state.last_undoable()
        if self._undoing.busy:
            self.notify(Level.INFO, "The last undo is not finished yet.")
        elif decision is None:
            self.notify(Level.INFO, "There is nothing to undo.")
        else:
            self._undoing.undo(decision)

    def answer_undo(self, *, confirmed: bool) -> None:
        """Undo the edit after all, or leave it."""
        self._undoing.answer(confirmed=confirmed)
        self._changed()

    def redo(self) -> None:
        """Give the answer again that was taken back last."""
        decision = self.session.ledger.redo()
        if decision is None:
            self.notify(Level.INFO, "There is nothing to redo.")
            return
        record = self.session.ledger.state.edit_of(decision.id)
        if record is not None and record.state is EditState.UNDONE:
            self._desk.requeue(record.edit.id)
        self._after_history(decision)

    def next(self) -> None:
        """Go one row down without answering; never wraps."""
        if not self._place.step(+1):
            self.notify(Level.INFO, "That is the last site of the queue.")
        self._changed()

    def previous(self) -> None:
        """Go one row up without answering; never wraps."""
        if not self._place.step(-1):
            self.notify(Level.INFO, "That is the first site of the queue.")
        self._changed()

    def start_detection(self) -> None:
        """Look for sites in the background."""
        if not self._jobs.running("detect"):
            self._jobs.start("detect", "detecting")
            self._workers.to_detector(Detect())
            self._changed()

    def start_judging(self, *, again: bool = False) -> None:
        """Let the model judge what has no verdict."""
        if not self._jobs.running("judge"):
            self._jobs.start("judge", "judging")
            self._workers.to_judge(JudgeAll(again=again))
            self._changed()

    def retry_failed(self) -> None:
        """Judge sites again whose verdict failed."""
        self.start_judging(again=True)

    def ask_language(self) -> None:
        """Ask the language model about the site on the screen."""
        if self._place.site is not None:
            self._language.ask(self._place.site.id)

    def use_words(self, words: Mapping[str, str]) -> None:
        """Ask the language model with these words from now on, first about this site.

        Raises
        ------
        InputError, StorageError
            If they cannot be kept with the session.
        """
        site = self._place.site
        self._language.use_words(words, None if site is None else site.id)
        self._changed()

    def plan_export(self, done: Callable[[EditList], None]) -> None:
        """List the edits in the background: at once as they are known, then as they are now."""
        self._desk.plan(done)

    def look_again(
        self, action: SecondLook, edits: Sequence[PlannedEdit], done: Callable[[str], None]
    ) -> None:
        """Do what the person decided about edits that were not simply sent.

        `done` is called with what did not work, or with nothing.
        """

        def told(trouble: str) -> None:
            done(trouble)
            self._changed()

        self._desk.look_again(action, edits, told)

    def start_export(self) -> None:
        """Send accepted edits in the background."""
        if not self._jobs.running("export"):
            self._jobs.start("export", "exporting")
            self._desk.export(self._export_changed)
            self._changed()

    def save_tables(self, folder: Path) -> list[Path]:
        """Write all decisions as CSV and JSON and return the files."""
        return self._desk.save_tables(folder)

    def cancel(self, job: str) -> None:
        """Stop a background job; what it has done stays."""
        if job == "export":
            self._desk.cancel()
            return
        send = self._workers.to_detector if job == "detect" else self._workers.to_judge
        send(Cancel(job))

    def dismiss_notice(self, notice: Notice) -> None:
        """Take a notice away."""
        self._notices = [known for known in self._notices if known is not notice]
        self._changed()

    def notify(self, level: Level, text: str, remedy: str = "") -> None:
        """Show a notice; the same one is shown once."""
        notice = Notice(level, text, remedy)
        if notice not in self._notices:
            self._notices.append(notice)
        self._changed()

    # ---- the picture of everything ---------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return what the window shows now."""
        state = self.session.ledger.state
        detecting = self._jobs.running("detect")
        per_hour, median = self.quality.pace
        site = self._place.site
        decision = state.decision(site.id) if site is not None else None
        answer = decision.answer if decision is not None else None
        veiled = site is not None and self.quality.hides(site.id)
        current = self._place.tracker.current(answer, self._judge, veiled=veiled)
        last = state.last_undoable()
        return Snapshot(
            session_name=self.session.name,
            datastack_name=self._datastack.name,
            progress=Progress(self.queue.answered, self.queue.questions, per_hour, median),
            outbox=outbox_of(state),
            judge=self._judge,
            jobs=self._jobs.all(),
            queue_phase=queue_phase(self.queue.total, detecting=detecting),
            queue_text=queue_text(self.queue.total, detecting=detecting),
            current=current,
            last_answer=last_answer(last, len(state.followers(last.id)) if last else 0),
            can_undo=last is not None,
            can_redo=state.last_redoable() is not None,
            notices=tuple(self._notices),
            undo_question=self._undoing.question,
            hidden=Hidden(
                improbable=self.queue.count(Sight.LOW),
                same=self.queue.count(Sight.SAME),
                joined=self.queue.count(Sight.JOINED),
                limit=self._limit,
                wanted_limit=self._hide_below,
            ),
            learned=self._learning.learned.words,
            language=self._language.status,
            through=self._looking.through(None if site is None else site.id),
            doubt=self._second.doubt,
            why=self._why.of(current),
            cut=self.cutting.view(),
            after=self.after.view(),
        )

    # ---- what the others say -----------------------------------------------------------

    def _take(self, reply: Reply) -> None:
        if self._closed:
            return
        match reply:
            case Changed():
                self.follow_soon()
                return
            case Looked():
                self._looked(reply)
            case Explained():
                self._why.take(reply)
            case LearnedSo():
                self._learning.take(reply)
            case RootsFound() | RootsReplaced():
                self._roots.take(reply)
                self._follower.show_aside()
                self._looking.record_aside()
            case JudgeReady():
                phase = Phase.FAILED if reply.message else Phase.READY
                self._judge = JudgeStatus(phase, reply.model, reply.provider, reply.message)
            case JobProgress() | JobDone() | JobFailed():
                self._job_said(reply)
            case LanguageState():
                self._language.take(reply)
        self._changed()

    def _watch(self, folder: Path) -> ScanWatch:
        """Follow a scan from now on; what its thread says is taken on the owner's."""
        note_scan(self.session.artifacts, folder)

        def told(event: JobProgress | JobDone | JobFailed) -> None:
            self._post(lambda: self._take(event))

        return ScanWatch(folder, self.session.catalogue.path, told)

    def _job_said(self, reply: JobProgress | JobDone | JobFailed) -> None:
        if reply.job not in QUIET:
            self._jobs.take(reply)
        if isinstance(reply, JobFailed):
            self.notify(Level.ERROR, reply.message, reply.hint)
        elif isinstance(reply, JobDone) or reply.job == SCAN:
            self.follow()
            if reply.job == "detect":
                self.start_judging()

    def _looked(self, reply: Looked) -> None:
        if reply.lost_graphics and self._workers.renew_judge():
            return  # A new process is asked for the same pictures.
        self._place.looked(reply)
        self._roots.looked(reply, self.session.catalogue.site(reply.site_id))
        self._follower.show_aside()

    def _workers_restarted(self) -> None:
        """Ask anew for what the lost process will never answer."""
        self._language.begin()
        self._place.tracker.forget_requests()
        self._why.forget()
        self._roots.forget_requests()
        self._learning.forget_requests()
        if self._scan is not None:
            return
        if not self._was_detected():
            self._workers.to_detector(Detect())
        self._workers.to_judge(JudgeAll())

    def _workers_gave_up(self) -> None:
        """Say so and leave the rest usable."""
        self._judge = JudgeStatus(Phase.FAILED, "", "", "The worker process keeps ending.")
        self.notify(
            Level.ERROR,
            "The background process ended several times.",
            "Your answers are safe. Run proofdesk doctor, then open the session again.",
        )

    def follow(self) -> None:
        """Take in one page of news, and the next one later, so that the window can breathe."""
        self._following = False
        if self._closed:
            return
        self._place.tracker.heard()
        # First what can be listed; what triage has not heard of stays hidden where it might be.
        listing = self._follower.follow()
        more = listing or self.quality.follow()
        self.quality.tell(self.queue)
        if more:
            self.follow_soon()
        else:
            self._looking.settle()
            self._roots.check_once()
            if not self._jobs.running("judge"):
                # What was learned may have changed the order; while all are judged it never rests.
                self._place.look_ahead()
        if self._place.site is None and not listing:
            # Not before all are listed: where the person was may come with the last page.
            self._place.go_back()
        self._changed()

    def follow_soon(self) -> None:
        """Take in news when the loop comes round, once however often it is said."""
        if not self._following:
            self._following = True
            self._post(self.follow)

    def _export_changed(self, outcome: JobProgress | JobDone | JobFailed) -> None:
        self._jobs.take(outcome)
        if not isinstance(outcome, JobProgress):
            self._after_edits()
        if isinstance(outcome, JobFailed):
            self.notify(Level.ERROR, outcome.message, outcome.hint)
        self._changed()

    def _after_edits(self) -> None:
        """Edits changed roots: what was drawn or is asked of them is looked at again."""
        used_up = used_up_roots(self.session.ledger.state)
        self._roots.replaced(used_up)
        self._place.edited(used_up)

    # ---- inside --------------------------------------------------------------------------

    def _make_viewer(self) -> SiteViewer:
        sources = self._datastack.viewer_sources()
        bounds = self._datastack.segmentation.scales[0].bounds_nm
        # A workbench without token origins never asks for a token.
        sites = self.session.catalogue.counts().sites
        return SiteViewer(sources, bounds, token_for=sources.token_for, expected_sites=sites)

    def _set_contrast(self) -> None:
        """Stretch the grey values of the slices; on a thread, because a server may be slow."""
        if self._datastack.imagery is None:
            return
        try:
            low, high = grey_range(self._datastack.imagery)
        except ProofdeskError:
            return  # The page then shows the full range, and says itself what it cannot load.
        self.viewer.set_contrast(low, high)

    def _end_of_queue(self) -> None:
        """Go back to the top, and say so, or say that everything is answered."""
        first = self.queue.next_open(None)
        if first:
            self.select(first[0])
            self.notify(Level.INFO, "That was the last one below; back at the top of the queue.")
        else:
            self.notify(Level.INFO, self._looking.done)

    def _after_history(self, decision: Decision) -> None:
        """Show a site whose answer came or went by undo or redo."""
        self.quality.changed(self._answers.changed_by(decision))
        self._answers.show(self._answers.changed_by(decision))
        self._follower.show_aside()
        self.select(decision.site_id)

    @property
    def _limit(self) -> float:
        return 0.0 if self._showing_all else self._hide_below

    def _show_limit(self) -> None:
        self.queue.hide_below(self._limit)
        self.viewer.filter_sites(least_probability=self._limit)
        self._changed()

    def _was_detected(self) -> bool:
        return (self.session.folder / "artifacts" / DETECTED).exists()

    def _changed(self) -> None:
        if not self._closed:
            self.cutting.follow()
            self.after.follow()
            if self.cutting.active:
                self.tint.leave()
            self.tint.follow()
            for listener in list(self._listeners):
                listener()


def launch(opened: Opened, post: Post) -> Workbench:
    """Return a workbench that starts its work as soon as the owner's loop runs."""
    workbench = Workbench(opened, post)
    post(workbench.start)
    return workbench
