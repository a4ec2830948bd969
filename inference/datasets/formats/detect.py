"""Which format a file or folder is, by what stands in it, never by its name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from inference.datasets.formats.base import Format
from inference.datasets.formats.candidates import candidates_header

__all__ = ["detect_format"]

_PARQUET = b"PAR1"
_SPLIT_FILES = ("train.json", "val.json", "test.json")


def detect_format(path: Path) -> Format:
    """Return the format of a file or folder.

    Raises
    ------
    InputError
        If there is nothing, or it is none that can be read.
    VolumeError
        If it is a damaged parquet file.
    """
    if path.is_dir():
        return _folder(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
            first = start + file.readline()
    except OSError as error:
        raise InputError(f"The file {path} cannot be read: {error.strerror}.") from error
    if start == _PARQUET:
        from inference.datasets.formats.cb2_read import release_at

        return release_at(path)
    return _json(path, first)


def _folder(path: Path) -> Format:
    if any((path / name).exists() for name in _SPLIT_FILES):
        return Format.CUBE_SPLITS
    if any(path.rglob("*.parquet")):
        from inference.datasets.formats.cb2_read import release_at

        return release_at(path)
    raise InputError(
        f"The folder {path} holds no data set that can be read.",
        "Give the folder of a ConnectomeBench2 release, or a file of edits.",
    )


def _json(path: Path, first: bytes) -> Format:
    if first.lstrip()[:1] == b"[":
        return Format.EVENTS
    record = _first_object(path)
    if candidates_header(record) is not None:
        return Format.CANDIDATES
    if record.get("_type") == "control" or "is_correct" in record:
        return Format.OPERATION_BANK
    if {"kind", "of_operation", "complete"} <= record.keys():
        return Format.HISTORY
    if {"operation_id", "is_merge"} <= record.keys():
        return Format.OPERATION_BANK
    raise InputError(
        f"The file {path} is of no kind that can be read.",
        "Give an operation bank, an edit history, a list of edits or a ConnectomeBench2 file.",
    )


def _first_object(path: Path) -> Mapping[str, Any]:
    """Return the first line of a file that is a JSON object, looking at a few."""
    with path.open("rb") as file:
        for _, line in zip(range(5), file, strict=False):
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                return content
    return {}
