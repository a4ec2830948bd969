"""What a server tells of objects: the same as the files do, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.services.facts import facts_of
from connectome.cave import CaveGraph, connect
from connectome.cave.annotations import CaveAnnotations
from connectome.cave.object_facts import CaveFacts
from connectome.objects import SomaTable
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.service import RunningService
from tests.arrays import ArrayDatastack
from tests.contract.faults import NAME, FaultServer, drop, in_turn, say
from tests.contract.test_cave_annotations import arrow
from tests.contract.volumes import VOXEL_NM, halves

ROOT = (4 << 56) | 7
QUERY = "/query"


def server_facts(service: RunningService) -> CaveFacts:
    connection = connect(service.address.name, service.url, service.token)
    tables = CaveAnnotations(connection)
    return CaveFacts(
        CaveGraph(connection), SomaTable(lambda: connection.soma_table, lambda: tables)
    )


def test_the_server_tells_of_faces_what_the_files_tell(
    service: RunningService, folder: Path
) -> None:
    told = server_facts(service)
    with_files = OfflineDatastack(folder)
    roots = service.engine.current_roots().tolist()
    for root in roots[::5]:
        assert told.faces(root) == with_files.facts.faces(root)
    assert {told.faces(root) for root in roots[::5]} > {frozenset({"x-"}), frozenset({"x+"})}
    assert told.voxels(roots[0]) is None
    with_files.close()


def test_marked_cell_bodies_are_counted_and_follow_edits(
    service: RunningService, folder: Path, client: Any
) -> None:
    ids, points = halves(service.engine.folder)
    client.annotation.create_table("bodies", "nucleus_detection", "Nuclei.", list(VOXEL_NM))
    voxels = [[p / v for p, v in zip(point, VOXEL_NM, strict=True)] for point in points]
    rows = [{"pt": {"position": place}, "volume": 1.0} for place in voxels]
    client.annotation.post_annotation("bodies", rows)
    datastack = OfflineDatastack(folder)
    told, facts = server_facts(service), datastack.facts
    one, other = (client.chunkedgraph.get_root_id(n) for n in ids)
    empty = next(r for r in service.engine.current_roots().tolist() if r not in (one, other))
    assert [told.somata(int(r)) for r in (one, other, empty)] == [1, 1, 0]
    assert [facts.somata(int(r)) for r in (one, other, empty)] == [1, 1, 0]
    (root,) = client.chunkedgraph.do_merge(ids, points, resolution=(1, 1, 1))["new_root_ids"]
    assert told.somata(int(root)) == facts.somata(int(root)) == 2
    datastack.close()


def test_without_a_table_nothing_is_known(service: RunningService) -> None:
    told = server_facts(service)
    assert told.somata(service.engine.current_roots().tolist()[0]) is None


def test_of_a_root_that_does_not_exist_nothing_is_known(service: RunningService) -> None:
    told = server_facts(service)
    assert told.faces(int(service.engine.current_roots()[-1]) + 99) is None


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def facts(server: FaultServer) -> Iterator[CaveFacts]:
    connection = connect(NAME, server.url, "ab" * 16)
    table = SomaTable(lambda: "bodies", lambda: CaveAnnotations(connection))
    yield CaveFacts(CaveGraph(connection), table)
    connection.close()


@pytest.mark.parametrize("answer", [drop, say(500, {}), say(404, {"message": "?"})])
def test_a_server_in_trouble_stops_nothing(
    server: FaultServer, facts: CaveFacts, answer: Any
) -> None:
    server.answers[QUERY] = server.answers["/leaves"] = answer
    assert facts.somata(ROOT) is None
    assert facts.faces(ROOT) is None


def test_a_server_without_queries_is_asked_once(server: FaultServer, facts: CaveFacts) -> None:
    server.answers[QUERY] = say(404, {"message": "no materialization"})
    assert [facts.somata(ROOT + k) for k in range(4)] == [None] * 4
    assert server.count(QUERY) == 1


def test_an_answer_is_kept_and_a_failure_is_not(server: FaultServer, facts: CaveFacts) -> None:
    rows = arrow(id=[1, 2], pt_root_id=[ROOT, ROOT], valid=[True, True])
    server.answers[QUERY] = in_turn(say(500, {}), say(200, rows))
    assert [facts.somata(ROOT) for _ in range(3)] == [None, 2, 2]
    assert server.count(QUERY) == 2


def test_a_very_large_object_is_not_asked_for_in_full(
    server: FaultServer, facts: CaveFacts
) -> None:
    server.answers["/leaves"] = say(200, {"leaf_ids": list(range(3_001))})
    assert facts.faces(ROOT) is None
    assert server.count("/leaves") == 1
    assert server.count("/attributes") == 0


def test_a_node_that_the_cache_does_not_know_touches_nothing(
    server: FaultServer, facts: CaveFacts
) -> None:
    server.answers["/leaves"] = say(200, {"leaf_ids": [5, 6]})
    known = {"chunk_intersect_count": [[0, 3, 0], [0, 0, 0]]}
    server.answers["/attributes"] = say(200, {"5": known, "6": {}})
    assert facts.faces(ROOT) == frozenset({"y-"})


def test_a_datastack_without_facts_has_none(folder: Path) -> None:
    labels = np.ones((4, 4, 4), np.uint64)
    assert facts_of(ArrayDatastack(None, None, labels, VOXEL_NM)) is None
    datastack = OfflineDatastack(folder)
    assert facts_of(datastack) is datastack.facts
    datastack.close()
