"""A data set in a folder: its samples, what it is, and which of them are the test.

``samples.parquet`` holds a row for each sample, ``dataset.json`` the settings, counts
and exclusions, ``test_indices.json`` the rows of the test, ``README.md`` the data card.
The hash is taken over the rows and what made them, so that the same data set built twice
has the same hash wherever and whenever that was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectome.errors import InputError, StorageError
from inference.datasets.card import card
from inference.datasets.facts import DatasetFacts, count_rows
from inference.datasets.formats.sample_json import sample_as_json, sample_from_json
from inference.datasets.samples import Part, Sample
from proofreading.verdicts import Task

__all__ = ["Dataset", "Row", "read_dataset", "write_dataset"]

SAMPLES, FACTS, TEST, CARD = "samples.parquet", "dataset.json", "test_indices.json", "README.md"
_FORMAT = 1


@dataclass(frozen=True)
class Row:
    """A sample, its part, and the hash of its picture (empty where none was cut)."""

    sample: Sample
    part: Part
    picture: str = ""


@dataclass(frozen=True)
class Dataset:
    """A data set.

    Parameters
    ----------
    name : str
        What it is called.
    rows : tuple of Row
        Sorted by task, part and sample id.
    settings : mapping
        What it was made with, as JSON values.
    excluded : mapping
        How many candidates were left out, by reason.
    licence : str
        Of the data it was made from.
    notes : mapping
        What else was found out while it was made, as JSON values.
    """

    name: str
    rows: tuple[Row, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, rows: Iterable[Row], **more: Any) -> Dataset:
        """Return a data set of rows in any order."""
        order = sorted(rows, key=lambda r: (r.sample.task.value, r.part.value, r.sample.id))
        return cls(name, tuple(order), **more)

    @property
    def sha256(self) -> str:
        """Hash over rows, settings and exclusions."""
        digest = hashlib.sha256()
        head = [_FORMAT, self.name, dict(self.settings), dict(self.excluded), self.licence]
        digest.update(_packed(head))
        for row in self.rows:
            digest.update(_packed(_record(row)))
        return digest.hexdigest()

    @property
    def facts(self) -> DatasetFacts:
        """The data set without its rows."""
        return DatasetFacts(
            name=self.name,
            sha256=self.sha256,
            counts=count_rows((row.sample, row.part) for row in self.rows),
            excluded=dict(sorted(self.excluded.items())),
            settings=self.settings,
            licence=self.licence,
            notes=self.notes,
        )

    def samples(self, task: Task, part: Part) -> list[Sample]:
        """Return the samples of one task and part."""
        return [r.sample for r in self.rows if r.sample.task is task and r.part is part]


def write_dataset(folder: Path, dataset: Dataset) -> None:
    """Write a data set; a folder that holds one is written over.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    facts = dataset.facts
    test = [index for index, row in enumerate(dataset.rows) if row.part is Part.TEST]
    indices = {
        "sha256": facts.sha256,
        "rows": test,
        "ids": [dataset.rows[i].sample.id for i in test],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_rows(folder / SAMPLES, dataset.rows)
        (folder / FACTS).write_text(_pretty({"format": _FORMAT, **facts.as_json()}))
        (folder / TEST).write_text(_pretty(indices))
        (folder / CARD).write_text(card(facts))
    except OSError as error:
        raise StorageError(
            f"The data set cannot be written to {folder}: {error.strerror or error}.",
            "Check the disk and the folder's rights.",
        ) from error


def read_dataset(folder: Path) -> Dataset:
    """Read a data set and check that nothing in it was changed.

    Raises
    ------
    InputError
        If it is none, of another format, or does not have the hash it states.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = json.loads((folder / FACTS).read_text())
        if stored["format"] != _FORMAT:
            raise InputError(
                f"The data set {folder} has the format {stored['format']}, not {_FORMAT}.",
                "Use the version of Proofdesk that made it, or build it again.",
            )
        table = pq.read_table(folder / SAMPLES)
        rows = tuple(_row(json.loads(line)) for line in table.column("record").to_pylist())
        dataset = Dataset(
            name=stored["name"],
            rows=rows,
            settings=stored["settings"],
            excluded=stored["excluded"],
            licence=stored["licence"],
            notes=stored["notes"],
        )
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"The folder {folder} holds no data set that can be read.",
            "Name a folder that `proofdesk dataset build` has made.",
        ) from error
    if dataset.sha256 != stored["sha256"]:
        raise InputError(
            f"The data set {folder} was changed after it was made: its hash differs.",
            "Build it again.",
        )
    return dataset


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows: columns to look at and to filter by, and the whole record as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    records = [_record(row) for row in rows]
    columns: dict[str, Any] = {
        name: pa.array([record[name] for record in records], pa.string())
        for name in ("id", "task", "dataset", "origin", "strategy", "part", "picture")
    }
    for name in ("label", "synthetic"):
        columns[name] = pa.array([record[name] for record in records], pa.bool_())
    for name in ("segments", "supervoxels", "bodies"):
        columns[name] = pa.array([record[name] for record in records], pa.list_(pa.string()))
    columns["point_nm"] = pa.array([r["point_nm"] for r in records], pa.list_(pa.float64()))
    columns["record"] = pa.array([_packed(r).decode() for r in records], pa.string())
    pq.write_table(pa.table(columns), path)


def _record(row: Row) -> dict[str, Any]:
    """Return a row as JSON values; ids are strings."""
    return {**sample_as_json(row.sample), "part": row.part.value, "picture": row.picture}


def _row(record: Mapping[str, Any]) -> Row:
    return Row(sample_from_json(record), Part(record["part"]), record["picture"])


def _packed(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
