"""Commands that measure judges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import DataFolder, Json
from app.console import console, to_json

__all__ = ["evaluate_app"]

evaluate_app = typer.Typer(no_args_is_help=True, help="Measure judges on blocks they never saw.")


@evaluate_app.command("split-error-correction")
def evaluate_split_error_correction(
    data: DataFolder,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Id or folder, one of each kind and fold; the bundled ones if absent."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also fit gradient boosting here, and on shuffled answers."),
    ] = False,
    answers: Annotated[
        Path | None, typer.Option(help="Write every answer as Parquet here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with figures and plots here (HTML).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of split errors on the test blocks of their own folds."""
    from inference.evaluation.split_error_correction import BASELINES, evaluate_pairs

    say = None if as_json else console(to_stderr=True).print
    found = evaluate_pairs(data, model, compared=compare, say=say)
    if answers is not None:
        from inference.evaluation.answers import write_answers

        write_answers(found.answers, answers)
    if report is not None:
        from inference.evaluation.report import ReportFacts, write_report

        datasets = {found.dataset: found.dataset_sha256}
        facts = ReportFacts(datasets=datasets, weights=found.weights, baselines=BASELINES)
        write_report(found.answers, report, facts)
    text = to_json(found.as_json()) if as_json else found.as_table()
    console().print(text, soft_wrap=True, markup=False)
