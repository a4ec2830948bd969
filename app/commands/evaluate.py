"""Commands that measure judges."""

from __future__ import annotations

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
        typer.Option(help="Id or folder, one per fold; the bundled ones if absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure the judges of split errors on the test blocks of their own folds."""
    from inference.evaluation.split_error_correction import evaluate_pairs

    report = evaluate_pairs(data, model, say=None if as_json else console(to_stderr=True).print)
    text = to_json(report.as_json()) if as_json else report.as_table()
    console().print(text, soft_wrap=True, markup=False)
