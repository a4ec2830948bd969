"""The background jobs of an open session: detecting, judging, exporting, following a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.detecting import DETECTED
from app.services.model import Level
from app.services.scan_watch import JOB as SCAN
from app.services.worker.messages import Cancel, Detect, JobDone, JobFailed, JobProgress, JudgeAll

if TYPE_CHECKING:
    from app.services.desks import Desks

__all__ = ["BenchJobs"]

QUIET = ("roots", "learn", "verdict")
"""Jobs that are done before anybody could read of them; only their failure is told."""


class BenchJobs:
    """Starts jobs, each once, and keeps what is said of them."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks
        self._table = desks.jobs

    def begin(self) -> None:
        """Begin what a session needs that was just opened."""
        scan = self._desks.scan
        if scan is not None:
            # Sites and verdicts come from there.
            self._table.start(SCAN, "following the scan")
            scan.start()
            return
        if not self._was_detected():
            self.detect()
        self.judge()

    def detect(self) -> bool:
        """Look for sites; tell whether that was not under way."""
        if self._table.running("detect"):
            return False
        self._table.start("detect", "detecting")
        self._desks.workers.to_detector(Detect())
        return True

    def judge(self, *, again: bool = False) -> bool:
        """Let the models judge what has no verdict; tell whether that was not under way."""
        if self._table.running("judge"):
            return False
        self._table.start("judge", "judging")
        self._desks.workers.to_ranker(JudgeAll(again=again))
        if again:
            self._desks.language.look_back()
        return True

    def detect_again(self) -> None:
        """Go on detecting in a new process, if that is not done."""
        if self._desks.scan is None and not self._was_detected():
            self._desks.workers.to_detector(Detect())

    def judge_again(self) -> None:
        """Go on judging in a new process, if that was under way."""
        if self._table.running("judge"):
            self._desks.workers.to_ranker(JudgeAll())

    def cancel(self, job: str) -> None:
        """Stop a job; what it has done stays."""
        if job == "export":
            self._desks.export.cancel()
            return
        workers = self._desks.workers
        send = workers.to_detector if job in ("detect", "roots") else workers.to_ranker
        send(Cancel(job))

    def said(self, reply: JobProgress | JobDone | JobFailed) -> bool:
        """Take what is said of a job; tell whether there may be news in the catalogue."""
        if reply.job not in QUIET:
            self._table.take(reply)
        if isinstance(reply, JobFailed):
            self._desks.notices.notify(Level.ERROR, reply.message, reply.hint)
            return False
        if isinstance(reply, JobDone) and reply.job == "detect":
            self.judge()
        return isinstance(reply, JobDone) or reply.job == SCAN

    def _was_detected(self) -> bool:
        return (self._desks.session.folder / "artifacts" / DETECTED).exists()
