"""Every fault on demand does to an edit exactly what it says."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from connectome.errors import InputError
from connectome.offline.service import Faults, RunningService, serve
from tests.contract.test_caveclient import halves
from tests.contract.volumes import NAME

TABLE = f"/segmentation/api/v1/table/{NAME}"


@pytest.fixture
def web(service: RunningService) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        yield session


class Cut:
    """The two halves of a tube, and the merge of them."""

    def __init__(self, service: RunningService, web: Any, tube: int = 0) -> None:
        self.ids, points = halves(service, tube)
        self._body = json.dumps([[i, *p] for i, p in zip(self.ids, points, strict=True)])
        self._service, self._web = service, web

    def merge(self) -> Any:
        """Ask for the merge."""
        return self._web.post(f"{self._service.url}{TABLE}/merge", data=self._body, timeout=10)

    def roots(self) -> list[int]:
        """Return the roots that the service tells."""
        body = np.array(self.ids, "<u8").tobytes()
        answer = self._web.post(f"{self._service.url}{TABLE}/roots_binary", data=body, timeout=10)
        return [int(i) for i in np.frombuffer(answer.content, "<u8")]

    def joined(self) -> bool:
        """Tell whether the merge was applied, whatever was answered."""
        truth = self._service.engine.roots(np.array(self.ids, np.uint64))
        return len(set(truth.tolist())) == 1


@pytest.fixture
def cut(service: RunningService, web: Any) -> Cut:
    return Cut(service, web)


def test_without_faults_nothing_happens(service: RunningService, cut: Cut) -> None:
    assert cut.merge().status_code == 200
    assert cut.joined()
    assert service.faults.happened() == {}


@pytest.mark.parametrize(("fault", "applied"), [("drop-before", False), ("drop-after", True)])
def test_dropped_connections(service: RunningService, cut: Cut, fault: str, applied: bool) -> None:
    service.faults.switch_on(f"{fault}:merge:n=1")
    with pytest.raises(requests.ConnectionError):
        cut.merge()
    assert cut.joined() is applied
    assert service.faults.happened() == {f"{fault}:merge:n=1": 1}
    # Once was asked for: now the second one meets an ordinary server.
    assert cut.merge().status_code == (400 if applied else 200)


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [("500-after", 500, True), ("503", 503, False), ("busy", 500, False)],
)
def test_answers_that_hide_the_truth(
    service: RunningService, cut: Cut, fault: str, status: int, applied: bool
) -> None:
    service.faults.switch_on(fault)
    answer = cut.merge()
    assert (answer.status_code, answer.json()["code"]) == (status, status)
    assert cut.joined() is applied
    if fault == "busy":
        assert answer.json()["message"] == "[500]: Could not acquire root lock"


def test_a_refused_edit_is_refused_whatever_happens_after_commits(
    service: RunningService, web: Any, cut: Cut
) -> None:
    assert cut.merge().status_code == 200
    service.faults.switch_on("drop-after", "500-after")
    assert cut.merge().status_code == 400


def test_delays_hit_only_their_target(service: RunningService, cut: Cut) -> None:
    service.faults.switch_on("delay:merge:ms=400")
    started = time.monotonic()
    assert cut.merge().status_code == 200
    assert time.monotonic() - started >= 0.4
    assert service.faults.happened() == {"delay:merge:ms=400": 1}
    cut.roots()
    assert service.faults.happened() == {"delay:merge:ms=400": 1}


def test_a_slow_disk_hides_the_edit_until_it_is_written(service: RunningService, cut: Cut) -> None:
    service.faults.switch_on("slow-disk:ms=1500")
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{service.url}{TABLE}/merge",
            data=cut._body,
            headers={"Authorization": f"Bearer {service.token}"},
            timeout=0.7,
        )
    assert not cut.joined()
    service.stop()  # Answers what is being asked first.
    with serve(service.engine.folder) as again:
        cut._service = again
        assert cut.joined()


def test_a_full_disk_applies_nothing(
    service: RunningService, cut: Cut, caplog: pytest.LogCaptureFixture
) -> None:
    service.faults.switch_on("full-disk:n=1")
    before = service.engine.state.last_operation
    with caplog.at_level(logging.CRITICAL):
        answer = cut.merge()
    assert answer.status_code == 500
    assert "disk is full" in answer.json()["message"]
    assert not cut.joined()
    assert service.engine.operations([before + 1]) == {}
    assert cut.merge().status_code == 200


def test_stale_roots_for_a_while(service: RunningService, cut: Cut) -> None:
    before = cut.roots()
    assert cut.merge().status_code == 200
    after = cut.roots()
    assert len(set(after)) == 1
    service.faults.switch_on("stale-root:roots_binary:ms=600000:n=2")
    assert cut.roots() == before
    assert cut.roots() == before
    assert cut.roots() == after
    service.faults.switch_on("stale-root:ms=0")
    assert cut.roots() == after


def test_faults_are_drawn_by_a_seed(service: RunningService, cut: Cut) -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults(["busy:merge:p=0.5"], seed)
        return [faults._draw("busy", "merge") is not None for _ in range(40)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert 5 < sum(drawn(1)) < 35
    service.faults.switch_on("busy:merge:p=0")
    assert cut.merge().status_code == 200


def test_faults_can_be_cleared(service: RunningService, cut: Cut) -> None:
    service.faults.switch_on("503:merge")
    assert cut.merge().status_code == 503
    service.faults.clear()
    assert cut.merge().status_code == 200


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("", "no kind ''"),
        ("crash", "no kind 'crash'"),
        ("busy:roots", "can hit merge, redo, split, undo"),
        ("partial:merge", "can hit split, not 'merge'"),
        ("drop-after:merg", "no route is called 'merg'"),
        ("busy:merge:p=2", "between 0 and 1"),
        ("busy:merge:q=2", "'q=2' is not one of"),
        ("busy:merge:n=1:n=2", "at most once"),
        ("busy:merge:n=1.5", "'1.5' is not a number for n"),
        ("busy:merge:n=-1", "'-1' is not a number for n"),
        ("busy:merge:ms=5", "lasts no time"),
        ("delay:ms=", "'' is not a number for ms"),
    ],
)
def test_what_cannot_be_understood_is_said(service: RunningService, spec: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as told:
        service.faults.switch_on(spec)
    assert told.value.hint


def test_targets_are_checked_before_serving(ingested: Any) -> None:
    with pytest.raises(InputError, match="no route is called 'merg'"):
        serve(ingested, faults=Faults(["drop-after:merg"]))


VOXEL = (16.0, 16.0, 16.0)
RING = "offline_ring"


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[RunningService]:
    """One object of four supervoxels that touch in a ring, so that every cut has two edges."""
    from connectome.offline.ingest import IngestRequest, ingest

    z, y, x = np.indices((16, 32, 32))
    quarters = (1 + (x >= 16) + 2 * (y >= 16) + 0 * z).astype(np.uint64)
    request = IngestRequest(
        resolution_nm=VOXEL,
        name=RING,
        out=tmp_path / "ring",
        em=np.full(quarters.shape, 150, np.uint8),
        supervoxels=quarters,
        segmentation=np.ones_like(quarters),
    )
    ingest(request, lambda *_: None)
    with serve(tmp_path / "ring") as running:
        yield running


def _split(service: RunningService) -> Any:
    """Cut the ring between two opposite quarters."""
    root = int(service.engine.current_roots()[0])
    ends = [[str(root), 128.0, 128.0, 128.0], [str(root), 384.0, 384.0, 128.0]]
    return requests.post(
        f"{service.url}/segmentation/api/v1/table/{RING}/split",
        data=json.dumps({"sources": [ends[0]], "sinks": [ends[1]]}),
        headers={"Authorization": f"Bearer {service.token}"},
        timeout=20,
    )


def test_a_split_is_whole_without_faults(ring: RunningService) -> None:
    answer = _split(ring)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["new_root_ids"]) == 2


def test_a_partial_split_cuts_and_leaves_one_object(ring: RunningService) -> None:
    ring.faults.switch_on("partial:n=1")
    before = ring.engine.current_roots().tolist()
    leaves = ring.engine.leaves(before[0]).tolist()
    answer = _split(ring)
    assert answer.status_code == 200, answer.text
    (root,) = answer.json()["new_root_ids"]
    assert [root] != before
    assert ring.engine.current_roots().tolist() == [root]
    assert ring.engine.leaves(root).tolist() == leaves
    log = ring.engine.operations([answer.json()["operation_id"]])
    (row,) = log.values()
    assert row["operation_status"] == 0
    assert len(row["removed_edges"]) == 1  # type: ignore[arg-type]  # one of two
    assert ring.faults.happened() == {"partial:n=1": 1}
    # The rest of the cut can be made afterwards.
    assert len(_split(ring).json()["new_root_ids"]) == 2


def test_a_cut_of_one_edge_cannot_be_partial(ring: RunningService) -> None:
    ring.faults.switch_on("partial")
    answer = _split(ring)
    assert len(answer.json()["new_root_ids"]) == 1
    answer = _split(ring)
    assert len(answer.json()["new_root_ids"]) == 2
    assert ring.faults.happened() == {"partial": 1}


def test_the_command_line_names_what_is_wrong(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import cli

    for spec, why in (("busy:p=7", "between 0 and 1"), ("503:merg", "no route is called 'merg'")):
        monkeypatch.setattr("sys.argv", ["proofdesk", "serve", str(ingested), "--fault", spec])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert why in " ".join(capsys.readouterr().err.split())
