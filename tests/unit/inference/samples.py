"""Samples for tests, said in one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from connectome.space import PointNm
from inference.datasets.samples import Origin, Sample, sample_id
from proofreading.verdicts import Task

__all__ = ["ListSource", "quiet", "sample"]

PAIR = Task.SPLIT_ERROR_CORRECTION


def quiet(_label: str, _share: float | None) -> None:
    """Take progress and say nothing."""


def sample(
    point: PointNm,
    bodies: tuple[int, ...] = (),
    *,
    label: bool = True,
    task: Task = PAIR,
    synthetic: bool = False,
    segments: tuple[int, ...] = (2**60 + 1, 2**60 + 3),
    dataset: str = "invented",
) -> Sample:
    return Sample(
        id=sample_id(task, dataset, segments, point, "touching"),
        task=task,
        dataset=dataset,
        origin=Origin.TRUTH,
        strategy="touching",
        label=label,
        synthetic=synthetic,
        point_nm=point,
        segments=segments,
        bodies=bodies,
    )


class ListSource:
    """A `SampleSource` of samples that a test states."""

    def __init__(
        self, samples: Sequence[Sample], left_out: Mapping[str, int] | None = None
    ) -> None:
        self._samples = list(samples)
        self.left_out: Counter[str] = Counter(left_out or {})

    @property
    def dataset(self) -> str:
        return self._samples[0].dataset

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset(one.task for one in self._samples)

    def samples(self, task: Task) -> Iterator[Sample]:
        yield from (one for one in self._samples if one.task is task)
