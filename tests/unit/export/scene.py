"""A ledger, a graph in memory and an exporter between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from connectome.graph import GraphPoint, MergeRequest, SplitRequest
from proofreading.edits import EditRecord, MergeEdit, SplitEdit
from proofreading.export.protocol import Exporter
from proofreading.ledger.events import DecisionMade, EditQueued
from proofreading.ledger.store import Ledger
from proofreading.verdicts import Task
from tests.fake_annotations import MemoryAnnotations
from tests.fakes import FakeClock, MemoryGraph
from tests.unit.ledger.build import a_decision, a_merge


def point(supervoxel: int) -> GraphPoint:
    """Return a place of its own for a supervoxel."""
    return GraphPoint(supervoxel, (1000.0 * supervoxel + 3.0, 2.0, 3.0))


def cut_request(edit: SplitEdit) -> SplitRequest:
    return SplitRequest(edit.sources, edit.sinks)


@dataclass
class Scene:
    """Edits are numbered; the graph has ten supervoxels, each an object of its own."""

    ledger: Ledger
    graph: MemoryGraph
    clock: FakeClock
    exporter: Exporter
    annotations: MemoryAnnotations

    def queue(self, number: int, a: int, b: int) -> MergeEdit:
        edit = a_merge(number, a, b, (self.graph.root_of(a), self.graph.root_of(b)))
        self.ledger.append(DecisionMade(a_decision(number, site=number)))
        self.ledger.append(EditQueued(edit))
        return edit

    def chain(self, *supervoxels: int) -> int:
        """Let others make one object of these and return its root."""
        for a, b in pairwise(supervoxels):
            self.graph.join(a, b, user="other")
        return self.graph.root_of(supervoxels[0])

    def queue_cut(self, number: int, sources: list[int], sinks: list[int]) -> SplitEdit:
        edit = SplitEdit(
            f"edit-{number}",
            f"decision-{number}",
            f"{number:016x}",
            tuple(point(s) for s in sources),
            tuple(point(s) for s in sinks),
            self.graph.root_of(sources[0]),
        )
        decision = replace(a_decision(number, site=number), task=Task.MERGE_ERROR_IDENTIFICATION)
        self.ledger.append_all([DecisionMade(decision), EditQueued(edit)])
        return edit

    def record(self, number: int = 1) -> EditRecord:
        record = self.ledger.state.edit(f"edit-{number}")
        assert record is not None
        return record

    def with_rows(self) -> Exporter:
        return Exporter(
            self.ledger, self.graph, rows=self.annotations, clock=self.clock, wait=self.clock.wait
        )

    def merges_sent(self) -> int:
        return sum(isinstance(sent, MergeRequest) for sent in self.graph.sent)

    def cuts_sent(self) -> int:
        return sum(isinstance(sent, SplitRequest) for sent in self.graph.sent)
