"""The check finds what is broken, and nothing where nothing is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.services.offline import read_log
from connectome.graph import GraphPoint
from connectome.offline.checking import CheckReport, check_datastack
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.layout import DatastackFolder
from tests.unit.offline.volumes import point_in, read_supervoxels


def ends(folder: DatastackFolder) -> tuple[GraphPoint, GraphPoint]:
    """Return a point in each of two neighbouring segments."""
    supervoxels = read_supervoxels(folder)
    return point_in(supervoxels, (10, 10, 29)), point_in(supervoxels, (10, 10, 31))


def broken(report: CheckReport) -> set[str]:
    return {finding.invariant for finding in report.findings if not finding.ok}


def edited(folder: DatastackFolder) -> None:
    """Merge, undo and redo, and have one merge refused."""
    graph = GraphEngine.open(folder)
    try:
        a, b = ends(folder)
        merged = graph.merge(a, b, "1")
        with pytest.raises(GraphRefusalError):
            graph.merge(a, b, "1")
        assert merged.operation_id is not None
        graph.undo(merged.operation_id, "1")
        graph.redo(merged.operation_id, "1")
    finally:
        graph.close()


def test_a_datastack_is_whole_after_ingest_and_after_edits(folder: DatastackFolder) -> None:
    stages: list[str] = []
    report = check_datastack(folder.path, lambda stage, _: stages.append(stage))
    assert report.ok
    assert len(report.findings) == 9
    assert "comparing supervoxels with voxels" in stages
    edited(folder)
    after = check_datastack(folder.path)
    assert after.ok, after
    (meshes,) = (f for f in after.findings if f.invariant == "meshes are present")
    assert "made by edits" in meshes.note


def test_the_log_tells_what_was_done_and_what_was_refused(folder: DatastackFolder) -> None:
    edited(folder)
    lines = read_log(folder.path)
    assert [(line.operation_id, line.kind, line.applied) for line in lines] == [
        (1, "merge", True),
        (2, "merge", False),
        (3, "undo", True),
        (4, "redo", True),
    ]
    assert "different objects" in lines[1].note
    assert lines[2].note == "of operation 1"
    assert [line.operation_id for line in read_log(folder.path, last=2)] == [3, 4]


def change(name: str, edit: Callable[[Any], None]) -> Callable[[DatastackFolder], None]:
    """Return a damage to one array of the ingested graph."""

    def damage(folder: DatastackFolder) -> None:
        path = folder.base_graph / f"{name}.npy"
        array = np.load(path)
        edit(array)
        np.save(path, array)

    return damage


def sql(*statements: str) -> Callable[[DatastackFolder], None]:
    """Return a damage to the log of edits."""

    def damage(folder: DatastackFolder) -> None:
        edited(folder)
        with sqlite3.connect(folder.graph_db) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return damage


def lose_a_mesh(folder: DatastackFolder) -> None:
    fragment = next(path for path in sorted(folder.mesh.iterdir()) if path.name != "info")
    fragment.unlink()


def write_over_the_database(folder: DatastackFolder) -> None:
    edited(folder)
    data = bytearray(folder.graph_db.read_bytes())
    data[8192:12288] = bytes(4096)
    folder.graph_db.write_bytes(bytes(data))


def flip_active(array: Any) -> None:
    array[np.flatnonzero(array)[0]] = False


def join_strangers(array: Any) -> None:
    array[np.flatnonzero(~array)[0]] = True


def move_supervoxel(array: Any) -> None:
    array[0] = array[-1]


def more_voxels(array: Any) -> None:
    array[0] += 1


def same_id(array: Any) -> None:
    array[1] = array[0]


LEVEL2, ROOTS = (
    "level-2 nodes are the pieces of each chunk",
    "each supervoxel is in exactly one root",
)
EDGES, VOXELS = "no edge dangles or leaves its root", "voxels and supervoxels agree"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (change("edge_active", flip_active), {LEVEL2}),
        (change("edge_active", join_strangers), {EDGES, ROOTS}),
        (change("sv_l2", move_supervoxel), {LEVEL2}),
        (change("sv_sizes", more_voxels), {VOXELS}),
        (change("sv_ids", same_id), {"each supervoxel is there once", VOXELS}),
        (write_over_the_database, {"databases are sound"}),
        (lose_a_mesh, {"meshes are present"}),
        (sql("DELETE FROM lineage WHERE operation=3"), {"lineage is acyclic and complete"}),
        (
            sql("UPDATE operation SET ms=0 WHERE id=3"),
            {"operations follow each other in time"},
        ),
        (sql("DELETE FROM operation WHERE id=4"), {"databases are sound"}),
        (sql("UPDATE operation SET edges_on=x'' WHERE id=4"), {ROOTS}),
    ],
)
def test_damage_is_found(
    folder: DatastackFolder, damage: Callable[[DatastackFolder], None], found: set[str]
) -> None:
    damage(folder)
    assert found <= broken(check_datastack(folder.path))


def test_a_folder_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    from connectome.errors import DatastackError

    with pytest.raises(DatastackError, match="no datastack"):
        check_datastack(tmp_path)
