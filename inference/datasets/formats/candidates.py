"""The published cache of touching pairs: a header, then one pair a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from inference.datasets.formats.lines import read_lines
from inference.datasets.formats.operations import Control
from inference.datasets.formats.values import id_of, ids_of, is_outlier, point_of, time_of

__all__ = ["CandidatesHeader", "candidates_header", "read_candidates"]


@dataclass(frozen=True)
class CandidatesHeader:
    """The first line.

    Parameters
    ----------
    version : int
        Of the cache.
    species : str
        The benchmark's word for the dataset.
    cutout_nm : float
        Edge of the cube in which pairs were looked for.
    operations : tuple of int
        The edits around which they were.
    count : int
        How many pairs there should be.
    """

    version: int
    species: str
    cutout_nm: float
    operations: tuple[int, ...]
    count: int


def candidates_header(record: Mapping[str, Any]) -> CandidatesHeader | None:
    """Return the header that a first line is, or None."""
    try:
        return CandidatesHeader(
            version=id_of(record["version"]),
            species=str(record["species"]),
            cutout_nm=float(record["cutout_nm"]),
            operations=ids_of(record["processed_op_ids"]),
            count=id_of(record["n_candidates"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def read_candidates(path: Path, dropped: Counter[str]) -> Iterator[Control]:
    """Yield the pairs as proposals that would be wrong: nobody has joined them so far.

    Whether somebody did later has to be asked of an operation bank
    (`inference.datasets.formats.later`).

    Raises
    ------
    InputError
        If the file cannot be read or has no header.
    """
    lines = read_lines(path, dropped)
    header = candidates_header(next(lines, {}))
    if header is None:
        raise InputError(
            f"The file {path} has no header of a cache of touching pairs.", "Choose another file."
        )
    count = 0
    for record in lines:
        count += 1
        try:
            control = _control(record, header)
        except (KeyError, TypeError, ValueError):
            dropped["lines without an id, segments or a place"] += 1
            continue
        if is_outlier(control.point_nm):
            dropped["places more than a metre away"] += 1
        else:
            yield control
    if count < header.count:
        dropped["pairs that the header counts and that are not there"] += header.count - count


def _control(record: Mapping[str, Any], header: CandidatesHeader) -> Control:
    named = [record.get(f"{which}_root") for which in ("base", "adjacent")]
    pair = ids_of(named if None not in named else record["before_root_ids"])
    if len(pair) != 2 or pair[0] == pair[1]:
        msg = "no pair"
        raise ValueError(msg)
    operation = record.get("source_operation_id", record.get("operation_id"))
    return Control(
        source_operation_id=id_of(operation),
        strategy="adjacent_in_cutout",
        is_correct=False,
        is_merge=True,
        species=str(record.get("species", header.species)),
        before=pair,
        after=(),
        point_nm=point_of(record["interface_point_nm"]),
        before_time=time_of(record.get("before_timestamp", record.get("cutout_timestamp"))),
    )
