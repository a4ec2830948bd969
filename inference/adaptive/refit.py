"""One step of learning: fit to decisions, compare on decisions kept apart, promote or not.

Which decisions are kept apart is fixed by a hash of their ids, so a decision that was once
fitted to is never used for a comparison, and the reverse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.adaptive.fitting import Ridge, best_ridge, fitted, log_losses
from inference.adaptive.model import AdaptiveModel, Rows

__all__ = [
    "CHOICES",
    "Candidate",
    "Decided",
    "RefitSettings",
    "decisions_hash",
    "kept_apart",
    "refit",
]

CHOICES = (
    Ridge(slope=1e6, shift=1e6),
    Ridge(),
    *(Ridge(weights=strength) for strength in (16.0, 4.0, 1.0, 0.25)),
)
"""From the base as it is, over local recalibration, to freer and freer corrections."""


@dataclass(frozen=True)
class Decided:
    """Questions that the person answered.

    Parameters
    ----------
    ids : tuple of str
        What names each decision for ever, such as its site and partner.
    rows : Rows
        What was known before the answer.
    yes : ndarray of bool, shape (n,)
        The answers.
    """

    ids: tuple[str, ...]
    rows: Rows
    yes: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.rows) == len(self.yes):
            msg = f"{len(self.ids)} ids, {len(self.rows)} rows and {len(self.yes)} answers"
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: NDArray[np.bool_]) -> Decided:
        """Return some of the decisions."""
        ids = tuple(name for name, wanted in zip(self.ids, chosen, strict=True) if wanted)
        return Decided(ids, self.rows.take(chosen), self.yes[chosen])


@dataclass(frozen=True)
class RefitSettings:
    """How carefully the judge learns.

    Parameters
    ----------
    every : int
        Decisions between two refits.
    kept_apart : float
        Share of the decisions on which versions are compared and nothing is fitted.
    least, least_of_each : int
        Decisions kept apart, in all and of either answer, without which nothing is promoted:
        a few answers of one kind say little about a judge of rare things.
    margin : float
        Nats of log loss by which a candidate must be better.
    certainty : float
        Share of bootstrap samples in which it must be better by that margin.
    draws, seed : int
        The bootstrap.
    choices : tuple of Ridge
        Corrections among which cross-validation chooses, the most held back first.
    """

    every: int = 25
    kept_apart: float = 0.3
    least: int = 10
    least_of_each: int = 5
    margin: float = 0.002
    certainty: float = 0.95
    draws: int = 2000
    seed: int = 0
    choices: tuple[Ridge, ...] = CHOICES


@dataclass(frozen=True)
class Candidate:
    """What a refit proposes, and whether it may take over.

    Parameters
    ----------
    decisions_sha256 : str
        Hash of the ids and answers that it was fitted to.
    fitted_to, compared_on : int
        How many decisions.
    loss, previous_loss : float or None
        Mean log loss on the decisions kept apart; None where there are none.
    better : float or None
        Share of bootstrap samples in which the candidate is better by the margin.
    """

    model: AdaptiveModel
    promoted: bool
    decisions_sha256: str
    fitted_to: int
    compared_on: int
    loss: float | None
    previous_loss: float | None
    better: float | None


def kept_apart(ids: Sequence[str], share: float) -> NDArray[np.bool_]:
    """Tell which decisions are never fitted to, shape (n,); a decision's own id alone decides."""
    return np.array([_draw(name) < share for name in ids], np.bool_)


def decisions_hash(decided: Decided) -> str:
    """Return a sha256 over ids and answers, in the order of the ids."""
    digest = hashlib.sha256()
    for name, yes in sorted(zip(decided.ids, decided.yes.tolist(), strict=True)):
        digest.update(f"{name}\t{int(yes)}\n".encode())
    return digest.hexdigest()


def refit(
    decided: Decided, previous: AdaptiveModel, settings: RefitSettings | None = None
) -> Candidate:
    """Fit a correction to the decisions and compare it with the version in use.

    A pure function that takes well under a second for some hundreds of decisions; run it
    where it does not block.

    Parameters
    ----------
    decided : Decided
        All decisions so far, oldest first.
    previous : AdaptiveModel
        The version in use.

    Returns
    -------
    Candidate
        Promoted only when it is better on the decisions kept apart, by a margin and in most
        bootstrap samples (paired, over decisions). The same decisions give the same answer.
    """
    chosen = settings or RefitSettings()
    apart = kept_apart(decided.ids, chosen.kept_apart)
    learned, compared = decided.take(~apart), decided.take(apart)
    start = AdaptiveModel.untouched(previous.scaling)
    model = start
    if learned.yes.any() and not learned.yes.all():
        ridge = best_ridge(start, learned.rows, learned.yes, chosen.choices)
        model = fitted(start, learned.rows, learned.yes, ridge)
    return _compared(model, previous, learned, compared, chosen)


def _compared(
    model: AdaptiveModel,
    previous: AdaptiveModel,
    learned: Decided,
    compared: Decided,
    settings: RefitSettings,
) -> Candidate:
    loss = previous_loss = better = None
    if len(compared):
        new = log_losses(model, compared.rows, compared.yes)
        old = log_losses(previous, compared.rows, compared.yes)
        loss, previous_loss = float(new.mean()), float(old.mean())
        better = _share_better(old - new, settings)
    fewest = min(int(compared.yes.sum()), int((~compared.yes).sum()))
    enough = len(compared) >= settings.least and fewest >= settings.least_of_each
    return Candidate(
        model=model,
        promoted=enough and better is not None and better >= settings.certainty,
        decisions_sha256=decisions_hash(learned),
        fitted_to=len(learned),
        compared_on=len(compared),
        loss=loss,
        previous_loss=previous_loss,
        better=better,
    )


def _share_better(gain: NDArray[np.float64], settings: RefitSettings) -> float:
    rng = np.random.default_rng(settings.seed)
    drawn = gain[rng.integers(0, len(gain), (settings.draws, len(gain)))].mean(axis=1)
    return float((drawn > settings.margin).mean())


def _draw(name: str) -> float:
    """Return a number in [0, 1) that only the name decides."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) / 2**64
