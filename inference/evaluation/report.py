"""One page a person can read: how good each judge is, where it is not, and how that is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from connectome.errors import StorageError
from inference.calibration import calibration_floor
from inference.datasets.samples import Part
from inference.evaluation.answers import AS_RECORDED, Answers
from inference.evaluation.conditions import condition_rows, trends, warned
from inference.evaluation.figures import difference_rows
from inference.evaluation.metrics import measure
from inference.evaluation.page import cell, figure_cell, page, paragraph, section, table
from inference.evaluation.plots import Drawn, condition_plot, curve_plots
from inference.evaluation.report_lanes import lanes_chapter
from inference.evaluation.risk import ranked, told
from proofreading.verdicts import Task

__all__ = ["PEOPLE", "ReportFacts", "draw_conditions", "write_report"]

PEOPLE: Mapping[str, float] = {
    Task.SPLIT_ERROR_IDENTIFICATION.value: 0.581,
    Task.SPLIT_ERROR_CORRECTION.value: 0.919,
    Task.MERGE_ERROR_IDENTIFICATION.value: 0.726,
    Task.SPLIT_ACTION_EVALUATION.value: 0.766,
}
"""Balanced accuracy that people reach on MICrONS, as published with ConnectomeBench."""
_NAMES = ("questions (yes)", "balanced accuracy", "AUC", "precision at recall 0.8",
          "recall at precision 0.98", "ECE-15", "perfect judge's ECE-15")  # fmt: skip


@dataclass(frozen=True)
class ReportFacts:
    """What a report states besides the answers.

    Parameters
    ----------
    title : str
        The heading.
    datasets, weights : mapping of str to str
        The sha256 of each dataset and of each model's weights.
    baselines : mapping of str to mapping
        Published figures for each source of questions, by what reached them.
    notes : sequence of str
        What a reader should know about these data.
    """

    title: str = "How good are the judges?"
    datasets: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def write_report(
    answers: Answers,
    out: Path,
    facts: ReportFacts | None = None,
    *,
    conditions: Answers | None = None,
    resamples: int = 1000,
) -> None:
    """Write a page about answers; it needs no other file and no network.

    Parameters
    ----------
    answers : Answers
        Of any tasks and judges; only the test part is measured.
    conditions : Answers, optional
        As `conditions.answers_under` collects them.
    resamples : int
        Bootstrap samples of each interval.

    Raises
    ------
    StorageError
        If the file cannot be written.
    MissingPackageError
        If matplotlib is not installed.
    """
    known = facts or ReportFacts()
    _write(page(known.title, list(_parts(answers, known, conditions, resamples))), out)


def draw_conditions(conditions: Answers, out: Path) -> None:
    """Write the plot of accuracy against out-of-distribution scores as SVG.

    Raises
    ------
    StorageError
        If the file cannot be written.
    MissingPackageError
        If matplotlib is not installed.
    """
    _write(condition_plot(condition_rows(conditions, resamples=300)), out)


def _write(text: str, out: Path) -> None:
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StorageError(
            f"The report {out} cannot be written.", "Name a file that can be written."
        ) from error


def _parts(
    answers: Answers, facts: ReportFacts, conditions: Answers | None, resamples: int
) -> Iterator[str]:
    yield paragraph(
        "Every answer below was given about a place that the model answering was not trained "
        "on. Brackets and small numbers are 95 % bootstrap intervals; 0.5 is chance in "
        "balanced accuracy and AUC. Balanced accuracy calls an answer a yes above even odds, "
        "with the share of yes taken out, as it weighs yes and no alike. Drawing answers again "
        "adds a calibration error of its own, so that the interval of an ECE lies a little high; "
        "beside it stands the ECE (mean, and 95th percentile) of a judge that is right exactly "
        "as often as it says, on as many questions.",
        "lead",
    )
    for note in facts.notes:
        yield paragraph(note)
    for task in answers.values("task"):
        yield from _task(answers.where(task=task), facts, resamples)
    if conditions is not None:
        yield from _conditions(conditions, resamples)
    yield from _provenance(answers, facts)


def _task(answers: Answers, facts: ReportFacts, resamples: int) -> Iterator[str]:
    task = answers.task[0]
    yield section(task.replace("_", " ").capitalize())
    if task in PEOPLE:
        yield paragraph(
            f"People reach a balanced accuracy of {PEOPLE[task]:.3f} on MICrONS. That is other "
            "tissue, other pictures and other questions: it says how hard the task is, and is "
            "no mark to compare the figures below with."
        )
    test = answers.where(part=Part.TEST.value)
    plain = test.where(condition=AS_RECORDED)
    for dataset in plain.values("dataset"):
        for source in plain.where(dataset=dataset).values("source"):
            one = plain.where(dataset=dataset, source=source)
            yield from _source(one, facts.baselines.get(source, {}), resamples)
    yield from _real_and_synthetic(plain, resamples)
    yield from _controls(test, resamples)
    yield from lanes_chapter(answers.where(condition=AS_RECORDED))


def _source(answers: Answers, baselines: Mapping[str, str], resamples: int) -> Iterator[str]:
    yield section(f"{answers.dataset[0]}, {answers.source[0]}", 3)
    measured = {judge: answers.where(judge=judge) for judge in answers.values("judge")}
    drawn = {judge: Drawn(told(one), one.truth) for judge, one in measured.items()}
    rows = [[cell(judge), *_figures(one, resamples)] for judge, one in measured.items()]
    for name, text in baselines.items():
        rows.append([cell(name), cell("published"), f'<td colspan="6">{text}</td>'])
    yield table(("judge", *_NAMES), rows, beside=len(baselines))
    if answers.source[0] == "automatic":
        yield paragraph(
            "Probabilities of these candidates take into account that yes is rare among them, "
            "as a person sees them."
        )
    yield curve_plots({j: d for j, d in drawn.items() if _is_drawn(j)})
    yield from _groups(measured, resamples)
    yield from _apart(answers, resamples)


def _is_drawn(judge: str) -> bool:
    """Of the boosting fitted for comparison, only the one that sees everything is drawn."""
    return not judge.startswith("boosting") or judge == "boosting, all features"


def _groups(measured: Mapping[str, Answers], resamples: int) -> Iterator[str]:
    """Yield the same figures with intervals over bodies, and those of unseen bodies."""
    rows = []
    for judge, one in measured.items():
        if not _is_drawn(judge):
            continue
        if len(np.unique(one.group)) > 1:
            cells = _figures(one, resamples, by_body=True)
            rows.append([cell(judge), cell("all; intervals over bodies"), *cells])
        unseen = one.where(unseen=True)
        if 0 < len(unseen) < len(one):
            cells = _figures(unseen, resamples)
            rows.append([cell(judge), cell("all bodies unseen in training"), *cells])
    if rows:
        yield table(("judge", "group", *_NAMES), rows)


def _apart(answers: Answers, resamples: int) -> Iterator[str]:
    """Yield how far the judges that are drawn are from each other, on the same questions."""
    shown = np.array([_is_drawn(judge) for judge in answers.judge.tolist()], np.bool_)
    rows = [
        [
            cell(f"{row.judge} less {row.other}"),
            *(figure_cell(difference.figure) for difference in row.figures.values()),
        ]
        for row in difference_rows(answers.rows(shown), resamples=resamples)
    ]
    if rows:
        yield paragraph(
            "Two judges on the same questions. Where an interval holds 0, neither is shown to "
            "be better; a Brier score is better when it is lower."
        )
        yield table(("difference", "balanced accuracy", "AUC", "Brier score"), rows)


def _real_and_synthetic(answers: Answers, resamples: int) -> Iterator[str]:
    if not answers.synthetic.any():
        return
    yield section("Real errors and made ones", 3)
    yield paragraph("Errors that we made may be easier than real ones; only real ones count.")
    rows = []
    for judge in answers.values("judge"):
        one = answers.where(judge=judge)
        for name, made in (("real", False), ("made", True)):
            # A no is the same whatever the yes was made from.
            kept = one.rows((one.synthetic == made) | ~one.truth)
            rows.append([cell(judge), cell(name), *_figures(kept, resamples)])
    yield table(("judge", "errors", *_NAMES), rows)


def _controls(answers: Answers, resamples: int) -> Iterator[str]:
    rows = []
    for source in answers.values("source"):
        for judge in answers.values("judge"):
            one = answers.where(judge=judge, source=source)
            for condition in one.values("condition"):
                part = one.where(condition=condition)
                if condition != AS_RECORDED:
                    cells = _figures(part, resamples)
                    rows.append([cell(source), cell(judge), cell(condition), *cells])
    if rows:
        yield section("Controls", 3)
        yield paragraph(
            "What the judge makes of questions from which something was taken. Without any "
            "picture it has to be at chance, or something else gives the answer away."
        )
        yield table(("questions about", "judge", "what is left", *_NAMES), rows)


def _conditions(answers: Answers, resamples: int) -> Iterator[str]:
    yield section("Does it know when it is out of its depth?")
    yield paragraph(
        "The same questions about worse pictures, and about other tissue. The "
        "out-of-distribution score is the distance from the training data; 1 is what 95 % of "
        "usual inputs stay below. It is of use if accuracy is lower where it is higher."
    )
    rows = condition_rows(answers, resamples=min(resamples, 300))
    for trend in trends(rows):
        yield paragraph(
            f"{trend.judge}: over {trend.conditions} conditions the mean score and "
            f"{trend.figure.replace('_', ' ')} have a rank correlation of "
            f"{trend.correlation:+.2f} (p = {trend.p_value:.2g})."
        )
    for each in warned(answers):
        if each.usual is not None and each.anywhere is not None:
            yield paragraph(
                f"{each.judge}: a wrong answer's score is above a right one's with a chance of "
                f"{each.usual:.2f} on the volume as recorded, {each.anywhere:.2f} over all "
                "conditions (0.5 is chance)."
            )
    yield condition_plot(rows)
    cells = [
        [
            cell(row.judge),
            cell(row.dataset),
            cell(row.condition),
            cell(f"{row.mean_ood:.2f}"),
            cell(f"{row.unusual:.0%}"),
            cell("–" if row.told_apart is None else f"{row.told_apart:.2f}"),
            cell(f"{row.figures.pairs} ({row.figures.positives})"),
            *(figure_cell(f) for f in (row.figures.balanced_accuracy, row.figures.auc)),
            figure_cell(row.figures.ece_15),
        ]
        for row in sorted(rows, key=lambda row: (row.judge, row.mean_ood))
    ]
    names = ("mean score", "unusual", "told apart (AUC)")
    measured = ("questions (yes)", "balanced accuracy", "AUC", "ECE-15")
    yield table(("judge", "dataset", "condition", *names, *measured), cells)


def _provenance(answers: Answers, facts: ReportFacts) -> Iterator[str]:
    yield section("Where these figures come from")
    rows = [
        [cell("dataset"), cell(name), f"<td><code>{digest}</code></td>"]
        for name, digest in facts.datasets.items()
    ]
    rows += [
        [cell("model"), cell(name), f"<td><code>{digest}</code></td>"]
        for name, digest in facts.weights.items()
    ]
    yield table(("", "name", "sha256"), rows)
    asked = ", ".join(answers.values("model"))
    yield paragraph(f"{len(answers)} answers of: {asked}.", "faint")


def _figures(part: Answers, resamples: int, *, by_body: bool = False) -> list[str]:
    groups = part.group if by_body else None
    found = measure(
        told(part),
        part.truth,
        groups=groups,
        even=part.even,
        rank=ranked(part),
        resamples=resamples,
    )
    more = found.more
    lowest = "–"
    if found.ece_15 is not None:
        mean, high = calibration_floor(told(part), draws=resamples)
        lowest = f"{mean:.3f}, 95 %: {high:.3f}"
    return [
        cell(f"{found.pairs} ({found.positives})"),
        figure_cell(found.balanced_accuracy),
        figure_cell(found.auc),
        figure_cell(more.get("precision_at_recall_0.8")),
        figure_cell(more.get("recall_at_precision_0.98")),
        figure_cell(found.ece_15),
        cell(lowest),
    ]
