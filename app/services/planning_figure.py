"""What an edit history says about effort, in four panels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import MissingPackageError
from proofreading.cost.edits import CostModel, EditCounts
from proofreading.files import storage_errors

__all__ = ["write_figure"]

# Colours that people who see few colours can tell apart (Okabe and Ito 2008).
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#8a8f98"
_SECONDS = (0.5, 5.0)


def write_figure(path: Path, counts: EditCounts, model: CostModel, objects: int) -> None:
    """Write the tail of edits, merges and splits, cost by time of an edit, and hours.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    StorageError
        If the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "The package matplotlib is not installed.", "Install Proofdesk with the extra `gui`."
        ) from error
    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    tail, kinds, cost, hours = figure.subplots(2, 2).ravel()
    _tail(tail, counts)
    _kinds(kinds, counts)
    _cost(cost, counts, model, objects)
    _hours(hours, counts, model, objects)
    for axes in (tail, kinds, cost, hours):
        axes.spines[["top", "right"]].set_visible(False)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=160, metadata={"Software": None})


def _tail(axes: Any, counts: EditCounts) -> None:
    edits = np.sort(counts.edits)[::-1]
    tail = counts.tail
    axes.plot(np.arange(1, len(edits) + 1), np.maximum(edits, 0.5), color=_BLUE, lw=1.8)
    axes.axhline(max(tail.threshold, 0.5), color=_GREY, lw=1, ls="--")
    axes.set_yscale("log")
    axes.set_title(
        f"A  Edits by object: {tail.objects:,} beyond the 95th percentile hold {tail.share:.0%}",
        fontsize=9,
        loc="left",
    )
    axes.set_xlabel("objects, most edits first")
    axes.set_ylabel("edits")


def _kinds(axes: Any, counts: EditCounts) -> None:
    share = counts.merge_share
    bars = axes.barh(["splits", "merges"], [1 - share, share], color=[_ORANGE, _BLUE], height=0.55)
    axes.bar_label(bars, fmt="{:.1%}", padding=4)
    axes.set_xlim(0, 1.15)
    axes.set_title(f"B  {int(counts.edits.sum()):,} edits of the sample", fontsize=9, loc="left")
    axes.set_xlabel("share of edits")


def _cost(axes: Any, counts: EditCounts, model: CostModel, objects: int) -> None:
    seconds = np.linspace(*_SECONDS, 46)
    # Where every edit takes as long, only the mean of all edits matters.
    edits = counts.interval(lambda merges, splits: merges + splits)
    each = objects * model.hourly_rate / 3600 * seconds
    value, low, high = (each * part for part in (edits.value, edits.low, edits.high))
    axes.fill_between(seconds, low, high, color=_BLUE, alpha=0.18, lw=0)
    axes.plot(seconds, value, color=_BLUE, lw=1.8)
    edges = sorted((model.merge_seconds, model.split_seconds))
    if edges[1] <= _SECONDS[1]:
        axes.axvspan(*edges, color=_GREY, alpha=0.2, lw=0)
    axes.set_title("C  Cost by time of an edit (grey: the model's)", fontsize=9, loc="left")
    axes.set_xlabel("seconds an edit")
    axes.set_ylabel(f"cost of {objects:,} objects")
    axes.set_ylim(bottom=0)


def _hours(axes: Any, counts: EditCounts, model: CostModel, objects: int) -> None:
    merges, splits = (float(x.mean()) * objects for x in (counts.merges, counts.splits))
    even = (model.merge_seconds + model.split_seconds) / 2
    left = {"each its own time": model, "one time for all": CostModel(even, even)}
    for place, (_, each) in enumerate(left.items()):
        own = [float(each.hours(merges, 0.0)), float(each.hours(0.0, splits))]
        axes.bar(place, own[0], color=_BLUE, width=0.5, label="merges" if not place else None)
        axes.bar(
            place, own[1], bottom=own[0], color=_ORANGE, width=0.5,
            label="splits" if not place else None,
        )  # fmt: skip
    axes.set_xticks(range(len(left)), list(left))
    axes.set_xlim(-0.6, 1.9)
    axes.set_title(f"D  Hours for {objects:,} objects", fontsize=9, loc="left")
    axes.set_ylabel("hours")
    axes.legend(frameon=False, fontsize=9)
