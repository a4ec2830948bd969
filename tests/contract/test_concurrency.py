"""Eight clients edit the same objects at once: what comes out equals one after the other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from benchmarks.faults.world import World
from connectome.graph import GraphPoint, Ids
from connectome.offline.checking import check_datastack
from connectome.offline.engine import GraphEngine
from connectome.offline.service import RunningService, serve
from connectome.offline.store import EditStore, Operation
from proofreading.edits import Edit, MergeEdit

CLIENTS = 8
EDITS = 12
SEED = 5
NO_CUT = ("Mincut failed", "Local graph somehow only contains cross chunk edges")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, World]:
    """The same world twice: one to edit at once, one to edit in turn."""
    place = tmp_path_factory.mktemp("worlds")
    return World.make(place / "at_once", SEED), World.make(place / "in_turn", SEED)


@pytest.fixture
def service(worlds: tuple[World, World]) -> Iterator[RunningService]:
    with serve(worlds[0].folder) as running:
        yield running


class Person(threading.Thread):
    """Sends edits that were planned on what the graph was a moment ago."""

    def __init__(self, number: int, world: World, service: RunningService) -> None:
        super().__init__(name=f"person-{number}", daemon=True)
        self.answers: Counter[str] = Counter()
        self.unexpected: list[str] = []
        self._chance = Random(1000 + number)
        self._world, self._service = world, service
        self._mine: list[int] = []

    def run(self) -> None:
        import requests
        from caveclient import CAVEclient

        client = CAVEclient(
            self._service.engine.folder.name,
            server_address=self._service.url,
            auth_token=self._service.token,
            max_retries=0,
            write_server_cache=False,
        )
        for edit in self._world.edits(self._chance, EDITS):
            try:
                self._send(client.chunkedgraph, edit)
                self.answers["applied"] += 1
            except requests.HTTPError as error:
                status = error.response.status_code
                self.answers[str(status)] += 1
                # No cut was found: the production answers that with a 500 too.
                no_cut = any(text in error.response.text for text in NO_CUT)
                if status != 400 and not no_cut:
                    self.unexpected.append(error.response.text)

    def _send(self, graph: Any, edit: Edit) -> None:
        if self._mine and self._chance.random() < 0.25:
            graph.undo_operation(self._mine.pop())
        elif isinstance(edit, MergeEdit):
            points = (edit.a, edit.b)
            ids = [point.supervoxel for point in points]
            places = [point.position_nm for point in points]
            self._mine.append(graph.do_merge(ids, places, resolution=(1, 1, 1))["operation_id"])
        else:
            operation, _ = graph.execute_split(
                np.array([p.position_nm for p in edit.sources]),
                np.array([p.position_nm for p in edit.sinks]),
                0,
                [p.supervoxel for p in edit.sources],
                [p.supervoxel for p in edit.sinks],
            )
            self._mine.append(operation)


def test_eight_clients_at_once_equal_some_order(
    worlds: tuple[World, World], service: RunningService
) -> None:
    people = [Person(number, worlds[0], service) for number in range(CLIENTS)]
    for person in people:
        person.start()
    for person in people:
        person.join(180)
    assert not [person.name for person in people if person.is_alive()], "a deadlock"
    assert [text for person in people for text in person.unexpected] == []
    answers = sum((person.answers for person in people), Counter[str]())
    assert answers["applied"] > CLIENTS
    service.stop()

    report = check_datastack(worlds[0].folder)
    assert report.ok, report
    at_once = partition(worlds[0])
    replay(worlds[1], log_of(worlds[0]))
    assert same(at_once, partition(worlds[1]))


def log_of(world: World) -> list[Operation]:
    store = EditStore(world.folder / "graph.sqlite", read_only=True)
    try:
        return store.log()
    finally:
        store.close()


def replay(world: World, log: list[Operation]) -> None:
    """Do what was applied again, one after the other in the order of the log."""
    numbers: dict[int, int] = {}
    engine = GraphEngine.open(engine_folder(world))
    try:
        for row in log:
            if row.status != 0:
                continue
            result = do_again(engine, row, numbers)
            assert result is not None
            numbers[row.id] = result
    finally:
        engine.close()


def do_again(engine: GraphEngine, row: Operation, numbers: dict[int, int]) -> int | None:
    if row.kind == "undo":
        assert row.target is not None
        return engine.undo(numbers[row.target], "1").operation_id
    if row.kind == "redo":
        assert row.target is not None
        return engine.redo(numbers[row.target], "1").operation_id
    sources, sinks = points(engine, row, "source"), points(engine, row, "sink")
    if row.kind == "merge":
        return engine.merge(sources[0], sinks[0], "1").operation_id
    return engine.split(sources, sinks, "1").operation_id


def points(engine: GraphEngine, row: Operation, side: str) -> list[GraphPoint]:
    voxel = engine.folder.manifest.resolution_nm
    found = []
    for node, coords in zip(row.request[f"{side}_ids"], row.request[f"{side}_coords"], strict=True):
        x, y, z = ((c + 0.5) * v for c, v in zip(coords, voxel, strict=True))
        found.append(GraphPoint(int(node), (x, y, z)))
    return found


def engine_folder(world: World) -> Any:
    from connectome.offline.layout import DatastackFolder

    return DatastackFolder.open(Path(world.folder))


def partition(world: World) -> Ids:
    engine = GraphEngine.open(engine_folder(world), read_only=True)
    try:
        return engine.roots(np.unique(world.voxels[world.voxels != 0]))
    finally:
        engine.close()


def same(a: Ids, b: Ids) -> bool:
    """Tell whether two partitions of the same supervoxels are equal up to names."""
    pairs = np.unique(np.stack([a, b]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1] == len(np.unique(pairs[1])))
