from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome.graph import GraphPoint, OperationStatus
from connectome.offline.base import FAKE_AFFINITY
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.ids import layer_of
from connectome.offline.layout import DatastackFolder
from connectome.offline.state import GraphState
from tests.unit.offline.volumes import (
    make_datastack,
    point_in,
    read_supervoxels,
    root_volume,
    same_partition,
    slabs,
)

A, B, C = (10, 10, 10), (10, 10, 40), (10, 10, 60)  # in segments 5, 6 and 7, zyx


def ids(*nodes: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.asarray(nodes, dtype=np.uint64)


def rules_hold(state: GraphState) -> None:
    """L2 nodes and roots are the components of the active edges; rows of replay agree."""
    from connectome.offline.rewiring import components

    base = state.base
    rows = np.flatnonzero(state.edge_active).astype(np.int64)
    a, b = state.edge_ends(rows)
    roots = state.l2_root[state.sv_l2]
    parts = components(len(base.sv_ids), a, b)
    assert len(parts) == len(np.unique(roots)) == len(state.current_roots)
    assert all(len(np.unique(roots[part])) == 1 for part in parts)
    inside = base.sv_chunk_keys[a] == base.sv_chunk_keys[b]
    nodes = components(len(base.sv_ids), a[inside], b[inside])
    assert len(nodes) == len(np.unique(state.sv_l2))
    assert all(len(np.unique(state.sv_l2[node])) == 1 for node in nodes)


def test_layers_and_unknown_ids(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    root = int(engine.roots(supervoxels[A][None])[0])
    assert int(layer_of(root)) == engine.layout.n_layers == 3
    l2 = engine.children(root)
    assert (layer_of(l2) == 2).all()
    leaves = engine.leaves(root)
    assert np.array_equal(np.sort(np.concatenate([engine.children(int(n)) for n in l2])), leaves)
    assert engine.children(int(leaves[0])).size == 0
    assert engine.roots(ids(0, root, int(l2[0]))).tolist() == [0, root, root]
    assert engine.roots(leaves[:1], stop_layer=2)[0] in l2
    assert engine.roots(leaves[:1], stop_layer=1)[0] == leaves[0]
    for unknown in (root + 1000, int(l2[0]) + 1000, int(leaves[0]) + 10**6, 12345):
        with pytest.raises(GraphRefusalError) as caught:
            engine.roots(ids(unknown))
        assert caught.value.status == 400
    assert engine.is_latest(ids(root, int(l2[0]), root + 1000)).tolist() == [True, True, False]


def test_leaves_inside_bounds_are_those_of_the_chunks(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    root = int(engine.roots(read_supervoxels(folder)[C][None])[0])
    near = engine.leaves(root, (0, 64, 0, 40, 0, 20))
    far = engine.leaves(root, (64, 65, 0, 40, 0, 20))
    assert len(near) == len(far) == 2
    assert np.array_equal(np.sort(np.append(near, far)), engine.leaves(root))
    assert engine.leaves(root, (64, 65, 0, 40, 0, 20), stop_layer=2).size == 1
    assert engine.leaves(root, (500, 600, 0, 40, 0, 20)).size == 0


def test_merge_then_undo_then_redo(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    before = root_volume(engine, supervoxels)
    old = {int(before[A]), int(before[B])}
    merged = engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")
    assert merged.operation_id == 1
    (root,) = merged.new_roots
    after = root_volume(engine, supervoxels)
    assert after[A] == after[B] == root
    assert same_partition(np.where(np.isin(before, list(old)), np.uint64(1), before), after)
    assert engine.is_latest(ids(*old, root)).tolist() == [False, False, True]
    assert set(merged.new_l2) <= set(engine.children(root).tolist())
    for number in old:  # history stays readable
        assert np.array_equal(engine.leaves(number), np.unique(supervoxels[before == number]))
    undone = engine.undo(1, "bob")
    assert len(undone.new_roots) == 2
    assert not old & set(undone.new_roots)
    assert same_partition(root_volume(engine, supervoxels), before)
    assert engine.undo(1, "bob").operation_id is None
    again = engine.undo(undone.operation_id or 0, "ann")  # the undo of an undo is a redo
    assert same_partition(root_volume(engine, supervoxels), after)
    assert engine.redo(1, "ann").operation_id is None
    assert len(engine.undo(again.operation_id or 0, "ann").new_roots) == 2
    assert same_partition(root_volume(engine, supervoxels), before)
    assert engine.undo(99, "ann").operation_id is None
    rules_hold(engine.state)


def test_merge_activates_every_contact_of_the_two(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    supervoxels = read_supervoxels(folder)
    engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")
    base = engine.state.base
    changed = np.flatnonzero(engine.state.edge_active[: len(base.edge_a)] != base.edge_active)
    assert len(changed) == 2  # one contact for each half along y
    assert len(engine.state.fake_rows) == 0


def test_objects_that_do_not_touch_get_a_fake_edge(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    supervoxels = read_supervoxels(folder)
    before = root_volume(engine, supervoxels)
    merged = engine.merge(point_in(supervoxels, A), point_in(supervoxels, C), "ann")
    state = engine.state
    assert state.fake_rows.size == 1
    assert state.edge_affinities(state.fake_rows)[0] == np.float32(FAKE_AFFINITY)
    rules_hold(state)
    undone = engine.undo(merged.operation_id or 0, "ann")
    assert same_partition(root_volume(engine, supervoxels), before)
    engine.undo(undone.operation_id or 0, "ann")
    assert engine.state.fake_rows.size == 1
    rules_hold(engine.state)


def test_refusals_speak_as_the_production(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    a, b = point_in(supervoxels, A), point_in(supervoxels, B)
    with pytest.raises(GraphRefusalError, match="self-loop") as loop:
        engine.merge(a, a, "ann")
    assert loop.value.status == 400
    engine.merge(a, b, "ann")
    with pytest.raises(GraphRefusalError, match="must belong to different objects"):
        engine.merge(a, b, "ann")
    far = point_in(supervoxels, (10, 10, 66))
    with pytest.raises(GraphRefusalError, match="allowed maximum \\(0 chunks\\)"):
        engine.merge(a, far, "ann", max_chunk_distance=0)
    rows = engine.operations([1, 2, 3, 4, 77])
    assert sorted(rows) == [1, 2, 3, 4]
    assert [rows[n]["operation_status"] for n in (1, 2, 3, 4)] == [
        OperationStatus.CREATED,
        OperationStatus.SUCCESS,
        OperationStatus.CREATED,
        OperationStatus.CREATED,
    ]
    assert rows[1]["roots"] == []
    assert rows[2]["added_edges"] == [[a.supervoxel, b.supervoxel]]
    assert rows[2]["source_coords"] == [[10, 10, 10]]
    assert rows[2]["sink_coords"] == [[40, 10, 10]]
    assert rows[2]["user"] == "ann"
    undone = engine.undo(2, "bob")
    row = engine.operations([undone.operation_id or 0])[undone.operation_id or 0]
    assert row["undo_operation_id"] == 2
    assert row["removed_edges"] == [[a.supervoxel, b.supervoxel]]
    assert row["roots"] == list(undone.new_roots)


def test_a_root_and_a_position_find_the_supervoxel(
    engine: GraphEngine, folder: DatastackFolder
) -> None:
    supervoxels = read_supervoxels(folder)
    root = int(engine.roots(supervoxels[A][None])[0])
    inside = point_in(supervoxels, A, node=root)
    assert engine.resolve(inside) == int(supervoxels[A])
    near = point_in(supervoxels, (10, 10, 33), node=root)  # 4 voxels into segment 6
    assert engine.resolve(near) == int(supervoxels[10, 10, 29])
    outside = GraphPoint(root, (10.0 * 16, 10.0 * 16, -50.0))
    assert engine.resolve(outside) in engine.leaves(root)
    engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")
    with pytest.raises(GraphRefusalError, match="Could not determine supervoxel ID"):
        engine.resolve(inside)  # the root is stale now
    other = int(engine.roots(supervoxels[C][None])[0])
    with pytest.raises(GraphRefusalError, match="Could not determine supervoxel ID"):
        engine.resolve(point_in(supervoxels, (10, 10, 5), node=other))  # 45 voxels away


def test_the_past_stays_as_it_was(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    volumes, times = [root_volume(engine, supervoxels)], [engine.oldest_timestamp()]
    edits = [engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")]
    edits.append(engine.merge(point_in(supervoxels, B), point_in(supervoxels, C), "ann"))
    edits.append(engine.undo(edits[1].operation_id or 0, "ann"))
    for edit in edits:
        times.append(float(engine.root_timestamps(ids(*edit.new_roots))[0]))
    assert (np.diff(times) > 0).all()
    assert all(round(t * 1000, 6) == round(t * 1000) for t in times)
    volumes += [root_volume(engine, supervoxels, t) for t in times[1:]]
    assert np.array_equal(volumes[3], root_volume(engine, supervoxels))
    for k, moment in enumerate(times):
        assert np.array_equal(root_volume(engine, supervoxels, moment), volumes[k])
        assert np.array_equal(root_volume(engine, supervoxels, moment + 0.0005), volumes[k])
        roots = np.unique(volumes[k][volumes[k] > 0])
        assert engine.is_latest(roots, moment).all()
    assert (root_volume(engine, supervoxels, times[0] - 1) == 0).all()
    first = np.unique(volumes[0][volumes[0] > 0])
    gone = ~np.isin(first, volumes[1])
    assert np.array_equal(engine.is_latest(first, times[1] + 0.001), ~gone)
    assert engine.is_latest(first, times[1]).all()  # the end is exclusive


def test_lineage_links_old_and_new(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    old = engine.roots(ids(*(int(supervoxels[p]) for p in (A, B, C))))
    one = engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")
    two = engine.merge(point_in(supervoxels, B), point_in(supervoxels, C), "ann")
    (r1,), (r2,) = one.new_roots, two.new_roots
    first, second = int(old[0]), int(old[1])
    found = engine.lineage([first])
    assert found.roots == tuple(sorted([first, r1, r2]))
    assert set(found.links) == {(first, r1), (r1, r2)}
    everything = {(first, r1), (second, r1), (int(old[2]), r2), (r1, r2)}
    assert set(engine.lineage([r2]).links) == everything
    born = float(engine.root_timestamps(ids(r1))[0])
    # A link that crosses the limit belongs to the answer, the one after it does not.
    assert engine.lineage([first], future=born - 0.001).links == ((first, r1),)
    assert set(engine.lineage([first], future=born).links) == {(first, r1), (r1, r2)}
    assert set(engine.lineage([r2], past=born + 0.001).links) == {(r1, r2), (int(old[2]), r2)}


def test_undo_after_later_edits(engine: GraphEngine, folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    before = root_volume(engine, supervoxels)
    engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "ann")
    engine.merge(point_in(supervoxels, B), point_in(supervoxels, C), "ann")
    undone = engine.undo(1, "ann")
    assert len(undone.new_roots) == 2
    after = root_volume(engine, supervoxels)
    assert after[A] != after[B] == after[C]
    engine.undo(2, "ann")
    assert same_partition(root_volume(engine, supervoxels), before)
    rules_hold(engine.state)


def test_edits_survive_and_are_seen_by_other_openings(folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    writer, reader = GraphEngine.open(folder), GraphEngine.open(folder, read_only=True)
    before = root_volume(reader, supervoxels)
    merged = writer.merge(point_in(supervoxels, A), point_in(supervoxels, C), "ann")
    assert reader.current_roots().tolist() == writer.current_roots().tolist()
    assert reader.is_latest(ids(*merged.new_roots)).all()
    second = GraphEngine.open(folder)  # two writers take turns
    second.merge(point_in(supervoxels, A), point_in(supervoxels, B), "bob")
    writer.undo(merged.operation_id or 0, "ann")
    third = GraphEngine.open(folder)
    for engine in (writer, reader, second, third):
        assert np.array_equal(root_volume(engine, supervoxels), root_volume(third, supervoxels))
        assert np.array_equal(root_volume(engine, supervoxels, writer.oldest_timestamp()), before)
        rules_hold(engine.state)
        engine.close()


def test_readers_go_on_while_a_writer_holds_the_file(folder: DatastackFolder) -> None:
    import sqlite3

    engine = GraphEngine.open(folder)
    supervoxels = read_supervoxels(folder)
    blocker = sqlite3.connect(folder.graph_db, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    done: list[int] = []
    edit = threading.Thread(
        target=lambda: done.append(
            engine.merge(point_in(supervoxels, A), point_in(supervoxels, B), "x").operation_id or 0
        )
    )
    edit.start()
    start = time.monotonic()
    for _ in range(50):
        engine.roots(supervoxels[A][None])
    assert time.monotonic() - start < 5
    assert not done
    blocker.execute("ROLLBACK")
    blocker.close()
    edit.join(timeout=30)
    assert done == [1]
    engine.close()


def test_threads_edit_one_after_another(folder: DatastackFolder) -> None:
    supervoxels = read_supervoxels(folder)
    engine = GraphEngine.open(folder)
    outcomes: list[str] = []

    def work(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
        try:
            engine.merge(point_in(supervoxels, a), point_in(supervoxels, b), "x")
            outcomes.append("merged")
        except GraphRefusalError as refusal:
            outcomes.append(refusal.message)

    pairs = [(A, B), (B, C), (A, C), (A, B)]
    threads = [threading.Thread(target=work, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert outcomes.count("merged") == 2
    assert outcomes.count("Supervoxels must belong to different objects.") == 2
    roots = engine.roots(ids(*(int(supervoxels[p]) for p in (A, B, C))))
    assert len(set(roots.tolist())) == 1
    rules_hold(engine.state)
    engine.close()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.lists(st.integers(0, 2**20), min_size=1, max_size=12))
def test_any_series_of_edits_keeps_the_rules_and_replays(seed: int, picks: list[int]) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 6, (3, 3, 4)).astype(np.uint32)
    segments = np.kron(blocks, np.ones((8, 8, 24), dtype=np.uint32)).astype(np.uint32)
    pieces = np.arange(segments.size, dtype=np.uint32).reshape(segments.shape) // 97
    with tempfile.TemporaryDirectory() as out:
        make_datastack(Path(out), pieces[:8, :8], segments[:8, :8])
        folder = DatastackFolder.open(out)
        engine = GraphEngine.open(folder)
        base = engine.state.base
        partitions = [engine.roots(base.sv_ids)]
        for pick in picks:
            i, j = pick % len(base.sv_ids), (pick // 7) % len(base.sv_ids)
            center = tuple(float(v) for v in base.sv_centers_nm[i])
            point = (center[0], center[1], center[2])
            a, b = GraphPoint(int(base.sv_ids[i]), point), GraphPoint(int(base.sv_ids[j]), point)
            with contextlib.suppress(GraphRefusalError):
                if pick % 3:
                    engine.merge(a, b, "x")
                else:
                    engine.undo(pick % 5 + 1, "x")
            partitions.append(engine.roots(base.sv_ids))
            rules_hold(engine.state)
        last = engine.state.last_ms / 1000
        replayed = GraphEngine.open(folder, read_only=True)
        assert np.array_equal(replayed.roots(base.sv_ids), partitions[-1])
        assert np.array_equal(replayed.roots(base.sv_ids, last), partitions[-1])
        made = replayed.state.history
        for old, news in made.successors.items():
            assert all(new > old for new in news)  # so lineage has no cycle
        engine.close()
        replayed.close()


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_merge_then_undo_restores_the_partition(slab_datastack: Path, data: st.DataObject) -> None:
    import shutil

    with tempfile.TemporaryDirectory() as out:
        shutil.copytree(slab_datastack, out, dirs_exist_ok=True)
        folder = DatastackFolder.open(out)
        engine = GraphEngine.open(folder)
        supervoxels = read_supervoxels(folder)
        _, segments = slabs()
        axis = [st.integers(0, n - 1) for n in supervoxels.shape]
        p, q = (tuple(data.draw(a) for a in axis) for _ in range(2))
        a, b = (p[0], p[1], p[2]), (q[0], q[1], q[2])
        if segments[a] and segments[b] and segments[a] != segments[b]:
            merged = engine.merge(point_in(supervoxels, a), point_in(supervoxels, b), "x")
            assert not same_partition(root_volume(engine, supervoxels), segments)
            engine.undo(merged.operation_id or 0, "x")
        assert same_partition(root_volume(engine, supervoxels), segments)
        engine.close()
