"""ConnectomeBench2 parquet, release 2, written as it is published.

``train/train-00000.parquet`` and so on, of about 250 MB, ten rows a group with a page
index (the Hugging Face viewer reads the first group), ``metadata/train.parquet`` without
pictures, and ``shards.csv``.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from connectome.closing import Closing
from connectome.errors import InputError
from inference.datasets.formats.base import Exported, Row
from inference.datasets.formats.cb2_export import NoPlaceError, cb2_row
from inference.datasets.formats.cb2_schema import arrow, row_schema, sidecar_schema
from proofreading.files import storage_errors, write_atomically

__all__ = ["SHARD_BYTES", "write_cb2"]

SHARD_BYTES = 250_000_000
_GROUP = 10


def write_cb2(rows: Iterable[Row], out: Path, *, shard_bytes: int = SHARD_BYTES) -> Exported:
    """Write questions with their pictures into a new folder.

    Parameters
    ----------
    rows : iterable of Row
        Taken one after the other; ten are in memory at once for each part.
    out : Path
        A folder that is empty or does not exist.
    shard_bytes : int
        How large a file may become before the next is begun.

    Raises
    ------
    InputError
        If the folder holds something.
    StorageError
        If it cannot be written.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"The folder {out} is not empty.", "Choose a new folder.")
    left_out: Counter[str] = Counter()
    splits: dict[str, _Split] = {}
    seen: set[str] = set()
    with ExitStack() as stack:
        for row in rows:
            try:
                record = cb2_row(row)
            except NoPlaceError as error:
                left_out[str(error)] += 1
                continue
            if record["combined_sample_hash"] in seen:
                left_out["the same question again"] += 1
                continue
            seen.add(record["combined_sample_hash"])
            split = record["split"]
            if split not in splits:
                splits[split] = stack.enter_context(_Split(out, split, shard_bytes))
            splits[split].write(record)
    return _finished(out, list(splits.values()), left_out)


def _finished(out: Path, splits: list[_Split], left_out: Counter[str]) -> Exported:
    shards = [shard for split in sorted(splits, key=lambda one: one.name) for shard in split.shards]
    files = [out / shard["path"] for shard in shards]
    for split in splits:
        files.append(_write_sidecar(out, split))
    if shards:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(shards[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(shards)
        write_atomically(out / "shards.csv", text.getvalue())
        files.append(out / "shards.csv")
    return Exported(tuple(files), sum(shard["n_samples"] for shard in shards), left_out)


def _write_sidecar(out: Path, split: _Split) -> Path:
    pa, parquet = arrow()
    path = out / "metadata" / f"{split.name}.parquet"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.Table.from_pylist(split.described, sidecar_schema()), path)
    return path


class _Split(Closing):
    """The files of one part."""

    def __init__(self, out: Path, name: str, shard_bytes: int) -> None:
        self.name = name
        self.shards: list[dict[str, Any]] = []
        self.described: list[dict[str, Any]] = []
        self._out = out
        self._shard_bytes = shard_bytes
        self._names = set(sidecar_schema().names)
        self._file: _Shard | None = None

    def write(self, record: dict[str, Any]) -> None:
        """Add a row."""
        if self._file is None:
            self._file = _Shard(self._out, self.name, len(self.shards))
        kept = {key: value for key, value in record.items() if key in self._names}
        self.described.append({**kept, "shard": self._file.name})
        self._file.add(record)
        if self._file.bytes >= self._shard_bytes:
            self._finish()

    def close(self) -> None:
        """Finish the last file."""
        self._finish()

    def _finish(self) -> None:
        if self._file is not None:
            self.shards.append(self._file.finish())
            self._file = None


class _Shard:
    """One file, which has its name only when it is whole."""

    def __init__(self, out: Path, split: str, number: int) -> None:
        _, parquet = arrow()
        self.name = f"{split}/{split}-{number:05d}.parquet"
        self.bytes = 0
        self._split, self._number = split, number
        self._path = out / self.name
        self._part = self._path.with_suffix(".part")
        self._waiting: list[dict[str, Any]] = []
        self._rows = 0
        self._schema = row_schema()
        with storage_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet.ParquetWriter(
                self._part, self._schema, compression="snappy", write_page_index=True
            )

    def add(self, record: dict[str, Any]) -> None:
        """Add a row; ten are written at once."""
        self._waiting.append(record)
        self._rows += 1
        self.bytes += sum(_size(value) for value in record.values())
        if len(self._waiting) == _GROUP:
            self._flush()

    def finish(self) -> dict[str, Any]:
        """Close the file and return its line of ``shards.csv``."""
        self._flush()
        with storage_errors(self._path):
            self._writer.close()
            self._part.replace(self._path)
            with self._path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = self._path.stat().st_size
        return {
            "path": self.name,
            "split": self._split,
            "shard_id": self._number,
            "n_samples": self._rows,
            "size_bytes": size,
            "sha256": digest,
        }

    def _flush(self) -> None:
        pa, _ = arrow()
        if self._waiting:
            with storage_errors(self._path):
                table = pa.Table.from_pylist(self._waiting, self._schema)
                self._writer.write_table(table, row_group_size=_GROUP)
            self._waiting = []


def _size(value: object) -> int:
    if isinstance(value, dict):
        return sum(_size(one) for one in value.values())
    return len(value) if isinstance(value, bytes | str) else 8
