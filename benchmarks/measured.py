"""What a benchmark yields for each thing it measures."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Measured"]


class Measured(NamedTuple):
    """One measure. `value` is None where it could not be measured; `note` says why."""

    measure: str
    value: float | None
    unit: str
    goal: str = ""
    ok: bool | None = None
    n: int = 1
    note: str = ""
