"""What looking before sending can tell of an edit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from proofreading.edits import Reason

__all__ = ["Check", "EditWarning", "Readiness"]


class Readiness(StrEnum):
    """Whether an edit may be sent."""

    READY = "ready"
    REBASED = "rebased"
    """The objects were edited since, and the edit still means what was seen."""
    JOINED = "joined"
    """A merge of what is one object already."""
    APART = "apart"
    """A cut of what is apart already."""
    CONFLICT = "conflict"
    """An object is not what was seen."""
    GONE = "gone"
    """A supervoxel is part of no object."""
    WARNED = "warned"
    """A warning holds it until the person overrides it."""
    UNCUTTABLE = "uncuttable"
    """The preview says that the cut does not separate the points, or would be refused."""
    STALE = "stale"
    """The server answered with roots that are replaced already; ask again later."""


_REASONS = {
    Readiness.JOINED: Reason.JOINED,
    Readiness.APART: Reason.APART,
    Readiness.CONFLICT: Reason.CHANGED,
    Readiness.GONE: Reason.GONE,
    Readiness.WARNED: Reason.WARNED,
    Readiness.UNCUTTABLE: Reason.UNCUTTABLE,
}


@dataclass(frozen=True)
class EditWarning:
    """Something unusual about an edit that the person may set aside."""

    code: str
    message: str


@dataclass(frozen=True)
class Check:
    """The outcome of looking before sending.

    Parameters
    ----------
    roots : tuple of int
        The roots now: two of a merge, one of a cut; of a conflict whatever was found.
    operations : tuple of int
        Operations of the server that changed the objects since the person saw them.
    warnings : tuple of EditWarning
        What holds it, or what the person has set aside.
    """

    readiness: Readiness
    roots: tuple[int, ...]
    message: str = ""
    operations: tuple[int, ...] = ()
    warnings: tuple[EditWarning, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the edit may be sent."""
        return self.readiness in (Readiness.READY, Readiness.REBASED)

    @property
    def reason(self) -> Reason:
        """The reason of the edit's state that follows from this outcome."""
        return _REASONS.get(self.readiness, Reason.NONE)

    def warned(self, warnings: tuple[EditWarning, ...]) -> Check:
        """Return the same outcome, held by these warnings."""
        message = " ".join(warning.message for warning in warnings)
        return replace(self, readiness=Readiness.WARNED, message=message, warnings=warnings)

    def uncuttable(self, message: str) -> Check:
        """Return the same outcome, held by the preview of the cut."""
        return replace(self, readiness=Readiness.UNCUTTABLE, message=message)
