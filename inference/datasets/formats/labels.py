"""From edits to labelled questions.

The labels are those of ConnectomeBench2's tasks: an edit was right, so its inversion
would be wrong. A merge edit says that its segments belong together (split errors), and
that what it made is no merge error; a split edit says that what it cut was a merge error,
and that its pieces end where they end. Segments before an edit are seen one second
before it, those after it one second after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectome.space import PointNm
from inference.datasets.formats.base import datastack_of
from inference.datasets.formats.later import LaterEdits
from inference.datasets.formats.operations import Control, Operation
from inference.datasets.formats.sample_json import OWN, sample_from_json
from inference.datasets.formats.values import ids_of
from inference.datasets.samples import Origin, Sample, sample_id
from proofreading.verdicts import Task

__all__ = [
    "MAIN_TASKS",
    "control_samples",
    "operation_samples",
    "samples_of_bank",
    "strategy_of",
]

MAIN_TASKS = frozenset(
    {
        Task.SPLIT_ERROR_IDENTIFICATION,
        Task.SPLIT_ERROR_CORRECTION,
        Task.MERGE_ERROR_IDENTIFICATION,
        Task.SPLIT_ACTION_EVALUATION,
    }
)
_STRATEGIES = {
    "inver": "inverted edit",
    "adj": "adjacent segments",
    "synap": "pre- and postsynaptic",
    "junction": "proofread branch point",
}
_SECOND = timedelta(seconds=1)


def strategy_of(words: str) -> str:
    """Return our word for how a file says that a control was made."""
    lower = words.lower()
    return next((ours for part, ours in _STRATEGIES.items() if part in lower), words)


@dataclass(frozen=True)
class _Proposal:
    """An edit, made or not, of which it is known whether it is right."""

    is_merge: bool
    right: bool
    segments: tuple[int, ...]
    point_nm: PointNm
    dataset: str
    strategy: str
    seen_at: datetime | None
    operation_id: int | None
    sources_nm: tuple[PointNm, ...] = ()
    sinks_nm: tuple[PointNm, ...] = ()
    alone: bool = True
    """Whether it also says something of each segment by itself."""

    def sample(self, task: Task, segments: tuple[int, ...]) -> Sample:
        cut = task in (Task.SPLIT_ACTION_EVALUATION, Task.SPLIT_PROPOSAL)
        return Sample(
            id=sample_id(task, self.dataset, segments, self.point_nm, self.strategy),
            task=task,
            dataset=self.dataset,
            origin=Origin.HISTORY,
            strategy=self.strategy,
            label=self.right,
            synthetic=False,
            point_nm=self.point_nm,
            segments=segments,
            sources_nm=self.sources_nm if cut else (),
            sinks_nm=self.sinks_nm if cut else (),
            operation_id=self.operation_id,
            seen_at=self.seen_at,
        )


def operation_samples(operation: Operation) -> Iterator[Sample]:
    """Yield the questions of every task that an edit, and its inversion, answers."""
    yield from _samples(_made(operation))
    yield from _samples(_inverted(operation))


def control_samples(control: Control) -> Iterator[Sample]:
    """Yield the questions that a labelled proposal answers."""
    own = control.metadata.get(OWN)
    if own is not None:
        yield sample_from_json(own)
    else:
        yield from _samples(_proposed(control))


def samples_of_bank(
    items: Iterable[Operation | Control],
    later: LaterEdits,
    dropped: Counter[str],
    tasks: frozenset[Task] = MAIN_TASKS,
) -> Iterator[Sample]:
    """Yield the questions of a bank, those left out that later edits contradict.

    Parameters
    ----------
    later : LaterEdits
        Every edit of the bank; add them in a first pass.
    dropped : Counter
        What was left out is counted here.
    """
    for item in items:
        if isinstance(item, Operation):
            if later.take_back(item):
                dropped["edits that a later one takes back"] += 1
                continue
            if len(_pair_side(item)) > 2:
                dropped["edits of more than two segments, of which no pair is known"] += 1
            found = operation_samples(item)
        else:
            if item.is_merge and not item.is_correct and _joined(item, later):
                dropped["separate pairs that a later edit joins"] += 1
                continue
            try:
                found = iter(tuple(control_samples(item)))
            except (AttributeError, KeyError, TypeError, ValueError):
                dropped["lines whose question cannot be read"] += 1
                continue
        yield from (sample for sample in found if sample.task in tasks)


def _pair_side(operation: Operation) -> tuple[int, ...]:
    return operation.before if operation.is_merge else operation.after


def _joined(control: Control, later: LaterEdits) -> bool:
    return len(control.before) == 2 and later.join(*control.before)


def _samples(proposal: _Proposal) -> Iterator[Sample]:
    found = _merge_samples if proposal.is_merge else _split_samples
    yield from found(proposal)


def _merge_samples(proposal: _Proposal) -> Iterator[Sample]:
    segments = proposal.segments
    if len(segments) == 2 and segments[0] != segments[1]:
        yield proposal.sample(Task.SPLIT_ERROR_CORRECTION, segments)
    if proposal.alone:
        for segment in segments:
            yield proposal.sample(Task.SPLIT_ERROR_IDENTIFICATION, (segment,))


def _split_samples(proposal: _Proposal) -> Iterator[Sample]:
    if len(proposal.segments) != 1:
        return
    yield proposal.sample(Task.MERGE_ERROR_IDENTIFICATION, proposal.segments)
    if proposal.sources_nm and proposal.sinks_nm:
        yield proposal.sample(Task.SPLIT_ACTION_EVALUATION, proposal.segments)
        if proposal.right:
            yield proposal.sample(Task.SPLIT_PROPOSAL, proposal.segments)


def _made(operation: Operation) -> _Proposal:
    kind = _kind(operation)
    segments, is_merge = operation.before, operation.is_merge
    return _of(operation, f"{kind} edit", segments, -_SECOND, is_merge=is_merge, right=True)


def _inverted(operation: Operation) -> _Proposal:
    strategy = f"inverted {_kind(operation)} edit"
    segments, is_merge = operation.after, not operation.is_merge
    return _of(operation, strategy, segments, _SECOND, is_merge=is_merge, right=False)


def _of(
    operation: Operation,
    strategy: str,
    segments: tuple[int, ...],
    later: timedelta,
    *,
    is_merge: bool,
    right: bool,
) -> _Proposal:
    return _Proposal(
        is_merge=is_merge,
        right=right,
        segments=segments,
        point_nm=operation.point_nm,
        dataset=datastack_of(operation.species),
        strategy=strategy,
        seen_at=None if operation.time is None else operation.time + later,
        operation_id=operation.operation_id,
        sources_nm=operation.sources_nm,
        sinks_nm=operation.sinks_nm,
    )


def _kind(operation: Operation) -> str:
    return "merge" if operation.is_merge else "split"


def _proposed(control: Control) -> _Proposal:
    source = control.source_operation_id
    return _Proposal(
        is_merge=control.is_merge,
        right=control.is_correct,
        segments=_segments(control),
        point_nm=control.point_nm,
        dataset=datastack_of(control.species),
        strategy=strategy_of(control.strategy),
        seen_at=control.before_time,
        # Controls made from no edit have made-up negative numbers.
        operation_id=source if source >= 0 else None,
        alone=control.strategy == "inversion",
    )


def _segments(control: Control) -> tuple[int, ...]:
    if control.before:
        return control.before
    ends = tuple(control.metadata.get(f"{side}_pt_root_id") for side in ("pre", "post"))
    if None not in ends:
        return ids_of(ends)
    return () if control.root is None else (control.root,)
