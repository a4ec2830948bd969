"""Commands that train judges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import DataFolder, Json
from app.console import console, table

__all__ = ["train_app"]

train_app = typer.Typer(no_args_is_help=True, help="Train a judge; the run can be resumed.")


@train_app.command("split-error-correction")
def train_split_error_correction(
    data: DataFolder,
    out: Annotated[Path, typer.Option(help="Folder for the model, its manifest and checkpoint.")],
    fold: Annotated[str, typer.Option(help="low or high: which end of z is trained on.")] = "low",
    epochs: Annotated[
        int | None, typer.Option(help="The shipped model's number if absent.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
    as_json: Json = False,
) -> None:
    """Train the ResNet that tells whether two touching segments are one neuron."""
    from inference.training.split_error_correction import PairTraining, train_pairs

    settings = PairTraining.of_fold(fold, epochs=epochs, threads=threads)
    say = console(to_stderr=True).print
    model = train_pairs(data, out, settings, None if as_json else say)
    if as_json:
        console().print(model.manifest.model_dump_json(), soft_wrap=True, markup=False)
    else:
        rows = [("model", model.manifest.id), *model.manifest.metrics.items()]
        table(f"Trained into {out}", rows)
