from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from connectome.cave.operations import HistoryOperation, OperationKind
from connectome.errors import InputError
from connectome.graph import GraphPoint, MergeRequest, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.space import PointNm
from inference.datasets.samples import Origin, Sample
from inference.datasets.sources.corrections import (
    CorrectionSettings,
    corrections,
    latest_of,
    lineage_of,
    taken_back,
)
from inference.datasets.sources.difference import two_times
from inference.datasets.sources.edit_logs import operations_of_graph, read_edit_log
from inference.datasets.sources.history import HISTORY_TASKS, HistorySettings, HistorySource
from proofreading.verdicts import Task
from tests.arrays import ArrayDatastack
from tests.data import shared_data
from tests.unit.offline.volumes import make_datastack, point_in, read_supervoxels, slabs

START = datetime(2026, 1, 1, tzinfo=UTC)
SPLIT_ID, MERGE_ID = Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION
PAIR, CUT = Task.SPLIT_ERROR_CORRECTION, Task.SPLIT_ACTION_EVALUATION
BIG = 2**60


def edit(
    number: int,
    before: tuple[int, ...],
    after: tuple[int, ...],
    at: float = 0.0,
    *,
    kind: OperationKind | None = None,
    of: int | None = None,
    points: bool = True,
) -> HistoryOperation:
    is_merge = len(before) > len(after)
    sources: tuple[PointNm, ...] = ((at - 50, 0.0, 0.0),) if points else ()
    sinks: tuple[PointNm, ...] = ((at + 50, 0.0, 0.0),) if points else ()
    return HistoryOperation(
        number,
        kind or ("merge" if is_merge else "split"),
        is_merge,
        START + timedelta(minutes=number),
        "",
        tuple(BIG + root for root in before),
        tuple(BIG + root for root in after),
        source_coords_nm=sources,
        sink_coords_nm=sinks,
        of_operation=of,
    )


def kept(*log: HistoryOperation, settings: CorrectionSettings | None = None) -> list[int]:
    found, left_out = corrections(log, settings or CorrectionSettings())
    assert len(found) + sum(left_out.values()) == len(log)
    return [one.operation_id for one in found]


def told(source: HistorySource, task: Task) -> Counter[tuple[str, bool]]:
    return Counter((one.strategy, one.label) for one in source.samples(task))


MERGE = edit(1, (1, 2), (3,))
SPLIT = edit(2, (10,), (11, 12), at=50_000)


def test_an_edit_that_was_taken_back_is_no_correction() -> None:
    undo = edit(5, (3,), (4, 5), kind="undo", of=1)
    redo = edit(6, (4, 5), (6,), kind="redo", of=1)
    undo_of_undo = edit(7, (4, 5), (6,), kind="undo", of=5)
    assert kept(MERGE, SPLIT) == [1, 2]
    assert kept(MERGE, SPLIT, undo) == [2]
    assert kept(MERGE, undo, redo) == [1]
    assert kept(MERGE, undo, undo_of_undo) == [1]
    assert taken_back([MERGE, undo, redo, edit(8, (6,), (7, 8), kind="undo", of=6)]) == {1}


@pytest.mark.parametrize(
    ("later", "stays"),
    [
        ([edit(5, (3,), (4, 5))], False),
        ([edit(5, (3,), (4, 5), at=2400)], False),
        ([edit(5, (3,), (4, 5), at=2600)], True),
        ([edit(5, (3, 9), (4,)), edit(6, (4,), (5, 6))], False),
        ([edit(5, (3, 9), (4,)), edit(6, (4, 8), (5,)), edit(7, (5,), (6, 7))], True),
        ([edit(5, (3, 9), (4,))], True),
        ([edit(5, (3,), (4, 5)), edit(6, (4, 5), (6,), kind="undo", of=5)], True),
    ],
)
def test_what_people_corrected_again_nearby_is_left_out(
    later: list[HistoryOperation], stays: bool
) -> None:
    assert (1 in kept(MERGE, *later)) is stays
    _, left_out = corrections([MERGE, *later], CorrectionSettings())
    assert stays or left_out["transitive correction"] > 0


def test_edits_without_a_place_or_with_too_many_pieces_are_counted() -> None:
    log = [
        edit(1, (1, 2), (3,), points=False),
        edit(2, (4,), (5, 6, 7)),
        edit(3, (8, 9), (10,), at=1e12),
    ]
    found, left_out = corrections(log, CorrectionSettings())
    assert found == []
    assert left_out == {
        "no place known": 1,
        "not two segments on one side and one on the other": 1,
        "place more than a metre away": 1,
    }


def test_the_graph_overrules_the_log() -> None:
    log = [
        HistoryOperation(
            **{**vars(MERGE), "added_edges": ((7, 8),), "before_roots": (BIG, BIG + 1, BIG + 5)}
        )
    ]

    def split_instead(supervoxels: np.ndarray, at: datetime) -> np.ndarray:
        apart = at > MERGE.time
        return np.array([1, 2 if apart else 1], np.uint64)

    _, left_out = corrections(log, CorrectionSettings(), split_instead)
    assert sum(left_out.values()) == 1

    def gained(supervoxels: np.ndarray, at: datetime) -> np.ndarray:
        return np.array([BIG + 3] * 2 if at > MERGE.time else [BIG + 2, BIG + 1], np.uint64)

    (found,), _ = corrections(log, CorrectionSettings(), gained)
    assert found.is_merge
    assert found.sided
    assert found.before == (BIG + 2, BIG + 1)
    assert found.before_time < MERGE.time < found.after_time


def test_every_task_has_its_answers() -> None:
    source = HistorySource("stack", [MERGE, SPLIT])
    assert told(source, SPLIT_ID) == {("merge edit", True): 2, ("after split edit", False): 2}
    assert told(source, PAIR) == {("merge edit", True): 1, ("split edit", False): 1}
    assert told(source, MERGE_ID) == {("split edit", True): 1, ("after merge edit", False): 1}
    assert told(source, CUT) == {("split edit", True): 1, ("cut against a merge edit", False): 1}
    cuts = {one.strategy: one for one in source.samples(CUT)}
    assert cuts["split edit"].segments == (BIG + 10,)
    assert cuts["split edit"].sources_nm == ((49_950.0, 0.0, 0.0),)
    assert cuts["split edit"].seen_at == SPLIT.time - timedelta(milliseconds=1)
    assert cuts["cut against a merge edit"].segments == (BIG + 3,)
    assert cuts["cut against a merge edit"].seen_at == MERGE.time + timedelta(milliseconds=1)
    everything = [one for task in sorted(HISTORY_TASKS) for one in source.samples(task)]
    assert everything == [one for task in sorted(HISTORY_TASKS) for one in source.samples(task)]
    assert len({one.id for one in everything}) == len(everything)
    assert {one.origin for one in everything} == {Origin.HISTORY}
    with pytest.raises(InputError, match="does not answer"):
        next(source.samples(Task.PARTNER_CHOICE))


def test_two_fragments_of_one_neuron_are_never_different() -> None:
    again = edit(9, (11, 12), (20,), at=90_000)
    joined = edit(9, (11, 30), (31,), at=90_000), edit(10, (31, 12), (32,), at=90_000)
    for later in ([again], joined):
        source = HistorySource("stack", [SPLIT, *later])
        labels = {one.operation_id: one.label for one in source.samples(PAIR)}
        assert 2 not in labels
        assert source.left_out["different segments that a later edit joined"] == 1


def test_a_piece_that_was_joined_with_another_nearby_is_not_free_of_errors() -> None:
    near, far = (edit(9, (11, 40), (41,), at=at) for at in (51_000, 90_000))
    exact = HistorySettings(corrections=CorrectionSettings(near_nm=100.0))
    mended = told(HistorySource("stack", [SPLIT, far], exact), SPLIT_ID)
    assert mended["after split edit", False] == 2
    source = HistorySource("stack", [SPLIT, near], exact)
    assert told(source, SPLIT_ID)["after split edit", False] == 1
    assert source.left_out["after split edit: another correction nearby"] == 1


def test_bodies_are_what_became_of_segments() -> None:
    source = HistorySource("stack", [MERGE, edit(7, (3, 50), (51,), at=9000)])
    (first, _) = source.samples(PAIR)
    assert first.bodies == (BIG + 51,)
    found = latest_of(lineage_of([MERGE, SPLIT]), [BIG + 1, BIG + 10, BIG + 99])
    assert found == {BIG + 1: {BIG + 3}, BIG + 10: {BIG + 11, BIG + 12}, BIG + 99: {BIG + 99}}


def test_refused_edits_are_counted_once_over_all_tasks() -> None:
    source = HistorySource("stack", [MERGE, edit(5, (3,), (4, 5), kind="undo", of=1)])
    counted: Counter[str] = Counter()
    for task in HISTORY_TASKS:
        list(source.samples(task))
        counted.update(source.left_out)
    assert counted == {"edit: taken back later": 1, "edit: undo or redo": 1}


def test_a_flat_segmentation_has_no_history() -> None:
    flat = ArrayDatastack(None, None, np.ones((2, 2, 2)), (8.0, 8.0, 8.0))
    with pytest.raises(InputError, match="is flat"):
        HistorySource("flat", [], datastack=flat)
    with pytest.raises(InputError, match="is flat"):
        two_times(flat, flat.arrays.scale.bounds_nm, START)


def test_logs_are_read_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(one.as_json()) + "\n" for one in (MERGE, SPLIT)))
    dropped: Counter[str] = Counter()
    assert read_edit_log(path, dropped) == [MERGE, SPLIT]
    bank = {
        "operation_id": 4,
        "species": "mouse",
        "is_merge": True,
        "timestamp": 1_700_000_000,
        "interface_point_nm": [1.0, 2.0, 3.0],
        "before_root_ids": [str(BIG + 1), str(BIG + 2)],
        "after_root_ids": [str(BIG + 3)],
    }
    timeless = {**bank, "operation_id": 5}
    del timeless["timestamp"]
    path.write_text(json.dumps(bank) + "\n" + json.dumps(timeless) + "\n")
    (read,) = read_edit_log(path, dropped)
    assert read.source_coords_nm == ((1.0, 2.0, 3.0),)
    assert sum(dropped.values()) == 1
    for text in ("[1]", "no json", "{}"):
        path.write_text(text)
        with pytest.raises(InputError):
            read_edit_log(path, dropped)


def test_the_published_splits_give_samples_of_three_tasks() -> None:
    log = read_edit_log(shared_data("microns_split_operations.json"), Counter())
    source = HistorySource("minnie65", log)
    assert len(log) == len(source.corrections) == 158
    assert told(source, MERGE_ID) == {("split edit", True): 158}
    assert told(source, PAIR) == {("split edit", False): 158}
    assert told(source, SPLIT_ID) == {("after split edit", False): 316}
    assert told(source, CUT) == {}
    assert source.left_out["split edit: cut whose points are not known"] == 158
    assert all(root > 2**53 for one in source.samples(PAIR) for root in one.segments)


A, B, C = (10, 10, 28), (10, 10, 31), (10, 10, 60)


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineDatastack]:
    """Segments 5 and 6 joined, 7 cut, and a join of 6 and 7 that was taken back."""
    folder = tmp_path_factory.mktemp("history") / "slabs"
    pieces, segments = slabs()
    make_datastack(folder, pieces, segments, truth=segments)
    datastack = OfflineDatastack(folder)
    supervoxels, graph = read_supervoxels(datastack.folder), datastack.graph

    def at(z: int, y: int, x: int) -> GraphPoint:
        return point_in(supervoxels, (z, y, x))

    graph.merge(MergeRequest(at(*A), at(*B)))
    graph.split(SplitRequest((at(10, 18, 55),), (at(10, 22, 55),)))
    wrong = graph.merge(MergeRequest(at(10, 10, 48), at(10, 10, 52)))
    assert graph.undo(wrong.operation_id) is not None
    yield datastack
    datastack.close()


def _source(datastack: OfflineDatastack) -> HistorySource:
    roots = [int(root) for root in datastack.segmentation.roots()]
    log, lineage = operations_of_graph(datastack.graph, roots)
    near = HistorySettings(corrections=CorrectionSettings(near_nm=100.0), untouched_nm=100.0)
    return HistorySource(datastack.name, log, near, lineage=lineage, datastack=datastack)


def test_an_edited_datastack_tells_its_history(edited: OfflineDatastack) -> None:
    source = _source(edited)
    assert told(source, PAIR)["merge edit", True] == 1
    assert told(source, PAIR)["split edit", False] == 1
    (merge,) = [one for one in source.samples(PAIR) if one.label]
    supervoxels = np.array(merge.supervoxels, np.uint64)
    before = edited.graph.roots(supervoxels, merge.seen_at)
    assert merge.segments == tuple(int(root) for root in before)
    errors = [one for one in source.samples(SPLIT_ID) if one.label]
    places = {one.segments[0]: one.point_nm for one in errors}
    vx = 16.0
    assert places[merge.segments[0]][0] == pytest.approx(A[2] * vx, abs=vx)
    assert places[merge.segments[1]][0] == pytest.approx(B[2] * vx, abs=vx)
    assert list(source.samples(PAIR)) == list(_source(edited).samples(PAIR))


def test_neighbours_of_an_edit_were_never_joined(edited: OfflineDatastack) -> None:
    source = _source(edited)
    found = [one for one in source.samples(PAIR) if one.strategy == "neighbours never joined"]
    assert len(found) == 1
    for one in found:
        assert not one.label
        lineage = edited.graph.lineage(one.segments)
        a, b = (lineage.latest(segment) for segment in one.segments)
        assert not a & b
    assert source.left_out["neighbours that a later edit joined"] > 0


def test_tips_of_proofread_segments_are_free_of_errors(edited: OfflineDatastack) -> None:
    class Straight:
        """One line through every segment, from inside to inside."""

        def skeletons(self, roots: list[int]) -> Iterator[object]:
            from connectome.datastack import Skeleton

            for root in roots:
                points = np.array([[300, 300, 160], [600, 300, 160]], np.float32)
                yield Skeleton(root, points, np.array([[0, 1]], np.uint32), np.ones(2, np.float32))

    source = _source(edited)
    edited.__dict__["skeletons"] = Straight()
    found = [one for one in source.samples(SPLIT_ID) if one.strategy == "error-free tip"]
    del edited.__dict__["skeletons"]
    assert found
    merged = edited.graph.roots(np.array(_merge_of(source).supervoxels, np.uint64))
    for one in found:
        assert not one.label
        assert one.bodies == one.segments
        assert edited.graph.is_latest(np.array(one.segments, np.uint64)).all()
    assert int(merged[0]) in {one.segments[0] for one in found}


def _merge_of(source: HistorySource) -> Sample:
    (merge,) = [one for one in source.samples(PAIR) if one.label]
    return merge


def test_two_times_of_a_datastack_differ_where_it_was_edited(edited: OfflineDatastack) -> None:
    graph = edited.graph
    roots = [int(root) for root in edited.segmentation.roots()]
    log, _ = operations_of_graph(graph, roots)
    box = edited.segmentation.scales[0].bounds_nm
    start = min(one.time for one in log) - timedelta(milliseconds=1)
    source = two_times(edited, box, start, max(one.time for one in log))
    (pair,) = [one for one in source.samples(PAIR) if one.label]
    assert {int(one) for one in _merge_of(_source(edited)).segments} == set(pair.segments)
    (parted,) = [one for one in source.samples(MERGE_ID) if one.label]
    assert parted.origin is Origin.DIFFERENCE
    assert len(parted.bodies) == 2
