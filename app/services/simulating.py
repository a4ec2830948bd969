"""Use-case: how many looks until a good segmentation, with a virtual proofreader.

The proofreader answers the queue from the truth, mistaken now and then, and the adaptive judge
learns from the answers. Everything happens in memory; the datastack is only read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from csv import writer
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.simulation_candidates import Candidates, Scorer, find_candidates, judged
from app.services.simulation_figures import OrderFigures, order_figures
from app.services.simulation_plot import write_plot
from app.services.simulation_run import Look, Run, SimulationSettings, run
from app.services.simulation_world import SegmentWorld
from connectome.errors import DatastackError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.scoring import overlap_table
from connectome.opening import open_datastack
from inference.adaptive.orders import Order
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
Report = Callable[[str, float | None], None]


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
