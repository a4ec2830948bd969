"""Commands that measure judges."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import DataFolder, Json
from app.commands.evaluate_vlm import evaluate_vlm_
from app.console import console, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.evaluation.figures import EvaluationReport

__all__ = ["evaluate_app"]

evaluate_app = typer.Typer(no_args_is_help=True, help="Measure judges on blocks they never saw.")
evaluate_app.command("vlm")(evaluate_vlm_)

AnswersFile = Annotated[Path | None, typer.Option(help="Write every answer as Parquet here.")]
ReportFile = Annotated[
    Path | None, typer.Option(help="Write a page with figures and plots here (HTML).")
]
Models = Annotated[
    list[str] | None,
    typer.Option(help="Id or folder, one of each kind and fold; the bundled ones if absent."),
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder for skeletons and numbers, which take the longest.")
]


@evaluate_app.command("split-error-correction")
def evaluate_split_error_correction(
    data: DataFolder,
    model: Models = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also fit gradient boosting here, and on shuffled answers."),
    ] = False,
    conditions: Annotated[
        bool, typer.Option("--conditions", help="Also ask about degraded copies of the volume.")
    ] = False,
    other: Annotated[
        list[Path] | None,
        typer.Option(help="With --conditions: folder of other tissue (train.npz, as gala has it)."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="With --conditions: draw accuracy against scores (SVG).")
    ] = None,
    answers: AnswersFile = None,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of split errors on the test blocks of their own folds."""
    from inference.evaluation.split_error_correction import evaluate_pairs
    from inference.evaluation.tissues import load_gala_volume

    found = evaluate_pairs(
        data,
        model,
        compared=compare,
        conditions=conditions,
        others=[load_gala_volume(folder) for folder in other or ()],
        say=_say(as_json=as_json),
    )
    if plot is not None and found.conditions is not None:
        from inference.evaluation.report import draw_conditions

        draw_conditions(found.conditions, plot)
    _told(found, answers, report, as_json=as_json)


@evaluate_app.command("split-error-identification")
def evaluate_split_error_identification(
    data: DataFolder,
    model: Models = None,
    cache: Cache = None,
    answers: AnswersFile = None,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of tips beside a baseline of contact and shape."""
    found = _of_sites("split_error_identification", data, model, cache, as_json=as_json)
    _told(found, answers, report, as_json=as_json)


@evaluate_app.command("merge-error-identification")
def evaluate_merge_error_identification(
    data: DataFolder,
    model: Models = None,
    cache: Cache = None,
    answers: AnswersFile = None,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of branch points and other places beside the same baseline."""
    found = _of_sites("merge_error_identification", data, model, cache, as_json=as_json)
    _told(found, answers, report, as_json=as_json)


@evaluate_app.command("split-action-evaluation")
def evaluate_split_action_evaluation(
    data: DataFolder,
    model: Models = None,
    cache: Cache = None,
    answers: AnswersFile = None,
    report: ReportFile = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of proposed cuts beside the same baseline."""
    found = _of_sites("split_action_evaluation", data, model, cache, as_json=as_json)
    _told(found, answers, report, as_json=as_json)


def _of_sites(
    task: str, data: Path, models: list[str] | None, cache: Path | None, *, as_json: bool
) -> EvaluationReport:
    from inference.evaluation.sites import evaluate_site_task
    from proofreading.verdicts import Task

    return evaluate_site_task(Task(task), data, models, cache=cache, say=_say(as_json=as_json))


def _say(*, as_json: bool) -> Callable[[str], None] | None:
    return None if as_json else console(to_stderr=True).print


def _told(
    found: EvaluationReport, answers: Path | None, report: Path | None, *, as_json: bool
) -> None:
    if answers is not None:
        from inference.evaluation.answers import write_answers

        write_answers(found.answers, answers)
    if report is not None:
        from inference.evaluation.report import ReportFacts, write_report

        datasets = {found.dataset: found.dataset_sha256}
        facts = ReportFacts(datasets=datasets, weights=found.weights, baselines=found.baselines)
        write_report(found.answers, report, facts, conditions=found.conditions)
    text = to_json(found.as_json()) if as_json else found.as_table()
    console().print(text, soft_wrap=True, markup=False)
