"""The report's pictures, as SVG text: nothing on a page needs another file."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError
from inference.calibration import reliability
from inference.evaluation.answers import AS_RECORDED
from inference.evaluation.conditions import ConditionRow
from inference.evaluation.degrade import KINDS
from inference.evaluation.risk import risk_curve

__all__ = ["Drawn", "condition_plot", "curve_plots"]


class Drawn(NamedTuple):
    """Probabilities (n,) of one judge about one kind of question, and the truth (n,)."""

    chance: NDArray[np.float64]
    truth: NDArray[np.bool_]


_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that people who see few of them tell apart (Okabe and Ito 2008)."""
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#777777",
    "axes.labelcolor": "#333333",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "grid.color": "#e4e4e4",
    "svg.fonttype": "none",
    "svg.hashsalt": "proofdesk",
}


def curve_plots(judges: Mapping[str, Drawn]) -> str:
    """Return ROC, precision–recall, reliability and risk–coverage of judges as one picture.

    Judges whose questions all have one answer are left out.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    drawn = {name: one for name, one in judges.items() if 0 < one.truth.sum() < len(one.truth)}
    panels: tuple[tuple[str, Callable[..., None]], ...] = (
        ("ROC", _roc),
        ("Precision and recall", _precision_recall),
        ("Is it right as often as it says?", _reliability),
        ("Error of answering only the surest", _risk),
    )
    with _styled(2, 2, (10.4, 8.6)) as (figure, axes):
        for (title, draw), ax in zip(panels, axes.ravel(), strict=True):
            ax.set_title(title)
            ax.grid(visible=True)
            for name, colour in _coloured(drawn):
                draw(ax, drawn[name], label=name, **colour)
            _frame(ax, title)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
        figure.tight_layout(rect=(0, 0.03 + 0.024 * (1 + len(labels) // 3), 1, 1))
        return _svg(figure)


def condition_plot(rows: Sequence[ConditionRow]) -> str:
    """Return accuracy and calibration error against the mean out-of-distribution score."""
    judges = list(dict.fromkeys(row.judge for row in rows))
    with _styled(len(judges), 2, (10.4, 4.4 * len(judges))) as (figure, axes):
        for judge, (left, right) in zip(judges, axes.reshape(-1, 2), strict=True):
            of_judge = [row for row in rows if row.judge == judge]
            _conditions(left, of_judge, "auc", "AUC")
            _conditions(right, of_judge, "ece_15", "calibration error (ECE-15)")
            left.set_title(judge)
        figure.tight_layout()
        return _svg(figure)


def _conditions(ax: Any, rows: Sequence[ConditionRow], figure: str, label: str) -> None:
    places: list[tuple[str, tuple[float, float]]] = []
    for row in rows:
        value = getattr(row.figures, figure)
        if value is None or not np.isfinite(row.mean_ood):
            continue
        kind = row.condition.split(" ")[0]
        home = row.told_apart is None
        other = row.condition == AS_RECORDED and not home
        colour = "#000000" if home or other else _KINDS.get(kind, "#777777")
        reach = [[max(value.value - value.low, 0)], [max(value.high - value.value, 0)]]
        ax.errorbar(row.mean_ood, value.value, reach, fmt="*" if other else "o", color=colour, lw=1)
        name = row.dataset if row.condition == AS_RECORDED else row.condition
        places.append((name, (row.mean_ood, value.value)))
    _named(ax, places)
    ax.grid(visible=True)
    ax.axvline(1.0, color="#999999", ls=":", lw=1)
    ax.set_xlabel("mean out-of-distribution score (1: usual at most)")
    ax.set_ylabel(label)


def _named(ax: Any, places: Sequence[tuple[str, tuple[float, float]]]) -> None:
    """Name the points, the outermost first, and leave out names that would cover another."""
    if not places:
        return
    points = np.array([place for _, place in places])
    apart = np.abs(points - np.median(points, axis=0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
    taken: list[NDArray[np.float64]] = []
    for index in np.argsort(-apart.sum(axis=1), kind="stable").tolist():
        name, place = places[index]
        pixel = np.asarray(ax.transData.transform(place), np.float64)
        if all((np.abs(pixel - other) > _NAME_PIXELS).any() for other in taken):
            taken.append(pixel)
            ax.annotate(name, place, (5, 4), textcoords="offset points", size=7.5)


_NAME_PIXELS = (48.0, 9.0)
"""Room for a name, in dots of the screen."""
_KINDS = dict(zip(KINDS, _COLOURS, strict=False))


def _roc(ax: Any, drawn: Drawn, **line: Any) -> None:
    hit, false = _counts(drawn)
    ax.plot(np.append(0, false / false[-1]), np.append(0, hit / hit[-1]), **line)


def _precision_recall(ax: Any, drawn: Drawn, **line: Any) -> None:
    hit, false = _counts(drawn)
    kept = hit > 0
    ax.plot((hit / hit[-1])[kept], (hit / (hit + false))[kept], **line)


def _reliability(ax: Any, drawn: Drawn, **line: Any) -> None:
    points = [p for p in reliability(*drawn) if p.count >= 5]
    said, was = [p.said for p in points], [p.was for p in points]
    reach = [[max(p.was - p.low, 0) for p in points], [max(p.high - p.was, 0) for p in points]]
    ax.errorbar(said, was, reach, marker="o", ms=4, elinewidth=0.8, capsize=2, **line)


def _risk(ax: Any, drawn: Drawn, **line: Any) -> None:
    curve = risk_curve(*drawn)
    # The error of a handful of answers says nothing and hides the rest.
    kept = np.arange(len(curve.error)) >= min(20, len(curve.error) // 5)
    ax.plot(curve.coverage[kept], curve.error[kept], **line)


def _frame(ax: Any, title: str) -> None:
    labels = {
        "ROC": ("no, but called yes", "yes, and called yes"),
        "Precision and recall": ("recall of yes", "precision of yes"),
        "Is it right as often as it says?": ("said", "was (95 % interval)"),
        "Error of answering only the surest": ("share answered", "share wrong"),
    }
    ax.set_xlabel(labels[title][0])
    ax.set_ylabel(labels[title][1])
    ax.set_xlim(0, 1)
    if title.startswith("Error"):
        ax.set_ylim(bottom=0)
        return
    ax.set_ylim(0, 1.01)
    if not title.startswith("Precision"):
        ax.plot([0, 1], [0, 1], color="#aaaaaa", lw=1, ls=":")


def _counts(drawn: Drawn) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return yes and no at or above each distinct probability, from the highest down."""
    chance, truth = drawn
    order = np.argsort(-chance, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(chance[order])), len(order) - 1)
    yes = np.cumsum(truth[order].astype(np.float64))
    return yes[ends], (np.arange(1, len(order) + 1) - yes)[ends]


def _coloured(judges: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    colours = iter(_COLOURS)
    for name in judges:
        if name.startswith("boosting"):
            yield name, {"color": "#999999", "lw": 1.2, "ls": "--"}
        else:
            yield name, {"color": next(colours, "#000000"), "lw": 1.6}


@contextmanager
def _styled(rows: int, columns: int, size: tuple[float, float]) -> Iterator[tuple[Any, Any]]:
    """Open a figure with axes (rows, columns) in the report's style."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError(
            "The package matplotlib, which draws the report, is not installed.",
            "Install Proofdesk with the extra `train`, or ask for a table instead.",
        ) from error
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        yield figure, figure.subplots(rows, columns, squeeze=False)


def _svg(figure: Any) -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
