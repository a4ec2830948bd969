"""Use-cases: data sets of labelled questions, built, imported and exported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectome.opening import open_datastack
from inference.datasets.build import BuildSettings, DatasetSummary, build_dataset, check, info
from inference.datasets.formats.base import Exported, Format, Row
from inference.datasets.formats.exchange import export_samples, import_samples, parts_of
from inference.datasets.pictures_of import ExportPictures
from inference.datasets.sources.opened import opened_sources
from inference.datasets.store import Dataset, read_dataset, write_dataset
from inference.datasets.store import Row as Stored

__all__ = [
    "DatasetTold",
    "ExportTold",
    "build",
    "checked",
    "export_set",
    "import_set",
    "told",
]

Report = Callable[[str, float | None], None]


@dataclass(frozen=True)
class DatasetTold:
    """What a data set holds, in numbers.

    Parameters
    ----------
    by_task : mapping
        Task, answer and part, such as ``split_error_correction yes test``, to samples.
    excluded : mapping
        Candidates left out, by reason.
    leaks : tuple of str
        What makes its test dishonest.
    """

    folder: str
    name: str
    sha256: str
    samples: int
    synthetic: int
    by_task: Mapping[str, int]
    excluded: Mapping[str, int]
    notes: Mapping[str, Any]
    leaks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportTold:
    """What was written, and what the format has no place for."""

    files: tuple[str, ...]
    written: int
    left_out: Mapping[str, int]


def build(
    named: str,
    out: Path,
    settings: BuildSettings,
    *,
    log: Path | None = None,
    ignore: Sequence[int] = (),
    cache: Path | None = None,
    report: Report,
) -> DatasetTold:
    """Build a data set from a truth folder, a datastack or a file of edits.

    Raises
    ------
    InputError
        If there is nothing to build from, or a check finds a leak.
    StorageError
        If the folder cannot be written.
    """
    tasks = settings.tasks
    with opened_sources(named, tasks=tasks, log=log, excluded_bodies=ignore, cache=cache) as opened:
        return told(build_dataset(opened.sources, out, settings, report))


def told(summary: DatasetSummary) -> DatasetTold:
    """Return what a person wants to know of a data set."""
    facts = summary.facts
    by_task: Counter[str] = Counter()
    for count in facts.counts:
        answer = "yes" if count.label else "no"
        by_task[f"{count.task} {answer} {count.part}"] += count.samples
    return DatasetTold(
        folder=str(summary.folder),
        name=facts.name,
        sha256=facts.sha256,
        samples=facts.total(),
        synthetic=facts.total(synthetic=True),
        by_task=dict(sorted(by_task.items())),
        excluded=dict(facts.excluded),
        notes=dict(facts.notes),
        leaks=tuple(leak.detail for leak in summary.leaks),
    )


def checked(folder: Path, *, again: bool) -> DatasetTold:
    """Return what a data set holds; ``again`` looks for leaks once more.

    Raises
    ------
    InputError
        If the folder holds no data set, or one that was changed.
    """
    return told(check(folder) if again else info(folder))


def import_set(
    path: Path,
    out: Path,
    *,
    dataset: str = "",
    later: Path | None = None,
    cubes: Path | None = None,
    buffer_nm: float = 0.0,
) -> DatasetTold:
    """Bring labelled questions of another format into a data set folder.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no question.
    StorageError
        If the folder cannot be written.
    """
    imported = import_samples(path, dataset=dataset, later=later)
    parts = parts_of(imported, cubes=cubes, buffer_nm=buffer_nm)
    rows = [Stored(sample, parts[sample.id]) for sample in imported.samples]
    notes = {"import": list(imported.notes)}
    name = dataset or path.stem
    write_dataset(out, Dataset.of(name, rows, excluded=dict(imported.dropped), notes=notes))
    return told(info(out))


def export_set(
    folder: Path, out: Path, format_: Format, *, datastack: str | None = None, seed: int = 0
) -> ExportTold:
    """Write a data set in a format of others, with pictures if a datastack is named.

    Raises
    ------
    InputError
        If the data set cannot be read, or the format is only read.
    DatastackError
        If the datastack cannot be opened.
    """
    rows = [Row(row.sample, row.part) for row in read_dataset(folder).rows]
    if datastack is None:
        return _exported(export_samples(rows, out, format_), Counter())
    opened, left_out = open_datastack(datastack), Counter[str]()
    try:
        pictures = ExportPictures(opened, seed=seed)
        written = export_samples(pictures.rows(rows, left_out), out, format_)
    finally:
        opened.close()
    return _exported(written, left_out)


def _exported(written: Exported, left_out: Counter[str]) -> ExportTold:
    files = tuple(str(path) for path in written.files)
    return ExportTold(files, written.written, dict(written.left_out + left_out))
