"""What the window asks of its worker processes, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.services.worker.language_messages import (
    AskLanguage,
    Consider,
    LanguageState,
    LookBack,
    UseLanguage,
    Wake,
)
from rendering.picture import PictureState

if TYPE_CHECKING:
    from inference.judges.saliency import SeenSaliency
    from inference.judges.unusual import Blame
    from rendering.pictures import SitePictures

__all__ = [
    "AskLanguage",
    "Cancel",
    "Changed",
    "CheckRoots",
    "Command",
    "Consider",
    "Detect",
    "Explain",
    "Explained",
    "FindRoots",
    "JobDone",
    "JobFailed",
    "JobProgress",
    "JudgeAll",
    "JudgeReady",
    "Judged",
    "LanguageState",
    "Learn",
    "LearnedSo",
    "Look",
    "LookAhead",
    "LookBack",
    "Looked",
    "Reply",
    "RootsFound",
    "RootsReplaced",
    "Stop",
    "UseLanguage",
    "Wake",
]


@dataclass(frozen=True)
class Detect:
    """Find sites and write them into the catalogue."""


@dataclass(frozen=True)
class JudgeAll:
    """Judge every site that has no verdict of the present model; `again` retries failed ones."""

    again: bool = False


@dataclass(frozen=True)
class Look:
    """Make the pictures of a site and, if missing, its verdicts: it is on the screen.

    `generation` names the request. Asked again with the same one, because by now the site is
    on the screen, it is answered once; it comes back with the answer.
    """

    site_id: str
    partner_index: int
    generation: int


@dataclass(frozen=True)
class LookAhead:
    """Do the same for the sites that come next, in this order and instead of earlier ones."""

    looks: tuple[Look, ...]


@dataclass(frozen=True)
class CheckRoots:
    """Tell which of these roots are no longer current."""

    roots: tuple[int, ...]


@dataclass(frozen=True)
class FindRoots:
    """Look up the present roots of everything that these sites name."""

    site_ids: tuple[str, ...]


@dataclass(frozen=True)
class Learn:
    """Learn from the person's decisions, if there are enough new ones."""


@dataclass(frozen=True)
class Explain:
    """Find out why a judge says what it says of a site and one of its partners."""

    site_id: str
    partner_index: int


@dataclass(frozen=True)
class Cancel:
    """Stop a job after its present step."""

    job: str


@dataclass(frozen=True)
class Stop:
    """End the process."""


@dataclass(frozen=True)
class JobProgress:
    """How far a job is; `fraction` is None while unknown."""

    job: str
    label: str
    fraction: float | None


@dataclass(frozen=True)
class JobDone:
    """A job has ended well, or was cancelled."""

    job: str
    text: str


@dataclass(frozen=True)
class JobFailed:
    """A job has ended with an error."""

    job: str
    message: str
    hint: str


@dataclass(frozen=True)
class JudgeReady:
    """The judge is loaded (or, with a message, is not)."""

    model: str
    provider: str
    message: str = ""


@dataclass(frozen=True)
class Changed:
    """The catalogue has news."""


@dataclass(frozen=True)
class Judged:
    """The catalogue has news: what judges say about these sites."""

    site_ids: tuple[str, ...]


@dataclass(frozen=True)
class Looked:
    """The pictures of a site, or why there are none, and the pair's roots as they are now."""

    site_id: str
    partner_index: int
    generation: int
    pictures: SitePictures | None
    roots: tuple[int, int | None] | None = None
    message: str = ""

    @property
    def lost_graphics(self) -> bool:
        """Whether the process that was to draw has lost its graphics device for good."""
        drawn = () if self.pictures is None else self.pictures.all.values()
        return any(picture.state is PictureState.DEVICE_LOST for picture in drawn)


@dataclass(frozen=True)
class LearnedSo:
    """Which version of the adaptive judge answers, and how many decisions made it."""

    version: int
    decisions: int


@dataclass(frozen=True)
class Explained:
    """Why a judge says what it says, or in `message` why that cannot be told."""

    site_id: str
    partner_index: int
    saliency: SeenSaliency | None = None
    unusual: tuple[Blame, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class RootsReplaced:
    """These roots are no longer current: somebody edited them."""

    roots: tuple[int, ...]


@dataclass(frozen=True)
class RootsFound:
    """The present roots of the supervoxels that some sites name."""

    site_ids: tuple[str, ...]
    roots: dict[int, int]


Command = (
    Detect
    | JudgeAll
    | Look
    | LookAhead
    | CheckRoots
    | FindRoots
    | Learn
    | Explain
    | UseLanguage
    | AskLanguage
    | Consider
    | LookBack
    | Wake
    | Cancel
    | Stop
)
Reply = (
    JobProgress
    | JobDone
    | JobFailed
    | JudgeReady
    | Changed
    | Judged
    | Looked
    | RootsReplaced
    | RootsFound
    | LearnedSo
    | Explained
    | LanguageState
)
