"""What the window shows, as frozen values: intent and reality resolved into one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from app.services.through import Through
from connectome.space import PointNm
from proofreading.decisions import Answer
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Verdict

if TYPE_CHECKING:
    from app.services.consequence import Consequence
    from app.services.language import LanguageStatus
    from app.services.second_look import Doubt
    from app.services.splitting_model import CutView
    from app.services.why import WhyView
    from rendering.pictures import SitePictures

__all__ = [
    "Current",
    "EditList",
    "Fate",
    "Hidden",
    "Job",
    "JudgeStatus",
    "LastAnswer",
    "Level",
    "Notice",
    "Outbox",
    "PartnerChoice",
    "Phase",
    "PlannedEdit",
    "Progress",
    "QueueRow",
    "SecondLook",
    "Snapshot",
    "UndoQuestion",
]


class Phase(StrEnum):
    """The five states of every part of the window, and ready."""

    EMPTY = "empty"
    LOADING = "loading"
    PARTIAL = "partial"
    READY = "ready"
    FAILED = "failed"
    OFFLINE = "offline"


class Level(StrEnum):
    """How loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Notice:
    """A message to the person, with what to do about it."""

    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class QueueRow:
    """One line of the queue; its roots are those of now.

    `follows` tells that the answer was given at another site with the same question.
    `value` is the area in nm² that the question is about: of the contact, or of the neurite.
    """

    site_id: str
    kind: SiteKind
    root: int
    partner_root: int | None
    probability: float | None
    answer: Answer | None
    failed: bool
    at_volume_face: bool
    follows: bool = False
    value: float = 0.0
    point_nm: PointNm = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class PartnerChoice:
    """One partner that could be chosen with a number key."""

    index: int
    root: int
    distance_nm: float
    contact_area_nm2: float
    direction_agreement: float
    probability: float | None


@dataclass(frozen=True)
class Current:
    """The site on the screen.

    `failed_beside` is the failure of another model than the one whose verdict is shown.
    `present_root` and each partner's root are what the graph says now; `stale` tells
    that an edit changed them since the site was found.
    """

    site: Site
    question: str
    partners: tuple[PartnerChoice, ...]
    partner_index: int
    verdict: Verdict | None
    verdict_phase: Phase
    verdict_text: str
    pictures: SitePictures | None
    pictures_phase: Phase
    pictures_text: str
    answer: Answer | None
    failed_beside: FailedVerdict | None = None

    @property
    def partner(self) -> PartnerChoice | None:
        """The chosen partner, if the site has any."""
        return self.partners[self.partner_index] if self.partners else None


@dataclass(frozen=True)
class Progress:
    """How far, and how fast; seconds exclude pauses of over a minute."""

    decided: int
    total: int
    per_hour: float | None
    median_seconds: float | None


@dataclass(frozen=True)
class Outbox:
    """Edits by how far they have come."""

    waiting: int
    committed: int
    failed: int
    conflict: int
    unknown: int
    undone: int


@dataclass(frozen=True)
class JudgeStatus:
    """The model that judges, and on what."""

    phase: Phase
    model: str
    provider: str
    text: str = ""


@dataclass(frozen=True)
class Job:
    """Something long that runs in the background. `fraction` is None while unknown."""

    name: str
    label: str
    phase: Phase
    fraction: float | None
    text: str = ""


@dataclass(frozen=True)
class LastAnswer:
    """The answer just given, shown with undo."""

    site_id: str
    answer: Answer
    text: str


class Fate(StrEnum):
    """What becomes of an edit, or has become of it."""

    LOOK = "look"
    """Held: its objects are not what the person saw."""
    WARNED = "warned"
    """Held by a warning that the person may override."""
    FAILED = "failed"
    """Refused by the server, or by the preview of the cut."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows yet whether it was applied."""
    PARTIAL = "partial"
    """A cut that was applied and left one object."""
    READY = "ready"
    """Would be sent now."""
    WAITING = "waiting"
    """Waits, and was not looked at."""
    APPLIED = "applied"
    NEEDLESS = "needless"
    """Nothing is left to do: somebody has done the same."""

    @property
    def waits(self) -> bool:
        """Whether the next export would look at it and may send it."""
        return self in (Fate.READY, Fate.WAITING)


class SecondLook(StrEnum):
    """What a person decides about an edit that was not simply sent."""

    APPROVE = "approve"
    """It still means what it should: send it."""
    OVERRIDE = "override"
    """Set its warnings aside; recorded."""
    DROP = "drop"
    """Give it up."""
    RETRY = "retry"
    """It was refused: try once more."""


@dataclass(frozen=True)
class PlannedEdit:
    """One line of the export's dry run or of its outcome.

    Parameters
    ----------
    text : str
        What it does, with whole ids; `roots` are these ids.
    reason : str
        Why it is not simply sent, for programs: a `proofreading.edits.Reason`.
    changes : str
        What others did to its objects since they were seen, when and by whom.
    warnings : tuple of str
        Codes of the warnings that hold it.
    hopeless : bool
        Whether it would only be held or refused again, so that it can but be given up.
    """

    edit_id: str
    site_id: str
    text: str
    outcome: str
    fate: Fate
    reason: str = ""
    changes: str = ""
    roots: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    hopeless: bool = False

    @property
    def held(self) -> bool:
        """Whether it waits for a second look: it can be approved again or given up."""
        return self.fate in (Fate.LOOK, Fate.WARNED)


@dataclass(frozen=True)
class EditList:
    """The edits of a session before or after an export.

    Parameters
    ----------
    phase : Phase
        ``partial`` while the edits are listed as the ledger knows them and looked at;
        ``failed`` or ``offline`` where looking at them was not possible.
    text, remedy : str
        What stands in the way of sending, and what to do about it.
    may_send : bool
        Whether the person's account may edit, as far as the server tells.
    person : str
        Under whose name second looks are recorded.
    """

    phase: Phase
    edits: tuple[PlannedEdit, ...] = ()
    text: str = ""
    remedy: str = ""
    may_send: bool = True
    person: str = ""


@dataclass(frozen=True)
class UndoQuestion:
    """What the person should know before an applied edit is undone.

    Parameters
    ----------
    text : str
        The edit and what stands in the way, as one sentence.
    lines : tuple of str
        What was built on it since.
    on_server : bool
        Whether the server would be asked to undo it; else only the answer is taken back.
    """

    edit_id: str
    text: str
    lines: tuple[str, ...] = ()
    on_server: bool = True


@dataclass(frozen=True)
class Hidden:
    """What the queue does not show, and why.

    Parameters
    ----------
    improbable : int
        Open questions below the limit; `limit` is 0 while all are shown.
    same : int
        Sites whose question another site asks, too.
    joined : int
        Sites that ask nothing any more: their segments are one object.
    wanted_limit : float
        The limit that the person set in the settings, whether it holds now or not.
    """

    improbable: int = 0
    same: int = 0
    limit: float = 0.0
    wanted_limit: float = 0.0
    joined: int = 0

    @property
    def showing_all(self) -> bool:
        """Whether the person asked to see the improbable ones for now."""
        return self.limit < self.wanted_limit


@dataclass(frozen=True)
class Snapshot:
    """Everything the window shows besides the rows of the queue.

    `learned` says what the adaptive judge knows; empty while it changes nothing. `doubt` is
    the answer that has to be given once more before it counts.
    """

    session_name: str
    datastack_name: str
    progress: Progress
    outbox: Outbox
    judge: JudgeStatus
    jobs: tuple[Job, ...]
    queue_phase: Phase
    queue_text: str
    current: Current | None
    last_answer: LastAnswer | None
    can_undo: bool
    can_redo: bool
    notices: tuple[Notice, ...] = field(default=())
    undo_question: UndoQuestion | None = None
    hidden: Hidden = Hidden()
    learned: str = ""
    language: LanguageStatus | None = None
    through: Through = field(default_factory=Through)
    doubt: Doubt | None = None
    why: WhyView | None = None
    cut: CutView | None = None
    after: Consequence | None = None
