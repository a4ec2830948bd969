"""Labelled questions made of what people have edited.

A merge edit shows a split error, and a split edit a merge error, each right before it;
right after it neither is there any more. Where a datastack is given as well, it adds
what no edit tells: neighbours that were never joined, and tips and branch points where
nothing was wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from scipy.spatial import cKDTree

from connectome.cave.operations import HistoryOperation
from connectome.datastack import Datastack
from connectome.errors import InputError
from connectome.graph import Lineage
from connectome.space import PointNm
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.sources.corrections import (
    Correction,
    CorrectionSettings,
    RootsAt,
    corrections,
    latest_of,
    lineage_of,
    middle,
)
from proofreading.verdicts import Task

__all__ = ["HISTORY_TASKS", "HistorySettings", "HistorySource"]

HISTORY_TASKS = frozenset(
    {
        Task.SPLIT_ERROR_IDENTIFICATION,
        Task.SPLIT_ERROR_CORRECTION,
        Task.MERGE_ERROR_IDENTIFICATION,
        Task.SPLIT_ACTION_EVALUATION,
    }
)
_JOINED = "different segments that a later edit joined"
_NEARBY = "another correction nearby"
_NO_CUT = "cut whose points are not known"


@dataclass(frozen=True)
class HistorySettings:
    """How samples are made of edits.

    Parameters
    ----------
    corrections : CorrectionSettings
        What counts as a correction.
    untouched_nm : float
        A place is free of errors when no correction of its segment lies so near.
    adjacent_nm : float
        Width of the box around an edit in which neighbours are sought.
    adjacent : int
        Neighbours asked about for each edit, at most.
    places : int
        Error-free tips, and branch points, of each proofread segment, at most.
    seed : int
    """

    corrections: CorrectionSettings = field(default_factory=CorrectionSettings)
    untouched_nm: float = 2500.0
    adjacent_nm: float = 500.0
    adjacent: int = 3
    places: int = 10
    seed: int = 0


class HistorySource:
    """The corrections of an edit history; a `SampleSource`.

    Parameters
    ----------
    dataset : str
        Name of the datastack.
    operations : sequence of HistoryOperation
        The edits.
    settings : HistorySettings, optional
        How samples are made.
    lineage : Lineage, optional
        What became of segments; as far as the edits tell where it is not given.
    datastack : Datastack, optional
        The datastack itself, for what no edit tells; it must have a graph.
    roots_at : callable, optional
        The graph's roots at a time; the datastack's own if it is given.

    Raises
    ------
    InputError
        If the datastack has no graph.
    """

    tasks = HISTORY_TASKS

    def __init__(
        self,
        dataset: str,
        operations: Sequence[HistoryOperation],
        settings: HistorySettings | None = None,
        *,
        lineage: Lineage | None = None,
        datastack: Datastack | None = None,
        roots_at: RootsAt | None = None,
    ) -> None:
        if datastack is not None and datastack.graph is None:
            raise InputError(
                f"The datastack {datastack.name} is flat: it has no edit history.",
                "Give a datastack with a chunked graph.",
            )
        if roots_at is None and datastack is not None and datastack.graph is not None:
            roots_at = datastack.graph.roots
        self.settings = settings or HistorySettings()
        self.left_out: Counter[str] = Counter()
        self.corrections, self._refused = corrections(
            operations, self.settings.corrections, roots_at
        )
        self._dataset = dataset
        self._lineage = lineage_of(operations) if lineage is None else lineage
        self._datastack = datastack
        named = {r for c in self.corrections for r in (*c.before, *c.after)}
        self.latest = dict(latest_of(self._lineage, named))
        self._near = {kind: self._places_of(kind) for kind in (True, False)}

    @property
    def dataset(self) -> str:
        """Name of the datastack."""
        return self._dataset

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled questions of a task, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        ServiceError
            If the datastack cannot be read.
        """
        if task not in self.tasks:
            raise InputError(
                f"An edit history does not answer {task.value}.",
                f"Ask for one of {', '.join(sorted(self.tasks))}.",
            )
        self.left_out.clear()
        # Counted with one task, or a data set of four would count each edit four times.
        if task is min(self.tasks):
            self.left_out.update({f"edit: {why}": n for why, n in self._refused.items()})
        for correction in self.corrections:
            yield from self._of(correction, task)
        if self._datastack is not None:
            yield from self._untold(task, self._datastack)

    def _of(self, edit: Correction, task: Task) -> Iterator[Sample]:
        kind = "merge edit" if edit.is_merge else "split edit"
        if task is Task.SPLIT_ERROR_CORRECTION:
            yield from self._pair(edit, kind)
        elif task is Task.SPLIT_ACTION_EVALUATION:
            yield from self._cut(edit, kind)
        elif (task is Task.SPLIT_ERROR_IDENTIFICATION) == edit.is_merge:
            yield from self._error(edit, task, kind)
        else:
            yield from self._mended(edit, task, f"after {kind}")

    def _pair(self, edit: Correction, kind: str) -> Iterator[Sample]:
        """Yield the two pieces: one neuron before a merge edit, two after a split edit."""
        if not edit.is_merge and self._share(edit.pieces[0], edit.pieces[1]):
            self.left_out[_JOINED] += 1
            return
        yield self._sample(Task.SPLIT_ERROR_CORRECTION, edit, kind, edit.is_merge, edit.pieces)

    def _error(self, edit: Correction, task: Task, kind: str) -> Iterator[Sample]:
        """Yield each segment right before the edit: the error is there."""
        for segment, point in _places(edit, edit.before):
            yield self._sample(task, edit, kind, True, (segment,), point)

    def _mended(self, edit: Correction, task: Task, strategy: str) -> Iterator[Sample]:
        """Yield each segment right after the edit, unless there was another error near."""
        for segment in edit.after:
            if self.corrected_near(segment, edit.point_nm, task, besides=edit.operation_id):
                self.left_out[f"{strategy}: {_NEARBY}"] += 1
            else:
                yield self._sample(task, edit, strategy, False, (segment,))

    def _cut(self, edit: Correction, kind: str) -> Iterator[Sample]:
        """Yield the cut of a split edit, and the one that would undo a merge edit."""
        if not edit.sources_nm or not edit.sinks_nm:
            self.left_out[f"{kind}: {_NO_CUT}"] += 1
            return
        strategy = f"cut against a {kind}" if edit.is_merge else kind
        task = Task.SPLIT_ACTION_EVALUATION
        yield self._sample(task, edit, strategy, not edit.is_merge, (edit.whole,))

    def _untold(self, task: Task, datastack: Datastack) -> Iterator[Sample]:
        from inference.datasets.sources import history_controls as controls

        if task is Task.SPLIT_ERROR_CORRECTION:
            yield from controls.neighbours(self, datastack)
        elif task in (Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION):
            yield from controls.error_free_places(self, task, datastack)

    def corrected_near(self, segment: int, point: PointNm, task: Task, besides: int = 0) -> bool:
        """Tell whether an error of a task's kind was corrected near a place of a segment."""
        tree, edits = self._near[task is Task.SPLIT_ERROR_IDENTIFICATION]
        rows = [] if tree is None else tree.query_ball_point(point, self.settings.untouched_nm)
        return any(
            edits[row].operation_id != besides
            and any(self._share(segment, r) for r in (*edits[row].before, *edits[row].after))
            for row in rows
        )

    def became(self, root: int) -> frozenset[int]:
        """Return what became of a segment; itself where no edit is known."""
        return self.latest.get(root, frozenset((root,)))

    def _places_of(self, is_merge: bool) -> tuple[cKDTree | None, list[Correction]]:
        edits = [edit for edit in self.corrections if edit.is_merge is is_merge]
        return (cKDTree([edit.point_nm for edit in edits]) if edits else None), edits

    def _share(self, one: int, other: int) -> bool:
        return not self.became(one).isdisjoint(self.became(other))

    def _sample(
        self,
        task: Task,
        edit: Correction,
        strategy: str,
        label: bool,
        segments: tuple[int, ...],
        point: PointNm | None = None,
    ) -> Sample:
        before = set(segments) <= set(edit.before)
        cut = task is Task.SPLIT_ACTION_EVALUATION
        return self.made(
            task,
            strategy,
            label,
            segments,
            edit.point_nm if point is None else point,
            edit.before_time if before else edit.after_time,
            supervoxels=edit.supervoxels,
            sources_nm=edit.sources_nm if cut else (),
            sinks_nm=edit.sinks_nm if cut else (),
            operation_id=edit.operation_id,
        )

    def made(
        self,
        task: Task,
        strategy: str,
        label: bool,
        segments: tuple[int, ...],
        point: PointNm,
        seen_at: datetime | None,
        *,
        supervoxels: tuple[int, ...] = (),
        sources_nm: tuple[PointNm, ...] = (),
        sinks_nm: tuple[PointNm, ...] = (),
        operation_id: int | None = None,
    ) -> Sample:
        """Return a sample; its bodies are what became of its segments."""
        return Sample(
            id=sample_id(task, self.dataset, segments, point, strategy),
            task=task,
            dataset=self.dataset,
            origin=Origin.HISTORY,
            strategy=strategy,
            label=label,
            synthetic=False,
            point_nm=point,
            segments=segments,
            supervoxels=supervoxels,
            bodies=tuple(sorted(set().union(*(self.became(s) for s in segments)))),
            sources_nm=sources_nm,
            sinks_nm=sinks_nm,
            operation_id=operation_id,
            seen_at=seen_at,
        )


def _places(edit: Correction, segments: tuple[int, ...]) -> Iterator[tuple[int, PointNm]]:
    """Yield each segment with the place where it was pointed at."""
    if not edit.sided or len(segments) != 2:
        yield from ((segment, edit.point_nm) for segment in segments)
        return
    for segment, points in zip(segments, (edit.sources_nm, edit.sinks_nm), strict=True):
        own = middle(points, ())
        yield segment, edit.point_nm if own is None else own
