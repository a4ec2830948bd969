"""What workers, the exporter and a scan say, on the owner's thread, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.bench_jobs import BenchJobs
from app.services.model import JudgeStatus, Level, Phase
from app.services.summary import used_up_roots
from app.services.worker.messages import (
    Changed,
    Explained,
    JobDone,
    JobFailed,
    JobProgress,
    Judged,
    JudgeReady,
    LanguageState,
    LearnedSo,
    Looked,
    Reply,
    RootsFound,
    RootsReplaced,
)
from app.services.workers import Post, Worker

if TYPE_CHECKING:
    from app.services.desks import Desks

__all__ = ["Hearing"]

RANKER_LOST = "The process that judges all sites ended several times."
JUDGE_AGAIN = "Those that you look at are judged all the same; retry, or run proofdesk doctor."


class Hearing:
    """Takes replies one by one, and news of the catalogue page by page.

    Parameters
    ----------
    desks : Desks
        Whom it concerns.
    jobs : BenchJobs
        The background jobs.
    post : callable
        Runs a callable soon on the owner's thread.
    changed : callable
        Called after every change that shows.
    """

    def __init__(
        self, desks: Desks, jobs: BenchJobs, post: Post, changed: Callable[[], None]
    ) -> None:
        self._desks = desks
        self._jobs = jobs
        self._post = post
        self._changed = changed
        self._following = False
        self._closed = False
        self.judge = JudgeStatus(Phase.LOADING, "", "", "loading the model")

    def begin(self) -> None:
        """Begin to follow the catalogue; what it holds already may be read on a thread."""
        self._desks.follower.read_ahead(lambda: self._post(self.follow_soon))
        self.follow()

    def close(self) -> None:
        """Hear nothing any more."""
        self._closed = True

    def take(self, reply: Reply) -> None:
        """Take a reply; what belongs to nobody is dropped."""
        if self._closed:
            return
        if isinstance(reply, Changed | Judged):
            if isinstance(reply, Judged):
                self._desks.language.judged(reply.site_ids)
            self.follow_soon()
            return
        desks = self._desks
        match reply:
            case Looked():
                self._looked(reply)
            case Explained():
                desks.why.take(reply)
            case LearnedSo():
                desks.learning.take(reply)
            case RootsFound() | RootsReplaced():
                desks.roots.take(reply)
                desks.follower.show_aside()
                desks.looking.record_aside()
            case JudgeReady():
                phase = Phase.FAILED if reply.message else Phase.READY
                self.judge = JudgeStatus(phase, reply.model, reply.provider, reply.message)
            case JobProgress() | JobDone() | JobFailed():
                if self._jobs.said(reply):
                    self.follow()
            case LanguageState():
                desks.language.take(reply)
        self._changed()

    def restarted(self, worker: Worker) -> None:
        """Ask anew for what the lost process will never answer."""
        desks = self._desks
        match worker:
            case Worker.DRAWER:
                desks.language.begin()
                desks.place.ask_anew()
                desks.why.forget()
            case Worker.DETECTOR:
                desks.roots.forget_requests()
                self._jobs.detect_again()
            case Worker.RANKER:
                self._jobs.judge_again()
                desks.learning.forget_requests()

    def gave_up(self, worker: Worker) -> None:
        """Say so and leave the rest usable."""
        if worker is Worker.RANKER:
            # Sites that are looked at are judged all the same: this is a state of the job.
            self._desks.jobs.take(JobFailed("judge", RANKER_LOST, JUDGE_AGAIN))
            self._changed()
            return
        self.judge = JudgeStatus(Phase.FAILED, "", "", "The worker process keeps ending.")
        self._desks.notices.notify(
            Level.ERROR,
            "The background process ended several times.",
            "Your answers are safe. Run proofdesk doctor, then open the session again.",
        )

    def follow(self) -> None:
        """Take in one page of news, and the next one later, so that the window can breathe."""
        self._following = False
        if self._closed:
            return
        desks = self._desks
        desks.place.tracker.heard()
        if desks.follower.is_reading:
            return  # What is there from before comes at once, when it has been read.
        # First what can be listed; what triage has not heard of stays hidden where it might be.
        listing = desks.follower.follow()
        more = listing or desks.quality.follow()
        desks.quality.tell(desks.queue)
        if more:
            self.follow_soon()
        else:
            self._settle()
        if desks.place.site is None and not listing:
            # Not before all are listed: where the person was may come with the last page.
            desks.place.go_back()
        self._changed()

    def follow_soon(self) -> None:
        """Take in news when the loop comes round, once however often it is said."""
        if not self._following:
            self._following = True
            self._post(self.follow)

    def exported(self, outcome: JobProgress | JobDone | JobFailed) -> None:
        """Take what the exporter says."""
        self._desks.jobs.take(outcome)
        if not isinstance(outcome, JobProgress):
            self._after_edits()
        if isinstance(outcome, JobFailed):
            self._desks.notices.notify(Level.ERROR, outcome.message, outcome.hint)
        self._changed()

    def _settle(self) -> None:
        """Do what waits until all news are taken in."""
        self._desks.looking.settle()
        self._desks.roots.check_once()
        # What was judged or learned may have changed the order.
        self._desks.place.look_ahead()

    def _looked(self, reply: Looked) -> None:
        desks = self._desks
        if reply.lost_graphics and desks.workers.renew_drawer():
            return  # A new process is asked for the same pictures.
        desks.place.looked(reply)
        desks.roots.looked(reply, desks.session.catalogue.site(reply.site_id))
        desks.follower.show_aside()

    def _after_edits(self) -> None:
        """Edits changed roots: what was drawn or is asked of them is looked at again."""
        used_up = used_up_roots(self._desks.session.ledger.state)
        self._desks.roots.replaced(used_up)
        self._desks.place.edited(used_up)
