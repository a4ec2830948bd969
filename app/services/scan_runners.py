"""Who does the tasks of a scan: this process, worker processes of this machine, or a cluster."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import islice
from typing import Any, Protocol

from app.services.scan_units import Job, JudgeUnit, Outcome, Unit, execute, release
from connectome.closing import Closing
from connectome.errors import MissingPackageError, OfflineError, ProofdeskError

__all__ = ["DaskRunner", "HereRunner", "Runner", "open_runner", "problem_of", "slurm_cluster"]

TRIES = 3
IN_FLIGHT = 3
"""Tasks for each worker that are handed out at a time: a reserve, and no more."""
START_SECONDS = 60.0
_JOB = {"cores": 1, "processes": 1, "memory": "8 GiB"}


class Runner(Protocol):
    """Does tasks, in any order."""

    @property
    def workers(self) -> int:
        """How many work at a time."""
        ...

    @property
    def dashboard(self) -> str:
        """Address of Dask's own page, empty if there is none."""
        ...

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        """Do the tasks and yield what became of each, as they end."""
        ...

    def close(self) -> None:
        """Give the workers back."""
        ...


class HereRunner(Closing):
    """Does one task after the other, in this process."""

    workers = 1
    dashboard = ""

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        """Do the tasks in their order."""
        for unit in units:
            yield _tried(job, unit)

    def close(self) -> None:
        """Close the datastack that tasks opened."""
        release()


def _tried(job: Job, unit: Unit) -> Outcome:
    began = time.perf_counter()
    for again in reversed(range(TRIES)):
        try:
            return execute(job, unit)
        except ProofdeskError as error:
            if not again:
                return Outcome(unit, 0, time.perf_counter() - began, problem_of(error))
    raise AssertionError


class DaskRunner(Closing):
    """Does tasks on the workers of a Dask scheduler.

    A worker that is lost loses only the tasks in its hands; they are done by another. Tasks
    of models go to workers that offer a ``GPU``, if there are any.

    Parameters
    ----------
    client : distributed.Client
        Connected; closed with this.
    cluster : object or None
        What started the workers, closed with this.
    """

    def __init__(self, client: Any, cluster: Any = None) -> None:
        self.client = client
        self.cluster = cluster

    @property
    def workers(self) -> int:
        """How many threads the workers have together, at least 1."""
        return max(1, int(sum(self.client.nthreads().values())))

    @property
    def dashboard(self) -> str:
        """Address of Dask's own page."""
        return str(self.client.dashboard_link or "")

    def run(self, job: Job, units: Iterable[Unit]) -> Iterator[Outcome]:
        """Do the tasks, never handing out many more than there are workers."""
        remaining = iter(units)
        going: dict[Any, Unit] = {}
        done = _package("distributed").as_completed()
        self._hand_out(job, remaining, going, done)
        while going:
            future = next(done)
            unit = going.pop(future)
            yield _outcome(future, unit)
            future.release()
            self._hand_out(job, remaining, going, done)

    def _hand_out(self, job: Job, units: Iterator[Unit], going: dict[Any, Unit], done: Any) -> None:
        room = IN_FLIGHT * self.workers - len(going)
        gpu = self._has_gpus()
        for unit in islice(units, max(0, room)):
            needs = {"GPU": 1} if gpu and isinstance(unit, JudgeUnit) else None
            # `pure=False`: a task of an earlier run, whose file was deleted, is done again.
            future = self.client.submit(
                execute, job, unit, pure=False, retries=TRIES - 1, resources=needs
            )
            going[future] = unit
            done.add(future)

    def _has_gpus(self) -> bool:
        workers = self.client.scheduler_info(n_workers=-1).get("workers", {})
        return any("GPU" in each.get("resources", {}) for each in workers.values())

    def close(self) -> None:
        """Let the workers go."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def _outcome(future: Any, unit: Unit) -> Outcome:
    try:
        found: Outcome = future.result()
    # Whatever a task or a lost worker died of, the other tasks go on; it is reported.
    except Exception as error:  # noqa: BLE001
        return Outcome(unit, 0, 0.0, problem_of(error))
    return found


def problem_of(error: Exception) -> str:
    """Return what went wrong, as one line."""
    if isinstance(error, ProofdeskError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]


def open_runner(scheduler: str | None, workers: int) -> Runner:
    """Return who does the tasks.

    Parameters
    ----------
    scheduler : str or None
        ``local`` for worker processes of this machine, ``slurm`` for jobs as
        ``jobqueue.yaml`` of dask-jobqueue describes them, or the address of a running
        scheduler. None means this process alone, or ``local`` for several workers.
    workers : int
        How many; a running scheduler brings its own.

    Raises
    ------
    MissingPackageError
        If Dask (or dask-jobqueue) is not installed.
    OfflineError
        If no scheduler answers at the address.
    """
    if scheduler is None and workers <= 1:
        return HereRunner()
    try:
        return _dask_runner(scheduler or "local", max(1, workers))
    except ImportError as error:
        raise MissingPackageError(
            f"The package {error.name} is not installed.",
            "Install Proofdesk with the extra `cluster`.",
        ) from error


def _dask_runner(scheduler: str, workers: int) -> DaskRunner:
    cluster: Any = None
    if scheduler == "local":
        cluster = _local_cluster(workers)
    elif scheduler == "slurm":
        cluster = slurm_cluster()
        cluster.scale(jobs=workers)
    try:
        client = _package("distributed").Client(cluster or scheduler, timeout=START_SECONDS)
        return DaskRunner(client, cluster)
    except (OSError, ValueError) as error:
        if cluster is not None:
            with suppress(OSError):
                cluster.close()
        raise OfflineError(
            f"No Dask scheduler answers at {scheduler}.", "Check the address, or use `local`."
        ) from error


def slurm_cluster() -> Any:
    """Return a scheduler whose workers are SLURM jobs, none of them started yet.

    ``jobqueue.yaml`` of dask-jobqueue says what a job is; what it leaves open is one thread
    and 8 GiB.

    Raises
    ------
    ImportError
        If dask-jobqueue is not installed.
    """
    jobqueue = _package("dask_jobqueue")
    said = _package("dask").config.get("jobqueue.slurm", {})
    missing = {name: value for name, value in _JOB.items() if said.get(name) is None}
    return jobqueue.SLURMCluster(**missing)


def _local_cluster(workers: int) -> Any:
    # A thread each: what tasks call holds the interpreter, or has threads of its own.
    return _package("distributed").LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        # Lost workers are no news: their tasks are done by others, and counted.
        silence_logs=logging.CRITICAL,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
    )


def _package(name: str) -> Any:
    """Import one of Dask's packages, which state types for few of their functions."""
    return import_module(name)
