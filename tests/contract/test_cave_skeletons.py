"""Skeletons from the skeleton service, and from the level-2 graph where there is none."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import numpy as np
import pytest

from connectome.cave import CaveGraph, connect
from connectome.cave.skeletons import CaveSkeletons
from connectome.errors import OfflineError, ServiceError
from tests.contract.faults import NAME, FaultServer, drop, say

ROOT = (4 << 56) | 7
NODES = [(2 << 56) | n for n in (1, 2, 3, 4)]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def skeletons(server: FaultServer) -> Iterator[CaveSkeletons]:
    connection = connect(NAME, server.url, "ab" * 16)
    yield CaveSkeletons(connection, CaveGraph(connection))
    connection.close()


def test_from_the_service(server: FaultServer, skeletons: CaveSkeletons) -> None:
    record = {"vertices": [[1, 2, 3], [4, 5, 6]], "edges": [[0, 1]], "radius": [9, 8]}
    server.answers["/flatdict"] = say(200, gzip.compress(json.dumps(record).encode()))
    (found,) = skeletons.skeletons([ROOT])
    assert found.root == ROOT
    assert found.vertices_nm.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.edges.tolist() == [[0, 1]]
    assert found.radii_nm.tolist() == [9, 8]
    assert server.count("/lvl2_graph") == 0


def test_from_the_level2_graph(server: FaultServer, skeletons: CaveSkeletons) -> None:
    a, b, c, unknown = NODES
    server.answers["/lvl2_graph"] = say(200, {"edge_graph": [[a, b], [c, b], [c, unknown]]})
    places = {
        str(c): {"rep_coord_nm": [30, 0, 0], "max_dt_nm": 3},
        str(a): {"rep_coord_nm": [10, 0, 0], "max_dt_nm": 1},
        str(b): {"rep_coord_nm": [20, 0, 0]},
        str(unknown): {},
    }
    server.answers["/attributes"] = say(200, places)
    (found, again) = skeletons.skeletons([ROOT, ROOT])
    assert found.vertices_nm[:, 0].tolist() == [10, 20, 30]
    assert sorted(map(sorted, found.edges.tolist())) == [[0, 1], [1, 2]]
    assert found.radii_nm.tolist() == [1, 0, 3]
    assert np.array_equal(again.vertices_nm, found.vertices_nm)
    # A service that is not there is asked once.
    assert server.count("/flatdict") == 1


def test_an_object_in_one_chunk_has_none(server: FaultServer, skeletons: CaveSkeletons) -> None:
    server.answers["/lvl2_graph"] = say(200, {"edge_graph": []})
    assert list(skeletons.skeletons([ROOT])) == []


def test_a_service_in_trouble_is_passed_over(server: FaultServer, skeletons: CaveSkeletons) -> None:
    server.answers["/flatdict"] = say(500, {"message": "no"})
    server.answers["/lvl2_graph"] = say(200, {"edge_graph": [NODES[:2]]})
    places = {str(node): {"rep_coord_nm": [1, 2, 3]} for node in NODES[:2]}
    server.answers["/attributes"] = say(200, places)
    (found,) = skeletons.skeletons([ROOT])
    assert len(found.vertices_nm) == 2


def test_no_network_is_not_taken_for_no_skeleton(
    server: FaultServer, skeletons: CaveSkeletons
) -> None:
    server.answers["/flatdict"] = drop
    with pytest.raises(OfflineError):
        list(skeletons.skeletons([ROOT]))
    with pytest.raises(ServiceError, match="cannot list"):
        next(skeletons.skeletons())
