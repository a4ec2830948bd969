"""One session of a virtual proofreader: ask, answer from the truth, merge, learn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from app.services.simulation_candidates import Candidates
from app.services.simulation_world import SegmentWorld
from connectome.errors import InputError
from inference.adaptive.judge import AdaptiveJudge
from inference.adaptive.model import Scaling
from inference.adaptive.orders import Order, merge_gain, priorities
from inference.adaptive.refit import Decided, RefitSettings, refit

__all__ = ["Look", "Run", "SimulationSettings", "run"]

IMPROBABLE = 0.1
"""A yes below this is asked about again, if much hangs on it."""
LARGE_NATS = 0.002
"""VI that a merge must move, if it were right, to count as large."""
_WITHOUT_JUDGE = (Order.RANDOM, Order.VALUE)


@dataclass(frozen=True)
class SimulationSettings:
    """How a virtual proofreader works.

    Parameters
    ----------
    looks : int
        Questions answered, at most; pairs that are joined already are passed over.
    error_rate : float
        Share of answers that are wrong, 0 to 1.
    seeds : int
        Runs of each order; they differ in slips, in the random order, and in which decisions
        the adaptive judge keeps apart.
    ignore : tuple of int
        Bodies that do not count, beside 0.
    learn : bool
        Whether the adaptive judge learns; else the models' first answers stand.
    second_look : bool
        Whether a yes that the judge calls improbable, about a large merge, is asked about once
        more, which costs a look; it counts only if the proofreader says yes again.
    """

    looks: int = 200
    error_rate: float = 0.0
    orders: tuple[Order, ...] = tuple(Order)
    seeds: int = 5
    ignore: tuple[int, ...] = ()
    learn: bool = True
    second_look: bool = False
    refitting: RefitSettings = field(default_factory=RefitSettings)

    def __post_init__(self) -> None:
        if self.looks < 1 or self.seeds < 1 or not self.orders:
            raise InputError(
                "A simulation needs at least one look, one seed and one order.",
                "Give --looks, --seeds and --order.",
            )
        if not 0 <= self.error_rate <= 1:
            raise InputError(
                f"An error rate of {self.error_rate} is no share.", "Give one between 0 and 1."
            )


@dataclass(frozen=True)
class Look:
    """The state after a number of looks; look 0 is the start."""

    look: int
    vi: float
    vi_split: float
    vi_merge: float
    decisions: int
    edits_applied: int
    wrong_edits: int


@dataclass(frozen=True)
class Run:
    """One session of a virtual proofreader.

    Parameters
    ----------
    versions : int
        How often the adaptive judge was replaced by a better one.
    """

    order: Order
    seed: int
    looks: tuple[Look, ...]
    versions: int


def run(
    candidates: Candidates,
    start: SegmentWorld,
    order: Order,
    seed: int,
    settings: SimulationSettings,
) -> Run:
    """Let one virtual proofreader work; neither the candidates nor the world change."""
    return _Session(candidates, start.copy(), order, seed, settings).worked()


class _Session:
    """A virtual proofreader at work."""

    def __init__(
        self,
        candidates: Candidates,
        world: SegmentWorld,
        order: Order,
        seed: int,
        settings: SimulationSettings,
    ) -> None:
        self._candidates, self._world = candidates, world
        self._order, self._seed, self._settings = order, seed, settings
        rng = np.random.default_rng(seed)
        # Drawn for every pair, so that all orders of a seed meet the same slips.
        self._chance = rng.random(len(candidates))
        self._answers = candidates.same ^ (rng.random(len(candidates)) < settings.error_rate)
        # A second look is a look of its own, with slips of its own.
        self._second = candidates.same ^ (rng.random(len(candidates)) < settings.error_rate)
        scores = candidates.scores
        self._judge = AdaptiveJudge(
            scores.base, Scaling.of(scores.names, scores.rows.features), settings=settings.refitting
        )
        self._probability = self._judge.probabilities(scores.rows)
        self._ends = world.rows(candidates.roots)
        self._open = np.ones(len(candidates), np.bool_)
        self._asked: list[int] = []
        self._edits = self._wrong = self._again = 0

    def worked(self) -> Run:
        looks = [self._state()]
        while self._looks < self._settings.looks and (pick := self._next()) is not None:
            self._answer(pick)
            if len(looks) < self._looks:
                looks.append(replace(looks[-1], look=len(looks)))
            looks.append(self._state())
            if self._learns() and self._judge.due(len(self._asked)):
                self._learn()
        within = looks[: self._settings.looks + 1]
        return Run(self._order, self._seed, tuple(within), self._judge.version)

    def _next(self) -> int | None:
        """Return the pair to ask about now, None when every pair is asked about or joined."""
        parts = self._world.components(self._ends)
        self._open &= parts[:, 0] != parts[:, 1]
        rows = np.flatnonzero(self._open)
        if not len(rows):
            return None
        gain = merge_gain(self._world.sizes[parts[rows]], self._world.volume)
        chance = self._chance[rows]
        urgent = priorities(self._order, self._probability[rows], gain, chance)
        return int(rows[np.lexsort((chance, urgent))[-1]])

    def _answer(self, pick: int) -> None:
        self._open[pick] = False
        self._asked.append(pick)
        if self._says_yes(pick):
            one, other = self._ends[pick]
            self._world.merge(int(one), int(other))
            self._edits += 1
            self._wrong += int(not self._candidates.same[pick])

    @property
    def _looks(self) -> int:
        return len(self._asked) + self._again

    def _says_yes(self, pick: int) -> bool:
        """Return the proofreader's answer, after a second look where that is worth one."""
        if not self._answers[pick] or not self._is_doubtful(pick):
            return bool(self._answers[pick])
        self._again += 1
        self._answers[pick] = self._second[pick]
        return bool(self._second[pick])

    def _is_doubtful(self, pick: int) -> bool:
        if not self._settings.second_look or self._probability[pick] >= IMPROBABLE:
            return False
        parts = self._world.components(self._ends[pick : pick + 1])
        return bool(merge_gain(self._world.sizes[parts], self._world.volume)[0] >= LARGE_NATS)

    def _learns(self) -> bool:
        return self._settings.learn and self._order not in _WITHOUT_JUDGE

    def _learn(self) -> None:
        asked = np.array(self._asked)
        rows = self._candidates.scores.rows
        ids = tuple(f"{self._seed}:{self._candidates.ids[pick]}" for pick in self._asked)
        decided = Decided(ids, rows.take(asked), self._answers[asked])
        candidate = refit(decided, self._judge.model, self._judge.settings)
        if self._judge.take(candidate, len(asked)):
            self._probability = self._judge.probabilities(rows)

    def _state(self) -> Look:
        done, world = len(self._asked), self._world
        return Look(
            self._looks, world.vi, world.vi_split, world.vi_merge, done, self._edits, self._wrong
        )
