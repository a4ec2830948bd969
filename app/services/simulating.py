"""Use-case: how many looks until a good segmentation, with a virtual proofreader.

The proofreader answers the queue from the truth, mistaken now and then, and the adaptive judge
learns from the answers. Everything happens in memory; the datastack is only read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from csv import writer
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.simulation_candidates import Candidates, Scorer, find_candidates, judged
from app.services.simulation_figures import OrderFigures, order_figures
from app.services.simulation_plot import write_plot
from app.services.simulation_world import SegmentWorld
from connectome.errors import DatastackError, InputError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.scoring import overlap_table
from connectome.opening import open_datastack
from inference.adaptive.judge import AdaptiveJudge
from inference.adaptive.model import Scaling
from inference.adaptive.orders import Order, merge_gain, priorities
from inference.adaptive.refit import Decided, RefitSettings, refit
from proofreading.files import storage_errors, write_atomically

__all__ = [
    "Look",
    "Run",
    "SimulationSettings",
    "SimulationSummary",
    "judge_scorer",
    "run",
    "simulate",
]

COLUMNS = ("look", "vi", "vi_split", "vi_merge", "decisions", "edits_applied", "wrong_edits")
_WITHOUT_JUDGE = (Order.RANDOM, Order.VALUE)

Report = Callable[[str, float | None], None]


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
    """

    looks: int = 200
    error_rate: float = 0.0
    orders: tuple[Order, ...] = tuple(Order)
    seeds: int = 5
    ignore: tuple[int, ...] = ()
    learn: bool = True
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


@dataclass(frozen=True)
class SimulationSummary:
    """What came out.

    Parameters
    ----------
    candidates, split_errors : int
        Pairs that can be asked about, and those that are one body.
    without_truth, without_score : int
        Touching pairs left out, because truth or models know nothing of them.
    start_vi, perfect_vi : float
        VI before, and after a perfect person answered everything.
    out : str
        Folder of the CSV files and the plot.
    """

    candidates: int
    split_errors: int
    without_truth: int
    without_score: int
    start_vi: float
    perfect_vi: float
    error_rate: float
    orders: tuple[OrderFigures, ...]
    out: str


def judge_scorer(models: Sequence[str] = (), *, held_out: bool = False) -> Scorer:
    """Return the scorer of the bundled judges, or of models of these ids or folders.

    Raises
    ------
    ModelError
        If there is no such model, or its weights do not match its manifest.
    MissingPackageError
        If onnxruntime is not installed.
    """
    from app.services.judging import load_panel

    return judged(load_panel(models).judges, held_out=held_out)


def simulate(
    address: str,
    out: Path,
    scorer: Scorer,
    settings: SimulationSettings | None = None,
    *,
    report: Report,
) -> SimulationSummary:
    """Let virtual proofreaders work on a datastack, and write what came of it.

    Parameters
    ----------
    address : str
        An offline datastack with ground truth; it is not changed.
    out : Path
        Folder for ``ORDER_seedN.csv``, ``all.csv``, ``vi.png`` and ``vi.svg``.
    scorer : callable
        What is known of pairs beforehand, such as `judge_scorer` gives.

    Raises
    ------
    InputError, DatastackError
        If this is no offline datastack with truth, or there is nothing to ask.
    StorageError
        If the folder cannot be written.
    MissingPackageError
        If matplotlib is not installed.
    """
    chosen = settings or SimulationSettings()
    datastack = open_datastack(address)
    try:
        if not isinstance(datastack, OfflineDatastack):
            raise DatastackError(
                f"{address} is no offline datastack.", "Ingest the volume with its ground truth."
            )
        roots, bodies, counts, _ = overlap_table(datastack.folder)
        overlaps = roots, bodies, counts
        candidates = find_candidates(datastack, overlaps, scorer, chosen.ignore, report)
    finally:
        datastack.close()
    world = SegmentWorld(*overlaps, chosen.ignore)
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    runs = _runs(candidates, world, chosen, report)
    return _written(runs, candidates, world, chosen, out)


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
        scores = candidates.scores
        self._judge = AdaptiveJudge(
            scores.base, Scaling.of(scores.names, scores.rows.features), settings=settings.refitting
        )
        self._probability = self._judge.probabilities(scores.rows)
        self._ends = world.rows(candidates.roots)
        self._open = np.ones(len(candidates), np.bool_)
        self._asked: list[int] = []
        self._edits = self._wrong = 0

    def worked(self) -> Run:
        looks = [self._state()]
        while len(self._asked) < self._settings.looks and (pick := self._next()) is not None:
            self._answer(pick)
            looks.append(self._state())
            if self._learns() and self._judge.due(len(self._asked)):
                self._learn()
        return Run(self._order, self._seed, tuple(looks), self._judge.version)

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
        if self._answers[pick]:
            one, other = self._ends[pick]
            self._world.merge(int(one), int(other))
            self._edits += 1
            self._wrong += int(not self._candidates.same[pick])

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
        return Look(done, world.vi, world.vi_split, world.vi_merge, done, self._edits, self._wrong)


def _runs(
    candidates: Candidates, world: SegmentWorld, settings: SimulationSettings, report: Report
) -> list[Run]:
    todo = [(order, seed) for order in settings.orders for seed in range(settings.seeds)]
    runs = []
    for done, (order, seed) in enumerate(todo):
        report(f"asking by {order.value}, seed {seed}", done / len(todo))
        runs.append(run(candidates, world, order, seed, settings))
    report("done", 1.0)
    return runs


def _perfect(candidates: Candidates, start: SegmentWorld) -> float:
    """Return the VI after a person without a mistake answered every question."""
    world = start.copy()
    for one, other in world.rows(candidates.roots[candidates.same]):
        world.merge(int(one), int(other))
    return world.vi


def _written(
    runs: list[Run],
    candidates: Candidates,
    world: SegmentWorld,
    settings: SimulationSettings,
    out: Path,
) -> SimulationSummary:
    perfect = _perfect(candidates, world)
    for each in runs:
        write_atomically(out / f"{each.order.value}_seed{each.seed}.csv", _table([each], ()))
    write_atomically(out / "all.csv", _table(runs, ("order", "seed")))
    curves = _curves(runs, settings)
    write_plot(out, curves, perfect)
    versions = {
        order: float(np.mean([r.versions for r in runs if r.order is order])) for order in curves
    }
    figures = order_figures(curves, perfect)
    return SimulationSummary(
        candidates=len(candidates),
        split_errors=int(candidates.same.sum()),
        without_truth=candidates.without_truth,
        without_score=candidates.without_score,
        start_vi=world.vi,
        perfect_vi=perfect,
        error_rate=settings.error_rate,
        orders=tuple(replace(f, versions=versions[Order(f.order)]) for f in figures),
        out=str(out),
    )


def _curves(runs: list[Run], settings: SimulationSettings) -> dict[Order, NDArray[np.float64]]:
    """Return VI after each look, (seeds, looks + 1); who has nothing left to ask stays there."""
    longest = max(len(each.looks) for each in runs)
    found = {}
    for order in settings.orders:
        mine = [[look.vi for look in each.looks] for each in runs if each.order is order]
        found[order] = np.array([line + [line[-1]] * (longest - len(line)) for line in mine])
    return found


def _table(runs: list[Run], more: tuple[str, ...]) -> str:
    text = io.StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow([*more, *COLUMNS])
    for each in runs:
        first = [each.order.value, each.seed] if more else []
        for look in each.looks:
            values = [getattr(look, name) for name in COLUMNS]
            table.writerow([*first, *(f"{v:.6f}" if isinstance(v, float) else v for v in values)])
    return text.getvalue()
