"""Worker processes: a lost one is started again, a few times."""

from __future__ import annotations

import os
import queue
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from app.services.detecting import detect_into
from app.services.worker.messages import Detect, JobDone, JudgeAll, Judged, Reply
from app.services.worker.process import Work
from app.services.workers import RESTARTS, Worker, Workers
from connectome.offline.ingest import IngestRequest, ingest
from proofreading.session import Session
from proofreading.verdicts import Task

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


class Owner:
    """Stands for the window's thread: runs what is posted, when asked to."""

    def __init__(self, session: Path, address: Path) -> None:
        self._posted: queue.Queue[Callable[[], None]] = queue.Queue()
        self.replies: list[Reply] = []
        self.events: list[str] = []
        self.workers = Workers(
            Work(session, str(address)),
            self._posted.put,
            take=self.replies.append,
            restarted=lambda worker: self.events.append(f"{worker} restarted"),
            gave_up=lambda worker: self.events.append(f"{worker} given up"),
        )

    def until(self, condition: Callable[[], bool]) -> None:
        # What judges all is the least of a busy machine's processes.
        end = time.monotonic() + 240
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
        os.kill(owner.workers.pids[Worker.DETECTOR], signal.SIGKILL)
        owner.until(lambda: len(owner.events) > loss)  # noqa: B023
    assert owner.events == ["detector restarted"] * RESTARTS
    owner.workers.to_detector(Detect())
    owner.until(lambda: any(isinstance(r, JobDone) for r in owner.replies))
    os.kill(owner.workers.pids[Worker.DETECTOR], signal.SIGKILL)
    owner.until(lambda: owner.events[-1] == "detector given up")


def test_what_lost_its_graphics_is_started_anew_once(owner: Owner) -> None:
    before = owner.workers.pids
    assert owner.workers.renew_drawer()
    owner.until(lambda: owner.events == ["drawer restarted"])
    assert owner.workers.pids[Worker.DETECTOR] == before[Worker.DETECTOR]
    assert owner.workers.pids[Worker.DRAWER] != before[Worker.DRAWER]
    assert not owner.workers.renew_drawer()


def test_what_judges_all_is_started_when_asked_and_again_after_it_was_given_up(
    owner: Owner,
) -> None:
    assert Worker.RANKER not in owner.workers.pids
    for _ in range(RESTARTS + 1):
        losses = len(owner.events)
        owner.workers.to_ranker(JudgeAll())
        os.kill(owner.workers.pids[Worker.RANKER], signal.SIGKILL)
        owner.until(lambda: len(owner.events) > losses)  # noqa: B023
    assert owner.events == [*["ranker restarted"] * RESTARTS, "ranker given up"]
    assert Worker.RANKER not in owner.workers.pids
    owner.workers.to_ranker(JudgeAll())
    owner.until(lambda: any(isinstance(r, JobDone) for r in owner.replies))


def test_closing_ends_all_processes(owner: Owner) -> None:
    owner.workers.to_ranker(JudgeAll())
    pids = owner.workers.pids
    assert set(pids) == set(Worker)
    owner.workers.close()
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_judges_all_is_killed_and_judges_all_the_same_nothing_twice(
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxruntime", reason="judges need the extra `models`")
    address, session = _cubes(tmp_path), tmp_path / "s.proofdesk"
    found = detect_into(str(address), session, report=lambda _label, _fraction: None)
    assert found.sites > 8
    owner = Owner(session, address)
    owner.workers.to_ranker(JudgeAll())
    owner.until(lambda: any(isinstance(r, Judged) for r in owner.replies))
    os.kill(owner.workers.pids[Worker.RANKER], signal.SIGKILL)
    owner.until(lambda: owner.events == ["ranker restarted"])
    with Session.open(session) as opened:
        assert opened.catalogue.counts().judged
    owner.workers.to_ranker(JudgeAll())
    owner.until(lambda: any(isinstance(r, JobDone) for r in owner.replies))
    owner.workers.close()
    with Session.open(session) as opened:
        asked = [site for site in opened.catalogue.sites() if site.partners]
        for site in asked:
            said = opened.catalogue.verdicts(site.id, Task.SPLIT_ERROR_CORRECTION)
            voices = Counter((v.partner_supervoxel, v.provenance.model_id) for v in said)
            assert set(voices.values()) == {1}
            assert {partner for partner, _ in voices} == {p.supervoxel for p in site.partners}


def _cubes(folder: Path) -> Path:
    """Return a datastack of cubes that touch, in tissue of noise."""
    edge, size = 24, 48
    places = np.indices((size, size, size)) // edge
    labels = (1 + np.ravel_multi_index(list(places), (2, 2, 2))).astype(np.uint64)
    tissue = np.random.default_rng(0).integers(60, 200, labels.shape).astype(np.uint8)
    ingest(
        IngestRequest(
            segmentation=labels,
            supervoxels=labels,
            em=tissue,
            resolution_nm=(20.0, 20.0, 20.0),
            name="offline_cubes",
            out=folder / "cubes",
        ),
        lambda _label, _fraction: None,
    )
    return folder / "cubes"
