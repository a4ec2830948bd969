"""What every graph must do, whatever lies behind it. Subclass and give `graph` and `line`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from connectome.errors import EditRejectedError, NotFoundError, ServiceError
from connectome.graph import EditReceipt, Graph, GraphPoint, MergeRequest, SplitRequest
from proofreading.edits import MergeEdit, SplitEdit
from proofreading.export.history import present_sides, read_history
from proofreading.export.reading import Outcome, read_edit


@dataclass(frozen=True)
class Line:
    """Six places in a row, used by no other test: three of one object, three of the next."""

    left: tuple[GraphPoint, GraphPoint, GraphPoint]
    right: tuple[GraphPoint, GraphPoint, GraphPoint]

    @property
    def gap(self) -> MergeRequest:
        """The merge of the two."""
        return MergeRequest(self.left[2], self.right[0])

    @property
    def cut(self) -> SplitRequest:
        """The cut of the left one."""
        return SplitRequest((self.left[0],), (self.left[2],))


def roots(graph: Graph, *points: GraphPoint) -> list[int]:
    return [int(r) for r in graph.roots(np.array([p.supervoxel for p in points], np.uint64))]


def merge_of(line: Line, graph: Graph) -> MergeEdit:
    a, b = line.gap.a, line.gap.b
    first, second = roots(graph, a, b)
    return MergeEdit("m", "d", "s", a, b, (first, second))


def cut_of(line: Line, graph: Graph) -> SplitEdit:
    (root,) = roots(graph, line.left[0])
    return SplitEdit("c", "d", "s", line.cut.sources, line.cut.sinks, root)


class GraphContract:
    """The suite."""

    @pytest.fixture
    def graph(self) -> Graph:
        raise pytest.UsageError("a subclass gives the graph")

    @pytest.fixture
    def line(self) -> Line:
        raise pytest.UsageError("a subclass gives the line")

    def test_supervoxels_have_roots(self, graph: Graph, line: Line) -> None:
        left, right = set(roots(graph, *line.left)), set(roots(graph, *line.right))
        assert (len(left), len(right), left & right) == (1, 1, set())
        assert graph.roots(np.zeros(2, np.uint64)).tolist() == [0, 0]
        assert graph.is_latest(np.array([*left, *right], np.uint64)).all()

    def test_leaves_are_those_with_the_root(self, graph: Graph, line: Line) -> None:
        (root,) = set(roots(graph, *line.left))
        leaves = graph.leaves(root)
        assert {p.supervoxel for p in line.left} <= set(leaves.tolist())
        assert set(graph.roots(leaves).tolist()) == {root}

    def test_a_merge_makes_one_object(self, graph: Graph, line: Line) -> None:
        edit = merge_of(line, graph)
        receipt = graph.merge(line.gap)
        assert roots(graph, *line.left, *line.right) == list(receipt.new_roots) * 6
        old = np.array([*edit.seen_roots, *receipt.new_roots], np.uint64)
        assert graph.is_latest(old).tolist() == [False, False, True]
        self.check_history(graph, edit, receipt)
        row = graph.operations([receipt.operation_id])[receipt.operation_id]
        pair = {line.gap.a.supervoxel, line.gap.b.supervoxel}
        assert pair in [set(edge) for edge in row.added_edges]
        assert row.removed_edges == ()

    def test_a_cut_makes_two_objects(self, graph: Graph, line: Line) -> None:
        edit = cut_of(line, graph)
        receipt = graph.split(line.cut)
        assert len(receipt.new_roots) == 2
        a, b = roots(graph, line.left[0], line.left[2])
        assert {a, b} == set(receipt.new_roots)
        self.check_history(graph, edit, receipt)
        row = graph.operations([receipt.operation_id])[receipt.operation_id]
        assert row.removed_edges
        assert row.added_edges == ()
        assert row.undoes is None

    def check_history(
        self, graph: Graph, edit: MergeEdit | SplitEdit, receipt: EditReceipt
    ) -> None:
        """Compare lineage and log with the receipt, as reconciling does."""
        sides = present_sides(graph, edit)
        history = read_history(graph, edit.seen_roots, sides.roots)
        assert history.roots == set(receipt.new_roots) == sides.roots
        assert (history.told, history.operation_ids) == (True, (receipt.operation_id,))
        found = read_edit(graph, edit)
        assert (found.outcome, found.operation_id) == (Outcome.APPLIED, receipt.operation_id)
        assert set(found.new_roots) == set(receipt.new_roots)

    def test_an_edit_that_was_not_sent_is_not_found(self, graph: Graph, line: Line) -> None:
        merge, cut = merge_of(line, graph), cut_of(line, graph)
        graph.split(SplitRequest((line.left[0],), (line.left[1],)))
        assert read_edit(graph, merge).outcome is Outcome.NOT_APPLIED
        assert read_edit(graph, cut).outcome is Outcome.OVERTAKEN
        assert read_edit(graph, merge_of(line, graph)).outcome is Outcome.NOT_APPLIED

    def test_a_preview_changes_nothing(self, graph: Graph, line: Line) -> None:
        before = roots(graph, *line.left)
        preview = graph.preview_split(line.cut)
        assert not preview.illegal
        source, sink = (set(part.tolist()) for part in preview.parts[:2])
        assert line.left[0].supervoxel in source
        assert line.left[2].supervoxel in sink
        assert not source & sink
        assert roots(graph, *line.left) == before
        assert graph.is_latest(np.array(before, np.uint64)).all()

    def test_what_is_one_object_is_not_merged(self, graph: Graph, line: Line) -> None:
        before = roots(graph, *line.left)
        with pytest.raises(EditRejectedError, match="different objects"):
            graph.merge(MergeRequest(line.left[0], line.left[1]))
        assert roots(graph, *line.left) == before

    def test_what_is_apart_is_not_cut(self, graph: Graph, line: Line) -> None:
        request = SplitRequest((line.left[0],), (line.right[0],))
        before = roots(graph, *line.left, *line.right)
        for call in (graph.preview_split, graph.split):
            with pytest.raises(EditRejectedError):
                call(request)
        assert roots(graph, *line.left, *line.right) == before

    def test_a_supervoxel_on_both_sides_is_refused(self, graph: Graph, line: Line) -> None:
        with pytest.raises(EditRejectedError, match="both sink and source"):
            graph.split(SplitRequest((line.left[0],), (line.left[0], line.left[2])))

    def test_the_undo_of_a_merge(self, graph: Graph, line: Line) -> None:
        done = graph.merge(line.gap)
        undone = graph.undo(done.operation_id)
        assert undone is not None
        left, right = set(roots(graph, *line.left)), set(roots(graph, *line.right))
        assert left | right == set(undone.new_roots)
        assert not left & right
        self.check_undo(graph, done, undone)

    def test_the_undo_of_a_cut(self, graph: Graph, line: Line) -> None:
        done = graph.split(line.cut)
        undone = graph.undo(done.operation_id)
        assert undone is not None
        assert roots(graph, *line.left) == list(undone.new_roots) * 3
        self.check_undo(graph, done, undone)

    def check_undo(self, graph: Graph, done: EditReceipt, undone: EditReceipt) -> None:
        row = graph.operations([undone.operation_id])[undone.operation_id]
        assert (row.undoes, row.applied) == (done.operation_id, True)
        history = read_history(graph, done.new_roots, undone.new_roots)
        assert history.operation_ids == (undone.operation_id,)
        assert graph.undo(done.operation_id) is None

    def test_unknown_things(self, graph: Graph, line: Line) -> None:
        assert graph.operations([10**6]) == {}
        with pytest.raises((NotFoundError, ServiceError)):
            graph.lineage([12345])
        assert graph.is_latest(np.array([12345], np.uint64)).tolist() == [False]
