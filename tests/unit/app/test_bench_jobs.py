"""Background jobs of the window: each once, resumed when a worker is lost, failed when it keeps."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import cast

from app.services.bench_jobs import BenchJobs
from app.services.desks import Desks
from app.services.hearing import JUDGE_AGAIN, Hearing
from app.services.jobs import JobTable
from app.services.model import Job, Phase
from app.services.worker.messages import Cancel, Command, JobDone, JudgeAll
from app.services.workers import Worker


class Bench:
    """Jobs and hearing on parts that only note what is asked of them."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.told: list[str] = []
        table = JobTable()
        parts = SimpleNamespace(
            jobs=table,
            scan=None,
            workers=SimpleNamespace(to_ranker=self.asked.append),
            language=SimpleNamespace(look_back=lambda: self.told.append("look back")),
            learning=SimpleNamespace(forget_requests=lambda: self.told.append("learn anew")),
        )
        desks = cast(Desks, parts)
        self.jobs = BenchJobs(desks)
        self.hearing = Hearing(desks, self.jobs, lambda action: action(), lambda: None)
        self._table = table

    @property
    def judging(self) -> Job:
        (job,) = self._table.all()
        return job


def test_judging_is_asked_for_once_and_again_when_it_was_lost() -> None:
    bench = Bench()
    assert bench.jobs.judge()
    assert not bench.jobs.judge()
    bench.hearing.restarted(Worker.RANKER)
    assert bench.asked == [JudgeAll(), JudgeAll()]
    assert bench.told == ["learn anew"]


def test_what_was_cancelled_is_not_taken_up_by_a_new_process() -> None:
    bench = Bench()
    bench.jobs.judge()
    bench.jobs.cancel("judge")
    bench.jobs.said(JobDone("judge", "cancelled"))
    bench.hearing.restarted(Worker.RANKER)
    assert bench.asked == [JudgeAll(), Cancel("judge")]


def test_judging_that_keeps_being_lost_has_failed_and_can_be_retried() -> None:
    bench = Bench()
    bench.jobs.judge()
    bench.hearing.gave_up(Worker.RANKER)
    assert bench.judging.phase is Phase.FAILED
    assert JUDGE_AGAIN in bench.judging.text
    # What draws and judges the sites that are looked at has not failed.
    assert bench.hearing.judge.phase is Phase.LOADING
    assert bench.jobs.judge(again=True)
    assert bench.asked == [JudgeAll(), JudgeAll(again=True)]
    assert bench.told == ["look back"]


def test_what_is_there_at_the_start_is_not_collected_again() -> None:
    script = (
        "import gc, sys; from app.ui.steady import SWITCH_S, keep_steady; keep_steady();"
        "print(gc.get_freeze_count() > 1000, sys.getswitchinterval() == SWITCH_S)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "True"]
