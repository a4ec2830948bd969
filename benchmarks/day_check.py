"""Whether a session's ledger says what its window had shown as done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.day_plan import Journal

if TYPE_CHECKING:
    from proofreading.edits import Edit

__all__ = ["difference", "ledger_answers", "sent_wrongly"]


def ledger_answers(session: Path) -> dict[str, str]:
    """Return the person's standing answers by site, read from the file by a handle of its own."""
    from proofreading.ledger.store import Ledger

    with Ledger.open(session / "ledger.sqlite", read_only=True) as ledger:
        given = [d for d in ledger.state.decisions() if d.follows is None]
        return {decision.site_id: decision.answer.value for decision in given}


def difference(session: Path, journal: Journal, *, killed: bool = False) -> list[str]:
    """Return where ledger and journal differ, in words; nothing if they agree.

    Where the window was killed, the key that was being pressed may count already.
    """
    shown, kept = journal.shown(), ledger_answers(session)
    last = journal.last
    in_flight = last.site if killed and last is not None and last.what == "pressing" else None
    return [
        f"{site}: shown {shown.get(site)}, in the ledger {kept.get(site)}"
        for site in sorted(shown.keys() | kept.keys())
        if shown.get(site) != kept.get(site) and site != in_flight
    ]


def sent_wrongly(session: Path, datastack: Path) -> list[str]:
    """Return where the server's own log and the ledger differ on what was sent, in words.

    An edit that the ledger has as applied stands in the log once, one that was undone was undone
    there as often as it was made, and nothing else is there at all.
    """
    from connectome.offline.engine import GraphEngine
    from connectome.offline.layout import DatastackFolder
    from proofreading.edits import EditState
    from proofreading.ledger.store import Ledger

    engine = GraphEngine.open(DatastackFolder.open(datastack), read_only=True)
    log = {each.id: each for each in engine.log() if not each.exception}
    engine.close()
    made: Counter[frozenset[str]] = Counter()
    for operation in log.values():
        if operation.kind in ("undo", "redo"):
            assert operation.target is not None
            made[_named(log[operation.target].request)] += 1 if operation.kind == "redo" else -1
        else:
            made[_named(operation.request)] += 1
    with Ledger.open(session / "ledger.sqlite", read_only=True) as ledger:
        records = ledger.state.edits()
        applied = (EditState.COMMITTED, EditState.PARTIAL)
        known = {_points(r.edit): int(r.state in applied) for r in records}
        open_ = [f"{r.edit.id}: still {r.state.value}" for r in ledger.state.unanswered_edits()]
    return open_ + [
        f"{'+'.join(sorted(ends))}: {made[ends]} in the log, {known.get(ends, 0)} in the ledger"
        for ends in made.keys() | known.keys()
        if made[ends] != known.get(ends, 0)
    ]


def _named(request: Mapping[str, Any]) -> frozenset[str]:
    return frozenset([*request["source_ids"], *request["sink_ids"]])


def _points(edit: Edit) -> frozenset[str]:
    return frozenset(str(point.supervoxel) for side in edit.sides for point in side)
