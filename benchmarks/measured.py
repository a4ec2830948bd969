"""What a benchmark yields for each thing it measures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Measured", "Report"]


@dataclass(frozen=True)
class Measured:
    """One measure. `value` is None where it could not be measured; `note` says why."""

    measure: str
    value: float | None
    unit: str
    goal: str = ""
    ok: bool | None = None
    n: int = 1
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Everything one benchmark measured, and on what machine."""

    name: str
    machine: str
    rows: tuple[Measured, ...]
