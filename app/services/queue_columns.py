"""The rows of the queue as columns: what is sorted, filtered and counted a million at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.model import QueueRow
from proofreading.columns import Columns
from proofreading.decisions import Answer
from proofreading.sites import SiteKind

__all__ = ["ANSWERS", "KINDS", "Rows", "code_of", "new_table", "row_at", "values_of"]

Rows = NDArray[np.int32]
"""Row numbers."""

KINDS: tuple[SiteKind, ...] = tuple(SiteKind)
ANSWERS: tuple[Answer | None, ...] = (None, *Answer)
_KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}
_ANSWER_CODES = {answer: code for code, answer in enumerate(ANSWERS)}

_FIELDS = {
    "number": np.uint64,
    "root": np.uint64,
    # 0 is the background, which is nobody's partner.
    "partner": np.uint64,
    "probability": np.float64,
    "kind": np.uint8,
    "answer": np.uint8,
    "failed": np.bool_,
    "face": np.bool_,
    "follows": np.bool_,
    "question": np.int32,
    "next": np.int32,
    "sight": np.uint8,
    "aside": np.bool_,
    # What triage knows of a site, and where it is.
    "unusual": np.bool_,
    "veiled": np.bool_,
    "first": np.bool_,
    "spread": np.float32,
    "value": np.float32,
    "x": np.float32,
    "y": np.float32,
    "z": np.float32,
    # 0: in no lane, or 1 and the lane's place.
    "lane": np.uint8,
    # How early it comes along a neuron, 0 for elsewhere.
    "step": np.int32,
    # Where a site with a known answer was mixed in: another's key, or 0.
    "host": np.uint64,
}


def new_table() -> Columns:
    """Return the table of a queue without rows; `number` is the site's id as a number."""
    return Columns(_FIELDS)


def code_of(answer: Answer | None) -> int:
    """Return what stands for an answer in its column."""
    return _ANSWER_CODES[answer]


def values_of(rows: Sequence[QueueRow]) -> dict[str, NDArray[Any]]:
    """Return the columns of rows that are given one by one."""
    unknown = float("nan")
    return {
        "number": np.array([int(row.site_id, 16) for row in rows], np.uint64),
        "root": np.array([row.root for row in rows], np.uint64),
        "partner": np.array([row.partner_root or 0 for row in rows], np.uint64),
        "probability": np.array(
            [unknown if row.probability is None else row.probability for row in rows], np.float64
        ),
        "kind": np.array([_KIND_CODES[row.kind] for row in rows], np.uint8),
        "answer": np.array([_ANSWER_CODES[row.answer] for row in rows], np.uint8),
        "failed": np.array([row.failed for row in rows], np.bool_),
        "face": np.array([row.at_volume_face for row in rows], np.bool_),
        "follows": np.array([row.follows for row in rows], np.bool_),
        "value": np.array([row.value for row in rows], np.float32),
        "x": np.array([row.point_nm[0] for row in rows], np.float32),
        "y": np.array([row.point_nm[1] for row in rows], np.float32),
        "z": np.array([row.point_nm[2] for row in rows], np.float32),
    }


def row_at(table: Columns, row: int) -> QueueRow:
    """Return one row as a value."""
    partner, probability = int(table["partner"][row]), float(table["probability"][row])
    return QueueRow(
        site_id=f"{int(table['number'][row]):016x}",
        kind=KINDS[int(table["kind"][row])],
        root=int(table["root"][row]),
        partner_root=partner or None,
        probability=None if np.isnan(probability) else probability,
        answer=ANSWERS[int(table["answer"][row])],
        failed=bool(table["failed"][row]),
        at_volume_face=bool(table["face"][row]),
        follows=bool(table["follows"][row]),
        value=float(table["value"][row]),
        point_nm=(float(table["x"][row]), float(table["y"][row]), float(table["z"][row])),
    )
