"""What can happen in a session. Events are only ever added: undo is an event too."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from proofreading.decisions import Answer, Decision
from proofreading.edits import Edit, EditState, Reason, VerdictRow

__all__ = [
    "CursorMoved",
    "DecisionMade",
    "DecisionRestored",
    "DecisionWithdrawn",
    "EditChanged",
    "EditQueued",
    "EditReleased",
    "Entry",
    "Event",
    "GoldAdded",
    "NoteAdded",
    "RiskAccepted",
    "RowIntended",
    "RowSettled",
    "SamplingChosen",
    "SecondLookAsked",
    "SessionStarted",
    "SiteSetAside",
    "UndoSubmitted",
    "UnknownEvent",
]


@dataclass(frozen=True)
class SessionStarted:
    """Somebody opened the session for writing."""

    author: str
    host: str
    program_version: str


@dataclass(frozen=True)
class DecisionMade:
    """A site was answered."""

    decision: Decision


@dataclass(frozen=True)
class DecisionWithdrawn:
    """An answer was taken back (undo)."""

    decision_id: str


@dataclass(frozen=True)
class DecisionRestored:
    """A withdrawn answer was given again (redo)."""

    decision_id: str


@dataclass(frozen=True)
class CursorMoved:
    """Another site came on the screen."""

    site_id: str | None


@dataclass(frozen=True)
class NoteAdded:
    """A person wrote something about a site."""

    site_id: str
    author: str
    text: str


@dataclass(frozen=True)
class EditQueued:
    """An edit was derived from an accepted decision."""

    edit: Edit


@dataclass(frozen=True)
class EditChanged:
    """An edit came further. Empty fields leave what was known before.

    `expected_roots` is stated when the edit is sent: the roots it was checked against,
    which reconciling starts from. `rebased` says that they are not those the person saw.
    """

    edit_id: str
    state: EditState
    operation_id: int | None = None
    new_roots: tuple[int, ...] = ()
    message: str = ""
    expected_roots: tuple[int, ...] = ()
    reason: Reason = Reason.NONE
    rebased: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EditReleased:
    """A person looked again at an edit that was held, and lets it go on.

    `expected_roots` are the roots that the person saw now, `warnings` the codes of the
    warnings set aside.
    """

    edit_id: str
    author: str
    expected_roots: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class UndoSubmitted:
    """The undo of a committed edit is about to be sent.

    `expected_roots` are the roots of its points at that moment, which reconciling starts from.
    """

    edit_id: str
    expected_roots: tuple[int, ...] = ()


@dataclass(frozen=True)
class RowIntended:
    """A verdict's row is about to be sent to an annotation table."""

    row: VerdictRow


@dataclass(frozen=True)
class RowSettled:
    """What became of a row: its id, or None if it was certainly not written."""

    key: str
    row_id: int | None = None
    message: str = ""


@dataclass(frozen=True)
class RiskAccepted:
    """A person set the share of wrong answers that is accepted of the automatic lane."""

    error_rate: float
    author: str


@dataclass(frozen=True)
class SamplingChosen:
    """A person chose how much of the work measures the work; shares from 0 to 1.

    Parameters
    ----------
    blind : float
        Of all sites, those whose verdict is hidden until they are answered.
    audit : float
        Of the automatic lane, what a person looks at all the same.
    gold : float
        Of the sites with known answers, those that are mixed in.
    """

    blind: float
    audit: float
    gold: float
    seed: int
    author: str


@dataclass(frozen=True)
class GoldAdded:
    """The right answer of a site became known; ``source`` says from where."""

    site_id: str
    answer: Answer
    source: str
    partner_supervoxel: int | None = None


@dataclass(frozen=True)
class SecondLookAsked:
    """A person gave an answer that a sure judge contradicts, and was asked to give it again.

    `probability` is what the judge said: the chance of a yes.
    """

    site_id: str
    answer: Answer
    probability: float


@dataclass(frozen=True)
class SiteSetAside:
    """An open site is passed over from now on, because it asks nothing any more.

    `reason` is ``same object`` where its two segments have become one, in the object `root`,
    and ``gone`` where there is no object.
    """

    site_id: str
    reason: str
    root: int = 0


@dataclass(frozen=True)
class UnknownEvent:
    """An event written by a newer Proofdesk; kept and ignored."""

    kind: str
    body: dict[str, object] = field(default_factory=dict)


Event = (
    SessionStarted
    | DecisionMade
    | DecisionWithdrawn
    | DecisionRestored
    | CursorMoved
    | NoteAdded
    | EditQueued
    | EditChanged
    | EditReleased
    | UndoSubmitted
    | RowIntended
    | RowSettled
    | RiskAccepted
    | SamplingChosen
    | GoldAdded
    | SecondLookAsked
    | SiteSetAside
    | UnknownEvent
)


@dataclass(frozen=True)
class Entry:
    """An event as the ledger holds it: its number from 1 without gaps, and its time (UTC)."""

    number: int
    at: datetime
    event: Event
