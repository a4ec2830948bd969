"""What the window shows, as frozen values: intent and reality resolved into one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from proofreading.decisions import Answer
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import Verdict

if TYPE_CHECKING:
    from rendering.pictures import SitePictures

__all__ = [
    "Current",
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
    "Snapshot",
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
    """One line of the queue."""

    site_id: str
    kind: SiteKind
    root: int
    partner_root: int | None
    probability: float | None
    answer: Answer | None
    failed: bool
    at_volume_face: bool


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


@dataclass(frozen=True)
class PlannedEdit:
    """One line of the export's dry run or of its outcome.

    Parameters
    ----------
    reason : str
        Why it is not simply sent, for programs: a `proofreading.edits.Reason`.
    held : bool
        Whether it waits for a second look: it can be released or given up.
    quiet : bool
        Whether nothing is wrong although nothing was sent: somebody has done the same.
    changes : str
        What others did to its objects since they were seen.
    """

    edit_id: str
    site_id: str
    text: str
    outcome: str
    ok: bool
    reason: str = ""
    held: bool = False
    quiet: bool = False
    changes: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything the window shows besides the rows of the queue."""

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
