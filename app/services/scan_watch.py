"""A window that follows a scan: what it finds and judges comes into the session as it grows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from app.services.scan_following import ScanFollower
from app.services.worker.messages import JobDone, JobFailed, JobProgress
from connectome.closing import Closing
from connectome.errors import ProofdeskError
from proofreading.catalogue import Catalogue

__all__ = ["JOB", "ScanWatch"]

JOB = "scan"
_EVERY_S = 1.0

Told = JobProgress | JobDone | JobFailed


class ScanWatch(Closing):
    """Adds what a scan has found to a catalogue, on a thread and with a handle of its own.

    Parameters
    ----------
    folder : Path
        The scan's.
    catalogue : Path
        The session's.
    tell : callable
        Called on that thread after every addition, and when there is nothing more to add.
    """

    def __init__(self, folder: Path, catalogue: Path, tell: Callable[[Told], None]) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._tell = tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scan")

    def start(self) -> None:
        """Begin to follow, from where the session's last follower ended."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the file that is being added."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            with Catalogue.open(self._catalogue) as catalogue:
                self._follow(catalogue)
        except ProofdeskError as error:
            self._tell(JobFailed(JOB, error.message, error.hint))

    def _follow(self, catalogue: Catalogue) -> None:
        follower = ScanFollower(self._folder, catalogue)
        told: bool | None = None
        while not self._stop.is_set():
            found = follower.poll(files=1)
            done = found.complete and not found.files
            if found.files or done != told:
                told = done
                self._tell(self._state(catalogue, done=done))
            if not found.files:
                self._stop.wait(_EVERY_S)

    def _state(self, catalogue: Catalogue, *, done: bool) -> Told:
        counts = catalogue.counts()
        if done:
            return JobDone(JOB, f"{counts.sites:,} sites, {counts.judged:,} judged")
        return JobProgress(JOB, f"following the scan: {counts.sites:,} sites", None)
