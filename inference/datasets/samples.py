"""A labelled question, whatever it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from connectome.space import PointNm
from proofreading.verdicts import Task

__all__ = ["Origin", "Part", "Sample", "SampleSource", "sample_id"]


class Origin(StrEnum):
    """How the answer is known."""

    TRUTH = "truth"
    """A segmentation drawn by people."""
    HISTORY = "history"
    """What people have edited."""
    DIFFERENCE = "difference"
    """Where two segmentations of one volume differ."""


class Part(StrEnum):
    """What a sample may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    BUFFER = "buffer"
    """Too near to two parts to belong to either; used for nothing."""


@dataclass(frozen=True)
class Sample:
    """One labelled question about a dataset.

    Parameters
    ----------
    id : str
        16 hexadecimal digits from `sample_id`.
    task : Task
        The question.
    dataset : str
        Name of the datastack or volume.
    origin : Origin
        How the answer is known.
    strategy : str
        What made it, in a word or two: ``touching pair``, ``error-free tip``,
        ``synthetic merge``, ``merge edit`` …
    label : bool
        Whether the answer is yes.
    synthetic : bool
        Whether the error was made by us and not by a segmentation.
    point_nm : tuple of float
        Middle of the pictures, xyz in nm.
    segments, supervoxels : tuple of int
        What the question is about: one segment or a pair, as seen when asked.
    bodies : tuple of int
        True bodies concerned, 0 where unknown; samples are grouped by them.
    sources_nm, sinks_nm : tuple of points
        Of a proposed cut.
    operation_id : int or None
        The edit it was made from.
    seen_at : datetime or None
        When the segmentation looked as asked (an edit history's time).
    """

    id: str
    task: Task
    dataset: str
    origin: Origin
    strategy: str
    label: bool
    synthetic: bool
    point_nm: PointNm
    segments: tuple[int, ...]
    supervoxels: tuple[int, ...] = ()
    bodies: tuple[int, ...] = ()
    sources_nm: tuple[PointNm, ...] = ()
    sinks_nm: tuple[PointNm, ...] = ()
    operation_id: int | None = None
    seen_at: datetime | None = None
    notes: dict[str, str] = field(default_factory=dict)


class SampleSource(Protocol):
    """Something that labelled questions can be made from."""

    @property
    def dataset(self) -> str:
        """Name of the datastack or volume."""
        ...

    @property
    def tasks(self) -> frozenset[Task]:
        """The questions that it has answers to."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many candidates the last reading of `samples` left out, by reason."""
        ...

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled questions of a task, always the same in the same order."""
        ...


def sample_id(
    task: Task, dataset: str, segments: tuple[int, ...], point_nm: PointNm, strategy: str
) -> str:
    """Return a content hash: the same question always has the same id."""
    names = sorted(str(segment) for segment in segments)
    content = [task.value, dataset, names, [round(v) for v in point_nm], strategy]
    packed = json.dumps(content, separators=(",", ":")).encode()
    return hashlib.blake2b(packed, digest_size=8).hexdigest()
