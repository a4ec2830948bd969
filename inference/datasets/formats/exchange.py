"""Labelled questions in from any format, and out into the two that are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from connectome.cave.history_file import read_history
from connectome.errors import InputError
from inference.datasets.formats.bank import read_bank, write_bank
from inference.datasets.formats.base import (
    Exported,
    Format,
    ImportedSamples,
    Row,
    species_of,
    unique,
)
from inference.datasets.formats.candidates import read_candidates
from inference.datasets.formats.cube_files import read_cube_splits
from inference.datasets.formats.cubes import assign_cubes
from inference.datasets.formats.detect import detect_format
from inference.datasets.formats.events import read_events
from inference.datasets.formats.history import bank_of_history
from inference.datasets.formats.labels import MAIN_TASKS, samples_of_bank
from inference.datasets.formats.later import LaterEdits
from inference.datasets.formats.operations import Control, Operation
from inference.datasets.formats.sample_json import OWN, sample_as_json
from inference.datasets.samples import Part, Sample
from proofreading.verdicts import Task

__all__ = ["export_history", "export_samples", "import_samples", "parts_of"]


def import_samples(
    path: Path,
    *,
    dataset: str = "",
    tasks: frozenset[Task] = MAIN_TASKS,
    later: Path | None = None,
) -> ImportedSamples:
    """Return the labelled questions of a file or folder, whatever its format.

    Parameters
    ----------
    dataset : str
        The datastack; what the file says of it if empty. ConnectomeBench2 always says it.
    tasks : frozenset of Task
        Which questions are made of edits; ConnectomeBench2 has its own two.
    later : Path, optional
        An operation bank whose edits are compared as well: what they take back or join
        is left out. The edits of the file itself always are.

    Raises
    ------
    InputError
        If it cannot be read, or is a split without questions.
    VolumeError
        If a parquet file is damaged.
    """
    found = detect_format(path)
    if found is Format.CUBE_SPLITS:
        raise InputError(
            f"The folder {path} says which part edits belong to, but holds no questions.",
            "Import the operation bank, and use the split with it.",
        )
    if found in (Format.CB2_V1, Format.CB2_V2):
        from inference.datasets.formats.cb2_read import import_cb2

        return import_cb2(path, None if later is None else _later((later,), dataset))
    dropped: Counter[str] = Counter()
    known = _later((path,) if later is None else (path, later), dataset)
    items = _items(path, found, dataset, dropped)
    samples = unique(samples_of_bank(items, known, dropped, tasks), dropped)
    if not samples:
        raise InputError(
            f"No labelled question can be made of {path}.", _reasons(dropped) or "It is empty."
        )
    return ImportedSamples(found, samples, dropped=dropped, notes=_NOTES.get(found, ()))


def parts_of(
    imported: ImportedSamples, *, cubes: Path | None = None, buffer_nm: float = 0.0
) -> dict[str, Part]:
    """Return the part of every question, by sample id.

    Parameters
    ----------
    cubes : Path, optional
        Folder of a cube split: questions that it does not name belong to the buffer.
    buffer_nm : float
        Where neither the file nor a split says it, questions are dealt by cubes with such
        a buffer between them, each dataset by itself; see `assign_cubes`.

    Raises
    ------
    InputError
        If the split cannot be read or the buffer makes no sense.
    """
    if cubes is not None:
        split = read_cube_splits(cubes)
        return {one.id: split.part_of(one) or Part.BUFFER for one in imported.samples}
    unnamed = [one for one in imported.samples if one.id not in imported.parts]
    found = dict(imported.parts)
    for name in sorted({one.dataset for one in unnamed}):
        own = [one for one in unnamed if one.dataset == name]
        found.update(assign_cubes(own, buffer_nm=buffer_nm).parts)
    return found


def export_samples(rows: Iterable[Row], out: Path, format_: Format) -> Exported:
    """Write labelled questions in a format of others.

    Parameters
    ----------
    rows : iterable of Row
        `ImportedSamples.rows`, or one's own.
    out : Path
        A new folder for ConnectomeBench2, a file for an operation bank.

    Raises
    ------
    InputError
        If the format is only read, or there is something already.
    StorageError
        If it cannot be written.
    """
    if format_ is Format.CB2_V2:
        from inference.datasets.formats.cb2_write import write_cb2

        return write_cb2(rows, out)
    if format_ is not Format.OPERATION_BANK:
        raise InputError(
            f"The format {format_.value} is only read.",
            f"Write {Format.CB2_V2.value} or {Format.OPERATION_BANK.value}.",
        )
    if out.exists():
        raise InputError(f"The file {out} exists.", "Choose another name.")
    written = write_bank(out, (_as_control(row.sample) for row in rows))
    return Exported((out,), written)


def export_history(history: Path, out: Path, dataset: str) -> Exported:
    """Write an edit history that Proofdesk has read as an operation bank, without people.

    Parameters
    ----------
    dataset : str
        The datastack.

    Raises
    ------
    InputError
        If the history cannot be read, or the bank exists.
    StorageError
        If it cannot be written.
    """
    if out.exists():
        raise InputError(f"The file {out} exists.", "Choose another name.")
    left_out: Counter[str] = Counter()
    edits = bank_of_history(read_history(history), species_of(dataset), left_out)
    return Exported((out,), write_bank(out, edits), left_out)


_NOTES = {
    Format.EVENTS: ("Of edits of more than two segments, the two largest are the pair.",),
    Format.CANDIDATES: (
        "Pairs that nobody has joined so far may still be one neuron: compare them with an "
        "operation bank.",
    ),
}


def _later(paths: Iterable[Path], dataset: str) -> LaterEdits:
    known = LaterEdits()
    for path in paths:
        for item in _items(path, detect_format(path), dataset, Counter()):
            if isinstance(item, Operation):
                known.add(item)
    return known


def _items(
    path: Path, found: Format, dataset: str, dropped: Counter[str]
) -> Iterator[Operation | Control]:
    if found is Format.HISTORY:
        yield from bank_of_history(read_history(path), species_of(dataset or path.stem), dropped)
        return
    readers = {
        Format.OPERATION_BANK: read_bank,
        Format.CANDIDATES: read_candidates,
        Format.EVENTS: read_events,
    }
    if found not in readers:
        raise InputError(f"The file {path} holds no edits.", "Give an operation bank.")
    for item in readers[found](path, dropped):
        yield replace(item, species=species_of(dataset)) if dataset else item


def _as_control(sample: Sample) -> Control:
    """Return a question as a labelled proposal, with all that the format has no field for."""
    is_merge = sample.task in (Task.SPLIT_ERROR_CORRECTION, Task.SPLIT_ERROR_IDENTIFICATION)
    return Control(
        source_operation_id=_source(sample),
        strategy=sample.strategy,
        is_correct=sample.label,
        is_merge=is_merge,
        species=species_of(sample.dataset),
        before=sample.segments,
        after=(),
        point_nm=sample.point_nm,
        before_time=sample.seen_at,
        root=sample.segments[0] if sample.segments else None,
        metadata={OWN: sample_as_json(sample)},
    )


def _source(sample: Sample) -> int:
    """Return the edit it was made from, or a negative number of its own, below 2^53."""
    return -1 - int(sample.id[:13], 16) if sample.operation_id is None else sample.operation_id


def _reasons(dropped: Counter[str]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in dropped.items())
