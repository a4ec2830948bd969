"""Samples about the labels of an array, told in the ids of the datastack that it was read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.pictures import PicturedSource
from inference.datasets.samples import Sample, sample_id
from inference.datasets.volumes import TruthVolume
from proofreading.verdicts import Task

__all__ = ["RenamedSource"]


class RenamedSource:
    """A `SampleSource` whose segments are ids instead of labels.

    Parameters
    ----------
    source : PicturedSource
        Samples of one segmentation of a volume.
    names : ndarray, shape (labels + 1,)
        The id of each of its labels.
    """

    def __init__(self, source: PicturedSource, names: NDArray[np.uint64]) -> None:
        self.volume: TruthVolume = source.volume
        self._source = source
        self._names = names
        self._originals: dict[str, Sample] = {}
        self._named: dict[int, NDArray[np.uint64]] = {}

    @property
    def dataset(self) -> str:
        """Name of the datastack."""
        return self._source.dataset

    @property
    def tasks(self) -> frozenset[Task]:
        """The questions that it has answers to."""
        return self._source.tasks

    @property
    def left_out(self) -> Mapping[str, int]:
        """How many candidates were left out, by reason."""
        return self._source.left_out

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the ids (zyx) that a sample is about; it must have been yielded before."""
        labels = self._source.labels(self._originals[sample.id])
        if id(labels) not in self._named:
            self._named = {id(labels): self._names[labels]}
        return self._named[id(labels)]

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the samples of the source with the ids of their segments."""
        for sample in self._source.samples(task):
            segments = tuple(int(self._names[label]) for label in sample.segments)
            places = f"{self.dataset}/{sample.sources_nm}/{sample.sinks_nm}"
            name = places if sample.sources_nm else self.dataset
            named = replace(
                sample,
                id=sample_id(task, name, segments, sample.point_nm, sample.strategy),
                segments=segments,
            )
            self._originals[named.id] = sample
            yield named
