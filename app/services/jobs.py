"""The table of background jobs that the window shows."""

from __future__ import annotations

from dataclasses import replace

from app.services.model import Job, Phase
from app.services.worker.messages import JobDone, JobFailed, JobProgress

__all__ = ["JobTable"]


class JobTable:
    """Jobs by name, in order of their start; ended ones stay until the next start."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def all(self) -> tuple[Job, ...]:
        """Return every job that runs or has something to say."""
        return tuple(self._jobs.values())

    def running(self, name: str) -> bool:
        """Tell whether a job runs."""
        job = self._jobs.get(name)
        return job is not None and job.phase is Phase.LOADING

    def start(self, name: str, label: str) -> None:
        """Note that a job was asked for."""
        self._jobs[name] = Job(name, label, Phase.LOADING, None)

    def take(self, event: JobProgress | JobDone | JobFailed) -> None:
        """Note what a worker says of a job."""
        known = self._jobs.get(event.job) or Job(event.job, event.job, Phase.LOADING, None)
        if isinstance(event, JobProgress):
            changed = replace(
                known, label=event.label, fraction=event.fraction, phase=Phase.LOADING
            )
        elif isinstance(event, JobDone):
            changed = replace(known, phase=Phase.READY, fraction=1.0, text=event.text)
        else:
            text = f"{event.message} {event.hint}".strip()
            changed = replace(known, phase=Phase.FAILED, fraction=None, text=text)
        self._jobs[event.job] = changed
