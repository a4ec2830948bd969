from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.graph import GraphPoint, OperationStatus
from connectome.offline.engine import GraphEngine, GraphRefusalError, OperationResult
from connectome.offline.layout import DatastackFolder
from tests.unit.offline.graphs import LAYOUT, Edge, Model, agrees, point, write_graph

Make = Callable[..., tuple[GraphEngine, Model]]


def sv(x: int, number: int = 1, y: int = 0) -> int:
    return int(LAYOUT.pack(1, (x, y, 0), number))


def points(*supervoxels: int) -> list[GraphPoint]:
    return [point(supervoxel) for supervoxel in supervoxels]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a graph of edges (a, b, affinity, active)."""
    engines: list[GraphEngine] = []

    def build(*edges: tuple[int, int, float, bool]) -> tuple[GraphEngine, Model]:
        listed = sorted(Edge(min(a, b), max(a, b), w, on) for a, b, w, on in edges)
        supervoxels = sorted({end for e in listed for end in (e.a, e.b)})
        folder = write_graph(tmp_path / f"graph{len(engines)}", supervoxels, listed)
        engines.append(GraphEngine.open(folder))
        return engines[-1], Model(supervoxels, listed)

    yield build
    for engine in engines:
        engine.close()


def chain(n: int = 4, weak: int = 1) -> list[tuple[int, int, float, bool]]:
    """Return supervoxels 1 to n of one chunk in a row; one edge is weaker."""
    return [(sv(0, k), sv(0, k + 1), 0.1 if k == weak else 0.9, True) for k in range(1, n)]


def refused(status: int, words: str, call: Callable[[], object]) -> None:
    with pytest.raises(GraphRefusalError) as caught:
        call()
    assert (caught.value.status, words in caught.value.message) == (status, True), caught.value


def test_a_split_removes_the_weak_edge_and_says_so(make: Make) -> None:
    engine, model = make(*chain(weak=2))
    (root,) = engine.current_roots().tolist()
    split = engine.split(points(sv(0, 1)), points(sv(0, 4)), "ann")
    model.switch([1], on=False)
    agrees(engine, model)
    assert len(split.new_roots) == 2
    assert engine.lineage([root]).links == tuple((root, new) for new in split.new_roots)
    row = engine.operations([1])[1]
    assert row["operation_status"] == OperationStatus.SUCCESS
    assert row["removed_edges"] == [[sv(0, 2), sv(0, 3)]]
    assert row["source_ids"] == [sv(0, 1)]
    assert row["sink_ids"] == [sv(0, 4)]
    assert row["source_coords"] == row["sink_coords"] == [[32, 32, 32]]
    assert row["bb_offset"] == [60, 60, 60]
    assert row["roots"] == sorted(split.new_roots)
    assert "added_edges" not in row
    undone = engine.undo(1, "bob")
    row = engine.operations([2])[2]
    assert row["added_edges"] == [[sv(0, 2), sv(0, 3)]]
    assert row["undo_operation_id"] == 1
    assert len(undone.new_roots) == 1
    model.switch([1], on=True)
    agrees(engine, model)


def test_refusals_speak_as_the_production(make: Make) -> None:
    engine, model = make(*chain(), (sv(3), sv(3, 2), 1.0, True), (sv(2), sv(1), np.inf, True))
    one, four = points(sv(0, 1)), points(sv(0, 4))

    def split(sources: list[GraphPoint], sinks: list[GraphPoint]) -> Callable[[], object]:
        return lambda: engine.split(sources, sinks, "ann")

    refused(400, "exist in both sink and source", split(one + four, four))
    refused(400, "must belong to the same object", split(one, points(sv(3))))
    refused(400, "at least one source", split([], one))
    refused(400, "does not exist", split(points(sv(0, 99)), one))
    refused(400, "overlap other labels", split(points(sv(0, 1), sv(0, 3)), points(sv(0, 2))))
    far = [GraphPoint(sv(0, k), (4000.0, 500.0, 500.0)) for k in (1, 4)]
    refused(400, "No local edges", split(far[:1], far[1:]))
    refused(500, "only contains cross chunk edges", split(points(sv(1)), points(sv(2))))
    assert [row["operation_status"] for row in engine.operations(range(1, 8)).values()] == [1] * 6
    agrees(engine, model)
    refused(400, "both sink", lambda: engine.preview_split(one + four, four))
    refused(400, "same object", lambda: engine.preview_split(one, points(sv(3))))
    refused(500, "cross chunk", lambda: engine.preview_split(points(sv(1)), points(sv(2))))
    assert 8 not in engine.operations([8])


def test_a_preview_shows_both_sides_and_what_is_illegal(make: Make) -> None:
    engine, model = make(*chain(6, weak=3), (sv(1), sv(1, 2), 1.0, True))
    parts, illegal = engine.preview_split(points(sv(0, 1)), points(sv(0, 6)))
    assert [part.tolist() for part in parts] == [
        [sv(0, 1), sv(0, 2), sv(0, 3)],
        [sv(0, 4), sv(0, 5), sv(0, 6)],
    ]
    assert not illegal
    labels = points(sv(0, 1), sv(0, 2)), points(sv(0, 5), sv(0, 6))
    assert not engine.preview_split(*labels)[1]
    weaker, _ = make(*chain(6, weak=2))
    assert weaker.preview_split(*labels)[1]
    refused(400, "on the Source side", lambda: weaker.split(*labels, "ann"))
    agrees(engine, model)


def test_an_object_that_holds_together_elsewhere_stays_one(make: Make) -> None:
    """A ring around the volume: the box of the points does not reach its far side."""
    ring = [
        (sv(0, 1), sv(0, 2), 0.5, True),
        (sv(0, 1), sv(0, 1, y=1), 0.5, True),
        (sv(0, 1, y=1), sv(1, 1, y=1), 0.5, True),
        (sv(1, 1, y=1), sv(2, 1, y=1), 0.5, True),
        (sv(2, 1, y=1), sv(2, 1), 0.5, True),
        (sv(2, 1), sv(1, 1), 0.5, True),
        (sv(1, 1), sv(0, 2), 0.5, True),
    ]
    engine, model = make(*ring)
    partial = engine.split(points(sv(0, 1)), points(sv(0, 2)), "ann")
    assert len(partial.new_roots) == 1
    assert engine.operations([1])[1]["removed_edges"] == [[sv(0, 1), sv(0, 2)]]
    again = engine.undo(1, "ann")  # its ends are in one object, and always were
    assert len(again.new_roots) == 1
    agrees(engine, model)
    assert len(engine.redo(1, "ann").new_roots) == 1


def test_a_split_without_a_multicut_removes_the_listed_pairs(make: Make) -> None:
    engine, model = make(*chain(5))
    listed = points(sv(0, 3), sv(0, 4)), points(sv(0, 2), sv(0, 5))
    split = engine.split(*listed, "ann", mincut=False)
    assert len(split.new_roots) == 3
    model.switch([1, 3], on=False)
    agrees(engine, model)

    def bare(sources: list[GraphPoint], sinks: list[GraphPoint]) -> Callable[[], object]:
        return lambda: engine.split(sources, sinks, "ann", mincut=False)

    refused(400, "same number", bare(points(sv(0, 3)), points(sv(0, 4), sv(0, 5))))
    refused(400, "self-loop", bare(points(sv(0, 3)), points(sv(0, 3))))
    refused(400, "same object", bare(*listed))
    whole, _ = make(*chain())
    refused(
        400,
        "All edges must exist",
        lambda: whole.split(points(sv(0, 1)), points(sv(0, 3)), "ann", mincut=False),
    )


def test_an_undo_names_what_is_in_its_way(make: Make) -> None:
    engine, model = make(*chain(), (sv(0, 4), sv(1), 0.5, False))
    left, right = sv(0, 1), sv(0, 4)

    def number(result: OperationResult) -> int:
        return result.operation_id or 0

    split = number(engine.split(points(left), points(right), "ann"))
    other = number(engine.merge(point(right), point(sv(1)), "bob"))
    merge = number(engine.merge(point(left), point(right), "bob"))
    words = f"different objects. (operation {merge} is in the way"
    refused(400, words, lambda: engine.undo(split, "ann"))
    again = number(engine.split(points(left), points(right), "ann"))
    refused(400, f"must exist. (operation {again} is in the way", lambda: engine.undo(merge, "bob"))
    engine.undo(again, "ann")
    gone = engine.undo(merge, "bob")
    assert len(gone.new_roots) == 2
    refused(400, f"must exist. (operation {number(gone)} is", lambda: engine.redo(again, "ann"))
    assert len(engine.undo(split, "ann").new_roots) == 1
    assert len(engine.undo(other, "ann").new_roots) == 2
    agrees(engine, model)


def test_an_undo_names_what_joined_or_parted_its_pieces(make: Make) -> None:
    """The edges themselves are untouched; their ends met, or parted, another way."""
    far = sv(3)
    edges = [
        (sv(0, 1), sv(0, 2), 0.1, True),
        (sv(0, 2), sv(1, 1), 0.9, True),
        (sv(1, 1), sv(2, 1), 0.9, True),
        (far, sv(3, 2), 0.9, True),
    ]
    engine, _ = make(*edges)
    split = engine.split(points(sv(0, 1)), points(sv(0, 2)), "ann").operation_id or 0
    engine.merge(point(sv(0, 1)), point(far), "bob", max_chunk_distance=9)
    around = engine.merge(point(far), point(sv(2)), "bob").operation_id
    words = f"different objects. (operation {around} is in the way"
    refused(400, words, lambda: engine.undo(split, "ann"))
    apart, _ = make(
        (sv(0, 1), sv(0, 2), 0.9, False),
        (sv(0, 3), sv(0, 4), 0.9, False),
        (sv(0, 1), sv(0, 3), 0.1, True),
        (sv(0, 2), sv(0, 4), 0.1, True),
    )
    merge = apart.merge(point(sv(0, 1)), point(sv(0, 2)), "ann").operation_id or 0
    across = apart.split(points(sv(0, 1)), points(sv(0, 3)), "bob").operation_id
    words = f"the same object. (operation {across} is in the way"
    refused(400, words, lambda: apart.undo(merge, "ann"))


def test_two_undos_at_once_take_back_once(make: Make) -> None:
    """What is there to take back is decided with the lock held."""
    import threading

    engine, model = make(*chain())
    engine.split(points(sv(0, 1)), points(sv(0, 4)), "ann")
    results: list[OperationResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(engine.undo(1, "ann"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(len(result.new_roots) for result in results) == [0, 0, 0, 1]
    agrees(engine, model)


@pytest.fixture
def post(folder: DatastackFolder) -> Iterator[Callable[..., tuple[int, Any]]]:
    """Posts to the service of the slabs."""
    import requests

    from connectome.offline.service import serve

    with serve(folder) as running, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {running.token}"
        table = f"{running.url}/segmentation/api/v1/table/{folder.name}"

        def send(path: str, body: object, *, read_plane: bool = False) -> tuple[int, Any]:
            if read_plane:
                place = table.replace(running.url, running.viewer_prefix)
                answer = requests.post(f"{place}/{path}", json=body, timeout=30)
            else:
                answer = session.post(f"{table}/{path}", json=body, timeout=30)
            return answer.status_code, answer.json()

        yield send


def test_split_preview_and_redo_on_the_wire(
    post: Callable[..., tuple[int, Any]], folder: DatastackFolder
) -> None:
    from tests.unit.offline.volumes import point_in, read_supervoxels

    supervoxels = read_supervoxels(folder)
    ends = [point_in(supervoxels, zyx) for zyx in ((10, 10, 10), (10, 30, 10))]
    rows = [[str(end.supervoxel), *end.position_nm] for end in ends]
    body = {"sources": rows[:1], "sinks": rows[1:]}
    status, preview = post("graph/split_preview?int64_as_str=1", body, read_plane=True)
    assert status == 200
    assert not preview["illegal_split"]
    first, second = preview["supervoxel_connected_components"]
    assert rows[0][0] in first
    assert rows[1][0] in second
    assert post("split", body, read_plane=True)[0] in (401, 403)
    status, done = post("split?int64_as_str=1&priority=False", body)
    assert (status, done["operation_id"], len(done["new_root_ids"])) == (200, "1", 2)
    assert all(isinstance(root, str) for root in done["new_root_ids"])
    status, again = post("split", body)
    assert (status, again["code"]) == (400, 400)
    assert again["message"] == "[400]: Supervoxels must belong to the same object."
    assert post("redo", {"operation_id": 1})[1] == {"operation_id": None, "new_root_ids": []}
    assert len(post("undo", {"operation_id": "1"})[1]["new_root_ids"]) == 1
    status, redone = post("redo", {"operation_id": 1})
    assert (status, len(redone["new_root_ids"])) == (200, 2)
    assert post("merge?chebyshev_distance=0", rows)[0] == 200  # the two lie in one chunk
    root = post("undo", {"operation_id": 5})[1]["new_root_ids"]
    by_root = {"sources": [[root[0], *rows[0][1:]]], "sinks": rows[1:]}
    assert post("split", by_root)[0] == 400


MALFORMED: list[object] = [
    [],
    {},
    {"sources": [], "sinks": []},
    {"sources": [[1, 2, 3, 4]]},
    {"sources": "x", "sinks": {"a": 1}},
    {"sources": [[1, 2, 3]], "sinks": [[1, 2, 3, 4]]},
    {"sources": [[2**64, 0, 0, 0]], "sinks": [[1, 2, 3, 4]]},
    {"sources": [[2**56 + 1, 1e300, 0, 0]], "sinks": [[2**56 + 2, -1e300, 3, 4]]},
    {"sources": [[1, 2, 3, 4]] * 501, "sinks": [[1, 2, 3, 4]]},
    {"operation_id": 10**30},
    {"operation_id": -1},
    {"operation_id": None},
]


def test_malformed_bodies_are_refused(post: Callable[..., tuple[int, Any]]) -> None:
    for body in MALFORMED:
        for path in ("split", "split?mincut=false", "graph/split_preview", "undo", "redo"):
            status, answer = post(path, body)
            assert (status, answer["code"]) == (400, 400), (path, body)
