"""Verdicts: what a model thinks of a site, with everything needed to explain it later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["FailedVerdict", "Part", "Provenance", "TakenLook", "Task", "Verdict"]


class Task(StrEnum):
    """The question that a model answers about a site.

    A *split error* is repaired by a *merge edit*, and the reverse; a task is never
    called by its repair.
    """

    SPLIT_ERROR_IDENTIFICATION = "split_error_identification"
    SPLIT_ERROR_CORRECTION = "split_error_correction"
    MERGE_ERROR_IDENTIFICATION = "merge_error_identification"
    SPLIT_ACTION_EVALUATION = "split_action_evaluation"
    SEGMENT_CLASSIFICATION = "segment_classification"
    PARTNER_CHOICE = "partner_choice"
    ENDPOINT_LOCALIZATION = "endpoint_localization"
    SPLIT_PROPOSAL = "split_proposal"


@dataclass(frozen=True)
class Provenance:
    """Where a verdict comes from. Every field is stated; None means that there is none.

    Parameters
    ----------
    model_id, weights_sha256 : str
        The model and the hash of its weights file.
    calibration_id : str
        Hash of the calibration that turned the raw score into a probability.
    picture_spec : str
        Hash of the RenderSpec and EMSpec of the pictures that the model saw.
    prompt_sha256 : str or None
        Hash of the prompt of a language model.
    code_version : str
        Version of Proofdesk.
    provider : str
        What ran it, such as ``CUDA`` or ``CPU``.
    latency_ms : float
        Time for this site, pictures excluded.
    out_of_distribution : float or None
        How unusual the pictures are for the model; higher is stranger.
    measured_by : str or None
        The model whose measure `out_of_distribution` is, where another one handed it on.
    slots : tuple of (str, str)
        What a person added to the prompt, by name.
    pictures_sha256 : str or None
        Hash over the pictures that a language model was shown.
    """

    model_id: str
    weights_sha256: str
    calibration_id: str
    picture_spec: str
    code_version: str
    provider: str
    latency_ms: float
    prompt_sha256: str | None = None
    out_of_distribution: float | None = None
    measured_by: str | None = None
    slots: tuple[tuple[str, str], ...] = ()
    pictures_sha256: str | None = None

    @property
    def measure(self) -> str:
        """The model by whose training it is known what is usual."""
        return self.measured_by or self.model_id


@dataclass(frozen=True)
class Part:
    """What one of several models said of the question that they answered together."""

    model_id: str
    weights_sha256: str
    probability: float
    raw_score: float
    prompt_sha256: str | None = None


@dataclass(frozen=True)
class TakenLook:
    """A view that a model asked for before it answered.

    Parameters
    ----------
    asked : str
        Its own words.
    camera : str
        Where it then looked from, as JSON.
    picture_sha256 : str
        Hash of the picture that it was shown.
    """

    asked: str
    camera: str
    picture_sha256: str


@dataclass(frozen=True)
class Verdict:
    """One model's calibrated probability for one task at one site.

    `partner_supervoxel` names the pair the question was about (None for tasks about
    one segment); `probability` is the chance that the answer is yes. A language model may
    give a `rationale` and state its own confidence (0 to 1, not calibrated); `looks` are
    the further views it asked for. `parts` are set where several models answered together.
    """

    site_id: str
    task: Task
    partner_supervoxel: int | None
    probability: float
    raw_score: float
    made_at: datetime
    provenance: Provenance
    rationale: str | None = None
    stated_confidence: float | None = None
    looks: tuple[TakenLook, ...] = ()
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            msg = f"a probability is between 0 and 1, not {self.probability}"
            raise ValueError(msg)
        if self.made_at.tzinfo is None:
            msg = "a verdict's time needs a time zone"
            raise ValueError(msg)


@dataclass(frozen=True)
class FailedVerdict:
    """A verdict that could not be made: a state of the site, shown with a retry.

    `text` is what a language model wrote instead of an answer; `model_id` names the model
    where another one may have answered the same question.
    """

    site_id: str
    task: Task
    partner_supervoxel: int | None
    reason: str
    hint: str
    made_at: datetime
    text: str | None = None
    model_id: str | None = None
