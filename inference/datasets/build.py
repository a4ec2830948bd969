"""Use-cases: build a data set from sources, tell what one holds, and check it for leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.datasets.facts import DatasetFacts
from inference.datasets.leaks import (
    Leak,
    Placed,
    bodies_in_two_parts,
    fields_that_overlap,
    same_pictures,
)
from inference.datasets.parts import PartSettings, divide
from inference.datasets.pictures import PicturedSource, cut_picture, picture_hash
from inference.datasets.samples import Sample, SampleSource
from inference.datasets.store import Dataset, Row, read_dataset, write_dataset
from inference.datasets.tells import find_tell
from proofreading.verdicts import Task
from rendering.spec import EMSpec

__all__ = ["BuildSettings", "DatasetSummary", "build_dataset", "check", "info"]

Report = Callable[[str, float | None], None]
TELL_AUC = 0.9
"""One pixel or number that separates the classes better than this fails the build."""


@dataclass(frozen=True)
class BuildSettings:
    """What is built.

    Parameters
    ----------
    name : str
        What the data set is called.
    tasks : tuple of Task
        The questions; every one that a source answers if empty.
    parts : PartSettings
        How it is divided.
    most : int or None
        At most so many samples of a task and source, drawn by their ids; all if None.
    pictures : EMSpec or None
        Pictures that are cut to be compared, where a source has voxels; none if None.
    probed : int
        Pictures of a task in which tells are looked for, drawn by their ids.
    licence : str
        Of the data.
    """

    name: str
    tasks: tuple[Task, ...] = ()
    parts: PartSettings = field(default_factory=PartSettings)
    most: int | None = None
    pictures: EMSpec | None = field(default_factory=EMSpec)
    probed: int = 1000
    licence: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what a data set's hash depends on."""
        parts: dict[str, Any] = asdict(self.parts)
        parts["test_boxes"] = [[list(b.lower), list(b.upper)] for b in self.parts.test_boxes]
        parts["block_nm"] = list(self.parts.block_nm)
        return {
            "tasks": sorted(task.value for task in self.tasks),
            "parts": parts,
            "most": self.most,
            "pictures": None if self.pictures is None else self.pictures.hash,
            "probed": self.probed,
        }


@dataclass(frozen=True)
class DatasetSummary:
    """A data set and what the checks of it found.

    Parameters
    ----------
    folder : Path
        Where it is.
    facts : DatasetFacts
        Its hash, counts and exclusions.
    leaks : tuple of Leak
        What makes its test dishonest; empty after a build.
    """

    folder: Path
    facts: DatasetFacts
    leaks: tuple[Leak, ...] = ()


def build_dataset(
    sources: Sequence[SampleSource], out: Path, settings: BuildSettings, report: Report
) -> DatasetSummary:
    """Make a data set folder from sources.

    Raises
    ------
    InputError
        If there is no sample, or if a check finds a leak: then nothing is written.
    StorageError
        If the folder cannot be written.
    """
    excluded: Counter[str] = Counter()
    collected = list(_collected(sources, settings, excluded, report))
    samples = [sample for sample, _ in collected]
    if not samples:
        raise InputError(
            "The sources have no labelled sample for these tasks.",
            "Ask for other tasks, or give another source.",
        )
    report("dividing samples into parts", None)
    division = divide(samples, settings.parts)
    excluded.update(division.dropped)
    kept = [(sample, source) for sample, source in collected if sample.id in division.parts]
    seen = _Pictures(settings, report).of(kept)
    dataset = Dataset.of(
        settings.name,
        [Row(s, division.parts[s.id], seen.hashes.get(s.id, "")) for s, _ in kept],
        settings={**settings.as_json(), "sources": [_described(source) for source in sources]},
        excluded=dict(excluded),
        licence=settings.licence,
        notes={"tells": seen.tells, "bodies in several parts": division.spanning},
    )
    if found := _leaks_of(dataset):
        raise InputError(
            "The data set leaks: " + " ".join(leak.detail for leak in found),
            "Change the parts or the source; nothing was written.",
        )
    write_dataset(out, dataset)
    return DatasetSummary(out, dataset.facts)


def info(folder: Path) -> DatasetSummary:
    """Return what a data set holds.

    Raises
    ------
    InputError
        If the folder holds none, or one that was changed.
    """
    return DatasetSummary(folder, read_dataset(folder).facts)


def check(folder: Path) -> DatasetSummary:
    """Check a data set again for leaks that its rows can show.

    Raises
    ------
    InputError
        If the folder holds none, or one that was changed.
    """
    dataset = read_dataset(folder)
    return DatasetSummary(folder, dataset.facts, tuple(_leaks_of(dataset)))


def _collected(
    sources: Sequence[SampleSource],
    settings: BuildSettings,
    excluded: Counter[str],
    report: Report,
) -> Iterator[tuple[Sample, SampleSource]]:
    """Yield each sample once, with its source; count what was left out."""
    seen: set[str] = set()
    for source in sources:
        wanted = source.tasks & set(settings.tasks) if settings.tasks else source.tasks
        for task in sorted(wanted):
            report(f"{source.dataset}: {task.value}", None)
            samples = list(source.samples(task))
            excluded.update(source.left_out)
            chosen = _drawn(samples, settings.most)
            if len(chosen) < len(samples):
                excluded["more than were asked for"] += len(samples) - len(chosen)
            for sample in chosen:
                if sample.id in seen:
                    excluded["asked twice"] += 1
                    continue
                seen.add(sample.id)
                yield sample, source


def _drawn(samples: Sequence[Sample], most: int | None) -> list[Sample]:
    """Return at most so many samples; ids are hashes, so their order is a random one."""
    return list(samples) if most is None else sorted(samples, key=lambda s: s.id)[:most]


class _Pictures:
    """Cuts the pictures of samples: hashes of all, tells among some of each task."""

    def __init__(self, settings: BuildSettings, report: Report) -> None:
        self.hashes: dict[str, str] = {}
        self.tells: dict[str, dict[str, Any]] = {}
        self._settings = settings
        self._report = report

    def of(self, collected: Sequence[tuple[Sample, SampleSource]]) -> _Pictures:
        """Look at the samples whose source has voxels."""
        by_task: dict[Task, list[tuple[Sample, PicturedSource]]] = {}
        for sample, source in collected:
            if isinstance(source, PicturedSource):
                by_task.setdefault(sample.task, []).append((sample, source))
        if self._settings.pictures is not None:
            for task, pairs in sorted(by_task.items()):
                self._of_task(task, pairs, self._settings.pictures)
        return self

    def _of_task(
        self, task: Task, pairs: Sequence[tuple[Sample, PicturedSource]], spec: EMSpec
    ) -> None:
        probed = {s.id for s in _drawn([s for s, _ in pairs], self._settings.probed)}
        kept: list[NDArray[np.uint8]] = []
        labels: list[bool] = []
        for number, (sample, source) in enumerate(pairs):
            if number % 100 == 0:
                self._report(f"pictures of {task.value}", number / len(pairs))
            picture = cut_picture(source, sample, spec)
            self.hashes[sample.id] = picture_hash(picture)
            if sample.id in probed:
                kept.append(picture)
                labels.append(sample.label)
        tell = find_tell(np.stack(kept), np.array(labels))
        if tell is not None:
            self.tells[task.value] = {
                "pictures": len(kept),
                "separates best": tell.name,
                "auc": round(tell.auc, 4),
            }


def _leaks_of(dataset: Dataset) -> list[Leak]:
    """Return every leak that the rows and the stored findings show.

    A set that was imported states no field of view: its parts are as they were published.
    """
    rows: Placed = [(row.sample, row.part) for row in dataset.rows]
    parts: Mapping[str, Any] = dataset.settings.get("parts", {"bodies": "any"})
    leaks = [] if parts["bodies"] == "any" else bodies_in_two_parts(rows)
    leaks += fields_that_overlap(rows, float(parts.get("field_of_view_nm", 0.0)))
    leaks += same_pictures(rows, {row.sample.id: row.picture for row in dataset.rows})
    for task, tell in sorted(dataset.notes.get("tells", {}).items()):
        if tell["auc"] > TELL_AUC:
            told = f"{tell['separates best']} alone separates yes from no (AUC {tell['auc']:.3f})"
            detail = f"{task}: {told}."
            leaks.append(Leak("tell", detail))
    return leaks


def _described(source: SampleSource) -> dict[str, Any]:
    """Return what a source is, as JSON values: its kind, dataset and the voxels' hash."""
    described: dict[str, Any] = {"kind": type(source).__name__, "dataset": source.dataset}
    if isinstance(source, PicturedSource):
        described["sha256"] = source.volume.sha256
    return described
