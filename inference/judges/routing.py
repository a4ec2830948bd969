"""Which judge answers which task, when a second one is asked, and how long it may take."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectome.errors import InputError
from inference.judges.combining import Weights
from proofreading.files import storage_errors, write_atomically
from proofreading.verdicts import Task

__all__ = ["ROUTING_NAME", "Purse", "Route", "Routing", "read_routing", "write_routing"]

ROUTING_NAME = "routing.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Route(_Strict):
    """How one task is answered.

    Parameters
    ----------
    first : str or None
        Id or folder of the judge that answers first; the bundled one if None.
    second : str or None
        Id or folder of the language model that is asked where the first is unsure; None
        asks nobody.
    always : bool
        Ask the second about every site of this task, whatever the first says.
    unsure_from, unsure_to : float
        Calibrated probabilities of the first between which the second is asked.
    disagreement : float
        How far apart the members of the first may be before the second is asked.
    seconds_per_site : float
        How long the second may take, on average over all sites of the task: with 0.5 s and
        answers of 5 s, one site in ten can be asked about.
    weights : Weights or None
        Fitted on labelled answers; see `inference.judges.combining` for what holds without.
    """

    first: str | None = None
    second: str | None = None
    always: bool = False
    unsure_from: float = Field(default=0.1, ge=0, le=1)
    unsure_to: float = Field(default=0.9, ge=0, le=1)
    disagreement: float = Field(default=0.35, ge=0, le=1)
    seconds_per_site: float = Field(default=1.0, ge=0)
    weights: Weights | None = None


class Routing(_Strict):
    """The routes of all tasks; a task that is not named has the bundled judge alone.

    `words` are what the person adds to prompts, by slot (`inference.prompts.slots`).
    """

    schema_version: Literal[1] = 1
    routes: dict[Task, Route] = Field(default_factory=dict)
    words: dict[str, str] = Field(default_factory=dict)

    def route(self, task: Task) -> Route:
        """Return the route of a task."""
        return self.routes.get(task, Route())


def read_routing(folder: Path) -> Routing:
    """Read ``routing.json`` of a session folder; the defaults where there is none.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = folder / ROUTING_NAME
    try:
        return Routing.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Routing()
    except (OSError, ValidationError) as error:
        raise InputError(
            f"The file {path} does not say which model answers what.",
            "Correct it, or move it away to use the bundled models.",
        ) from error


def write_routing(folder: Path, routing: Routing) -> None:
    """Write ``routing.json`` into a session folder.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    with storage_errors(folder / ROUTING_NAME):
        write_atomically(folder / ROUTING_NAME, routing.model_dump_json(indent=1) + "\n")


class Purse:
    """The seconds that a slow judge may spend, earned with every site that a quick one judged.

    Parameters
    ----------
    seconds_per_site : float
        What each site brings.
    """

    def __init__(self, seconds_per_site: float) -> None:
        self._each = seconds_per_site
        self._sites = 0
        self._questions = 0
        self.spent_s = 0.0

    @property
    def left_s(self) -> float:
        """What may still be spent."""
        return self._each * self._sites - self.spent_s

    @property
    def mean_s(self) -> float:
        """What a question took on average so far; 0 while none was answered."""
        return self.spent_s / self._questions if self._questions else 0.0

    def earn(self, sites: int) -> None:
        """Count sites that were judged."""
        self._sites += sites

    def spend(self, seconds: float) -> None:
        """Count a question that was answered, or that failed after so long."""
        self._questions += 1
        self.spent_s += seconds

    def affords(self, questions: int = 1) -> bool:
        """Tell whether so many more questions fit, as long as they take on average."""
        return self.left_s > 0 and self.left_s >= questions * self.mean_s
