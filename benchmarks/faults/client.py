"""One life of a client: it exports a ledger until nothing is left, or until it is killed.

Run as ``python -m benchmarks.faults.client LEDGER URL TOKEN NAME SEED``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

from connectome.cave import CaveGraph, connect
from connectome.cave.annotations import CaveAnnotations
from connectome.errors import ProofdeskError
from proofreading.edits import EditState
from proofreading.export.protocol import Exporter
from proofreading.ledger.store import Ledger

__all__ = ["EDIT_SECONDS", "SETTLE_SECONDS", "UNDO_SHARE", "main"]

EDIT_SECONDS = 1.5
"""How long the client waits for an answer; some faults delay an edit for longer."""
SETTLE_SECONDS = 4.0
"""Longer than any fault delays an edit after its client has given up."""
UNDO_SHARE = 0.15


def main(ledger_path: str, url: str, token: str, name: str, seed: str) -> int:
    """Export, then undo some of what was committed; 0 when nothing is left to do."""
    chance = Random(int(seed))
    with Ledger.open(Path(ledger_path)) as ledger:
        try:
            connection = connect(name, url, token, edit_seconds=EDIT_SECONDS)
        except ProofdeskError:
            return 1
        graph = CaveGraph(connection)
        rows = CaveAnnotations(connection)
        exporter = Exporter(ledger, graph, rows=rows, settle_s=SETTLE_SECONDS)
        try:
            exporter.run()
            _undo_some(exporter, ledger, chance)
        except ProofdeskError:
            return 1
        finally:
            graph.close()
    return 0


def _undo_some(exporter: Exporter, ledger: Ledger, chance: Random) -> None:
    for record in ledger.state.edits(EditState.COMMITTED):
        if record.operation_id is not None and chance.random() < UNDO_SHARE:
            exporter.undo(record.edit.id)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:6]))
