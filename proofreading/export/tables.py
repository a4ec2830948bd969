"""Every decision as a table, for people (CSV) and for programs (JSON)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectome.errors import InputError
from proofreading.catalogue import Catalogue
from proofreading.decisions import Decision
from proofreading.edits import EditRecord
from proofreading.files import write_atomically
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.ledger.fold import LedgerState
from proofreading.sites import Partner, Site
from proofreading.verdicts import Verdict

__all__ = ["COLUMNS", "DecisionRow", "decision_rows", "read_json", "write_csv", "write_json"]

SCHEMA_VERSION = 1

COLUMNS = (
    "decision_id",
    "site_id",
    "task",
    "answer",
    "decider",
    "author",
    "decided_at",
    "elapsed_ms",
    "verdict_visible",
    "reason",
    "probability_when_decided",
    "kind",
    "root",
    "supervoxel",
    "x_nm",
    "y_nm",
    "z_nm",
    "detector",
    "partner_supervoxel",
    "partner_root",
    "distance_nm",
    "probability",
    "model_id",
    "weights_sha256",
    "edit_id",
    "edit_state",
    "operation_id",
    "new_roots",
    "edit_message",
)
"""The columns of the CSV; ids are whole numbers that may exceed 2^53."""


@dataclass(frozen=True)
class DecisionRow:
    """A standing decision with its site, the verdict on the same pair, and its edit."""

    decision: Decision
    site: Site | None
    verdict: Verdict | None
    edit: EditRecord | None

    @property
    def partner(self) -> Partner | None:
        """The partner that the answer is about."""
        chosen = self.decision.partner_supervoxel
        partners = self.site.partners if self.site else ()
        return next((p for p in partners if p.supervoxel == chosen), None)


def decision_rows(state: LedgerState, catalogue: Catalogue) -> Iterator[DecisionRow]:
    """Yield a row for every standing decision, in order of the sites' first answers."""
    for decision in state.decisions():
        newest = catalogue.newest_verdicts(decision.site_id, decision.task)
        yield DecisionRow(
            decision,
            catalogue.site(decision.site_id),
            newest.get(decision.partner_supervoxel),
            state.edit_of(decision.id),
        )


def write_json(path: Path, rows: Iterable[DecisionRow], *, datastack_name: str) -> int:
    """Write the rows as one JSON object and return their number. Ids are strings.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full; an older file stays.
    """
    decisions = [to_plain(row) for row in rows]
    document = {
        "schema_version": SCHEMA_VERSION,
        "datastack": datastack_name,
        "written_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "decisions": decisions,
    }
    write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return len(decisions)


def read_json(path: Path) -> list[DecisionRow]:
    """Read what `write_json` wrote.

    Raises
    ------
    InputError
        If the file is missing, of a newer version, or something else.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version, plain = document["schema_version"], document["decisions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no table of decisions.", "Give a file that the export wrote."
        ) from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} was written by a newer Proofdesk (version {version}).", "Update Proofdesk."
        )
    return [from_plain(DecisionRow, row) for row in plain]


def write_csv(path: Path, rows: Iterable[DecisionRow]) -> int:
    """Write the rows as CSV with the columns `COLUMNS` and return their number.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full; an older file stays.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    cells = [_cells(row) for row in rows]
    writer.writerows(cells)
    write_atomically(path, text.getvalue())
    return len(cells)


def _cells(row: DecisionRow) -> dict[str, object]:
    return _decision_cells(row.decision) | _site_cells(row) | _model_cells(row) | _edit_cells(row)


def _decision_cells(decision: Decision) -> dict[str, object]:
    return {
        "decision_id": decision.id,
        "site_id": decision.site_id,
        "task": decision.task.value,
        "answer": decision.answer.value,
        "decider": decision.decider.value,
        "author": decision.author,
        "decided_at": decision.decided_at.isoformat(),
        "elapsed_ms": decision.elapsed_ms,
        "verdict_visible": decision.verdict_visible,
        "reason": decision.reason,
        "probability_when_decided": decision.probability,
    }


def _site_cells(row: DecisionRow) -> dict[str, object]:
    site, partner = row.site, row.partner
    cells: dict[str, object] = {"partner_supervoxel": row.decision.partner_supervoxel}
    if site is not None:
        x, y, z = site.point_nm
        cells |= {"kind": site.kind.value, "root": site.root, "supervoxel": site.supervoxel}
        cells |= {"x_nm": x, "y_nm": y, "z_nm": z, "detector": site.detector}
    if partner is not None:
        cells |= {"partner_root": partner.root, "distance_nm": partner.distance_nm}
    return cells


def _model_cells(row: DecisionRow) -> dict[str, object]:
    if row.verdict is None:
        return {}
    verdict = row.verdict
    return {
        "probability": verdict.probability,
        "model_id": verdict.provenance.model_id,
        "weights_sha256": verdict.provenance.weights_sha256,
    }


def _edit_cells(row: DecisionRow) -> dict[str, object]:
    if row.edit is None:
        return {}
    return {
        "edit_id": row.edit.edit.id,
        "edit_state": row.edit.state.value,
        "operation_id": row.edit.operation_id,
        "new_roots": " ".join(str(root) for root in row.edit.new_roots),
        "edit_message": row.edit.message,
    }
