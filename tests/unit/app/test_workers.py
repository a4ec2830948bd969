"""Worker processes: a lost one is started again, a few times."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.services.worker.messages import Detect, JobDone, Reply
from app.services.workers import RESTARTS, Workers
from connectome.offline.ingest import IngestRequest, ingest
from proofreading.session import Session

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


class Owner:
    """Stands for the window's thread: runs what is posted, when asked to."""

    def __init__(self, session: Path, address: Path) -> None:
        self._posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.replies: list[Reply] = []
        self.events: list[str] = []
        self.workers = Workers(
            session,
            str(address),
            self._posted.put,
            take=self.replies.append,
            restarted=lambda: self.events.append("restarted"),
            gave_up=lambda: self.events.append("gave up"),
        )

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            try:
                self._posted.get(timeout=max(0.0, end - time.monotonic()))()
            except queue.Empty:
                pytest.fail("the workers said nothing more")


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    labels = np.ones((32, 32, 32), np.uint64)
    labels[:, :, 16:] = 2
    out = tmp_path / "datastack"
    ingest(
        IngestRequest(
            segmentation=labels,
            supervoxels=labels,
            em=np.full(labels.shape, 128, np.uint8),
            resolution_nm=(10.0, 10.0, 10.0),
            name="offline_workers",
            out=out,
        ),
        lambda _label, _fraction: None,
    )
    session = tmp_path / "s.proofdesk"
    Session.open(session, datastack_name="offline_workers", datastack_address=str(out)).close()
    made = Owner(session, out)
    made.workers.start()
    yield made
    made.workers.close()


def test_a_killed_worker_comes_back_and_works_until_it_is_lost_too_often(owner: Owner) -> None:
    for loss in range(RESTARTS):
        os.kill(owner.workers.pids[0], signal.SIGKILL)
        owner.until(lambda: len(owner.events) > loss)  # noqa: B023
    assert owner.events == ["restarted"] * RESTARTS
    owner.workers.to_detector(Detect())
    owner.until(lambda: any(isinstance(r, JobDone) for r in owner.replies))
    os.kill(owner.workers.pids[0], signal.SIGKILL)
    owner.until(lambda: owner.events[-1] == "gave up")


def test_what_lost_its_graphics_is_started_anew_once(owner: Owner) -> None:
    detector, judge = owner.workers.pids
    assert owner.workers.renew_judge()
    owner.until(lambda: owner.events == ["restarted"])
    assert owner.workers.pids[0] == detector
    assert owner.workers.pids[1] != judge
    assert not owner.workers.renew_judge()


def test_closing_ends_both_processes(owner: Owner) -> None:
    pids = owner.workers.pids
    owner.workers.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
