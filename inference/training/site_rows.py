"""Measured tips, branch points and cuts of a truth volume: what the site judges learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.datasets.samples import Sample
from inference.datasets.sources.cuts import CutSource
from inference.datasets.sources.junctions import BRANCH_POINT, JunctionSource
from inference.datasets.sources.synthetic import Variant, automatic, joined, merged, true_bodies
from inference.datasets.sources.tips import TipSource
from inference.datasets.volumes import TruthVolume
from inference.features.cuts import cut_features
from inference.features.junctions import junction_features
from inference.features.site_parts import Numbers
from inference.features.site_spec import SiteSpec
from inference.features.site_view import site_view
from inference.training.site_table import SiteRows
from inference.training.site_tips import tip_rows
from proofreading.verdicts import Task

__all__ = ["Say", "measured_sites"]

Say = Callable[[str], None]
_NEGATIVES = 700
"""Negative cuts, and further ones of real merge errors, at most."""
_REAL = 120


def measured_sites(
    task: Task, volume: TruthVolume, cache: Path | None = None, say: Say | None = None
) -> SiteRows:
    """Return the measured sites of a task, all over a volume.

    Parameters
    ----------
    cache : Path, optional
        Folder in which skeletons and numbers are kept between runs.

    Raises
    ------
    InputError
        If the task is not one about sites.
    """
    tell = say or (lambda _: None)
    if task is Task.SPLIT_ERROR_IDENTIFICATION:
        return tip_rows(volume, TipSource(volume, _joins(volume), cache), cache, tell)
    if task is Task.MERGE_ERROR_IDENTIFICATION:
        junctions = JunctionSource(volume, _merges(volume), cache)
        samples = list(_thinned(junctions.samples(task)))
        return _rows(task, volume, samples, _junction_numbers(volume, junctions), cache, tell)
    if task is Task.SPLIT_ACTION_EVALUATION:
        cuts = CutSource(volume, [*_merges(volume), *_further_merges(volume)])
        samples = _drawn(list(cuts.samples(task)))
        return _rows(task, volume, samples, _cut_numbers(volume, cuts), cache, tell)
    raise InputError(f"{task.value} is not asked about sites alone.", "Name one that is.")


def _joins(volume: TruthVolume) -> list[Variant]:
    shares = ((0.4, 1), (0.15, 2), (0.75, 3))
    return [automatic(volume), *(joined(volume, share, seed) for share, seed in shares)]


def _merges(volume: TruthVolume) -> list[Variant]:
    base, bodies = automatic(volume), true_bodies(volume)
    return [
        base,
        merged(volume, base, seed=1),
        merged(volume, bodies, seed=2),
        merged(volume, bodies, seed=3, weak=0.0),
        merged(volume, joined(volume, 0.75, 3), seed=4, weak=1.0),
        merged(volume, base, seed=5, weak=1.0),
    ]


def _further_merges(volume: TruthVolume) -> list[Variant]:
    """Return merges for cuts alone, of which few are good; they need no skeletons."""
    bodies = true_bodies(volume)
    return [
        merged(volume, bodies, seed=7),
        merged(volume, joined(volume, 0.4, 1), seed=8, weak=1.0),
        merged(volume, bodies, seed=9, weak=1.0),
        merged(volume, joined(volume, 0.75, 3), seed=10, weak=1.0),
        merged(volume, joined(volume, 0.6, 5), seed=11, weak=1.0),
    ]


def _thinned(samples: Iterator[Sample]) -> Iterator[Sample]:
    """Keep all branch points and errors, and of the rest one in five (by its id)."""
    for sample in samples:
        if sample.label or sample.notes["place"] == BRANCH_POINT or int(sample.id, 16) % 5 == 0:
            yield sample


def _drawn(samples: Sequence[Sample]) -> list[Sample]:
    """Keep all good cuts and some bad ones, drawn by their ids."""
    ordered = sorted(samples, key=lambda sample: sample.id)
    bad = [sample for sample in ordered if not sample.label]
    real = [sample for sample in bad if sample.strategy == "merge error"][:_REAL]
    other = [sample for sample in bad if sample.strategy != "merge error"][:_NEGATIVES]
    return [sample for sample in ordered if sample.label] + real + other


def _junction_numbers(volume: TruthVolume, source: JunctionSource) -> Callable[[Sample], Numbers]:
    half, em = SiteSpec(Task.MERGE_ERROR_IDENTIFICATION).half_nm, volume.imagery()

    def numbers(sample: Sample) -> Numbers:
        roots = volume.labelled(source.labels(sample))
        return junction_features(site_view(em, roots, sample.segments[0], sample.point_nm, half))

    return numbers


def _cut_numbers(volume: TruthVolume, source: CutSource) -> Callable[[Sample], Numbers]:
    half, em = SiteSpec(Task.SPLIT_ACTION_EVALUATION).half_nm, volume.imagery()

    def numbers(sample: Sample) -> Numbers:
        roots = volume.labelled(source.labels(sample))
        view = site_view(em, roots, sample.segments[0], sample.point_nm, half)
        return cut_features(view, view.aligned(volume.labelled(source.sides(sample))))

    return numbers


@dataclass
class _Cache:
    """Numbers by sample id, in a file where one is given."""

    path: Path | None
    known: dict[str, NDArray[np.float32]]
    names: tuple[str, ...]

    @classmethod
    def open(cls, task: Task, volume: TruthVolume, folder: Path | None) -> _Cache:
        if folder is None:
            return cls(None, {}, ())
        folder.mkdir(parents=True, exist_ok=True)
        version = SiteSpec(task).version
        path = folder / f"{task.value}-{volume.sha256[:12]}-{version}.npz"
        if not path.exists():
            return cls(path, {}, ())
        with path.open("rb") as file, np.load(file) as stored:
            ids, values = stored["ids"].tolist(), stored["values"]
            return cls(path, dict(zip(ids, values, strict=True)), tuple(stored["names"].tolist()))

    def add(self, sample: Sample, numbers: Numbers) -> None:
        self.names = self.names or tuple(sorted(numbers))
        row = [numbers.get(name, np.nan) for name in self.names]
        self.known[sample.id] = np.array(row, np.float32)

    def save(self) -> None:
        if self.path is not None and self.known:
            values = np.stack(list(self.known.values()))
            ids, names = np.array(list(self.known)), np.array(self.names)
            np.savez(self.path, ids=ids, values=values, names=names)


def _rows(
    task: Task,
    volume: TruthVolume,
    samples: Sequence[Sample],
    numbers: Callable[[Sample], Numbers],
    folder: Path | None,
    tell: Say,
) -> SiteRows:
    cache = _Cache.open(task, volume, folder)
    kept: list[Sample] = []
    for count, sample in enumerate(samples, 1):
        if sample.id not in cache.known:
            try:
                cache.add(sample, numbers(sample))
            except InputError:
                # A skeleton may run outside its segment; such a site cannot be asked about.
                continue
        kept.append(sample)
        if count % 200 == 0:
            tell(f"measured {count} of {len(samples)} sites")
            cache.save()
    cache.save()
    values = np.stack([cache.known[sample.id] for sample in kept])
    return SiteRows.of_samples(task, cache.names, values, kept, volume.voxel_nm[2])
