"""What every judge does: look at the pictures of pairs and give an opinion on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectome.datastack import Datastack
from inference.models.manifest import ModelManifest
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict
from rendering.em import Slices

__all__ = ["Identified", "Judge", "Opinion", "PairSample", "SiteJudge"]


@dataclass(frozen=True)
class PairSample:
    """One question: whether these two segments belong to one neuron.

    Parameters
    ----------
    slices : Slices
        Three EM slices through the contact, with the segment ids in them.
    segment_a, segment_b : int
        The ids of the pair in ``slices.ids``.
    """

    slices: Slices
    segment_a: int
    segment_b: int


@dataclass(frozen=True)
class Opinion:
    """What a judge thinks of one sample.

    Parameters
    ----------
    probability : float
        Calibrated chance that the answer is yes, 0 to 1.
    raw_score : float
        The model's logit before calibration.
    out_of_distribution : float or None
        How far the pictures are from the training pictures; higher is stranger.
    latency_ms : float
        Time of the model for this sample: that of its batch, shared equally.
    """

    probability: float
    raw_score: float
    out_of_distribution: float | None
    latency_ms: float


class Identified(Protocol):
    """A model that says what it is."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        ...

    @property
    def provider(self) -> str:
        """What runs it, such as ``CUDA`` or ``CPU``."""
        ...


class SiteJudge(Identified, Protocol):
    """A model that answers one task about sites, however it looks at them."""

    def judge_sites(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[Verdict | FailedVerdict]:
        """Return the verdicts of every site, in the sites' order.

        A task about pairs has one for each partner, in the site's order; a task about
        one segment has one for the site, with no partner. What cannot be judged is a
        `FailedVerdict`, never an exception.
        """
        ...


class Judge(Identified, Protocol):
    """A model that answers one task from pictures of pairs."""

    def judge(self, samples: Sequence[PairSample]) -> list[Opinion]:
        """Return one opinion per sample, in order.

        Raises
        ------
        ModelError
            If the pictures were not made the way the model was trained with.
        """
        ...
