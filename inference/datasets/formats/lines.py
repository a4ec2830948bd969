"""JSON objects, one a line, from files that others' programs were killed while writing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from inference.datasets.formats.values import without_people
from proofreading.files import storage_errors

__all__ = ["TORN", "UNREADABLE", "read_lines", "write_lines"]

TORN = "a last line that was not written to its end"
UNREADABLE = "lines that cannot be read"


def read_lines(path: Path, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file without whatever says who made them.

    A line that cannot be read is counted and left out (a program that appends after
    a crash glues its first line to the torn one).

    Raises
    ------
    InputError
        If the file cannot be read or no line of it is a JSON object.
    """
    whole = broken = 0
    try:
        with path.open("rb") as file:
            for line in file:
                record = _object(line)
                if record is not None:
                    whole += 1
                    yield record
                elif line.strip():
                    broken += 1
                    dropped[UNREADABLE if line.endswith(b"\n") else TORN] += 1
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error
    if broken and not whole:
        raise InputError(
            f"No line of {path} is a JSON object.", "Give a file with one object a line."
        )


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> int:
    """Write objects, one a line, and return how many.

    Raises
    ------
    StorageError
        If the file cannot be written; what was there before stays.
    """
    part = path.with_name(path.name + ".part")
    count = 0
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8") as file:
                for record in records:
                    file.write(json.dumps(record, separators=(",", ":")) + "\n")
                    count += 1
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return count


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return without_people(content) if isinstance(content, dict) else None
