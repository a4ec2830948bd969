"""Verdicts: what a model thinks of a site, with everything needed to explain it later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["FailedVerdict", "Provenance", "Task", "Verdict"]


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


@dataclass(frozen=True)
class Verdict:
    """One model's calibrated probability for one task at one site.

    `partner_supervoxel` names the pair the question was about (None for tasks about
    one segment); `probability` is the chance that the answer is yes.
    """

    site_id: str
    task: Task
    partner_supervoxel: int | None
    probability: float
    raw_score: float
    made_at: datetime
    provenance: Provenance

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            msg = f"a probability is between 0 and 1, not {self.probability}"
            raise ValueError(msg)
        if self.made_at.tzinfo is None:
            msg = "a verdict's time needs a time zone"
            raise ValueError(msg)


@dataclass(frozen=True)
class FailedVerdict:
    """A verdict that could not be made: a state of the site, shown with a retry."""

    site_id: str
    task: Task
    partner_supervoxel: int | None
    reason: str
    hint: str
    made_at: datetime
