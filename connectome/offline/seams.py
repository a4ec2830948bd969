"""Where a rehearsal of failures may step into the graph engine.

Two moments decide whether an edit is applied, and how much of it: when what was planned is
taken over, and when the transaction is committed. What serves a real person leaves both as
they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from connectome.offline.rewiring import Switches
from connectome.offline.state import GraphState

__all__ = ["Seams"]


def _as_planned(_state: GraphState, switches: Switches) -> Switches:
    return switches


@dataclass(frozen=True)
class Seams:
    """What happens at the two moments.

    Parameters
    ----------
    switches : callable
        Takes the graph before an edit and the switches that were planned, returns those
        that are applied.
    commit : callable
        Ends the transaction; an `sqlite3.Error` rolls it back.
    """

    switches: Callable[[GraphState, Switches], Switches] = _as_planned
    commit: Callable[[sqlite3.Connection], None] = sqlite3.Connection.commit
