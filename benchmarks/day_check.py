"""Whether a session's ledger says what its window had shown as done."""

from __future__ import annotations

from pathlib import Path

from benchmarks.day_plan import Journal

__all__ = ["difference", "ledger_answers"]


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
