"""Commands that train judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import DataFolder, Json
from app.console import console, table

if TYPE_CHECKING:
    from inference.models.registry import ModelFolder

__all__ = ["train_app"]

train_app = typer.Typer(no_args_is_help=True, help="Train a judge; the run can be resumed.")

OutFolder = Annotated[Path, typer.Option("--out", help="Folder for the model and its manifest.")]
FoldOption = Annotated[
    str, typer.Option("--fold", help="low, high or middle: the block that is not trained on.")
]


@train_app.command("split-error-correction")
def train_split_error_correction(
    data: DataFolder,
    out: OutFolder,
    fold: FoldOption = "low",
    epochs: Annotated[
        int | None, typer.Option(help="The shipped model's number if absent.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 2,
    as_json: Json = False,
) -> None:
    """Train the ResNet that tells from pictures whether two touching segments are one neuron."""
    from inference.training.split_error_correction import PairTraining, train_pairs

    settings = PairTraining.of_fold(fold, epochs=epochs, threads=threads)
    _told(train_pairs(data, out, settings, _say(as_json=as_json)), as_json=as_json)


@train_app.command("features")
def train_features_(
    data: DataFolder,
    out: OutFolder,
    fold: Annotated[
        str, typer.Option(help="low, high, middle, or all to train on everything.")
    ] = "all",
    as_json: Json = False,
) -> None:
    """Train the judge that measures touching pairs instead of looking at them."""
    from inference.training.features import FeatureTraining, train_features

    settings = FeatureTraining(fold=fold)
    _told(train_features(data, out, settings, _say(as_json=as_json)), as_json=as_json)


@train_app.command("ensemble")
def train_ensemble(
    data: DataFolder,
    quick: Annotated[list[str], typer.Option(help="Judges that measure, one of each fold.")],
    pictures: Annotated[list[str], typer.Option(help="Judges that look, one of each fold.")],
    out: OutFolder,
    fold: FoldOption = "low",
    as_json: Json = False,
) -> None:
    """Fit how much two judges of one fold count when they answer together."""
    from inference.training.ensemble import EnsembleSettings, fit_ensemble

    settings = EnsembleSettings(fold, tuple(quick), tuple(pictures))
    _told(fit_ensemble(data, out, settings, _say(as_json=as_json)), as_json=as_json)


@train_app.command("sites")
def train_sites(
    task: Annotated[
        str,
        typer.Argument(
            metavar="TASK",
            help="split_error_identification, merge_error_identification "
            "or split_action_evaluation.",
        ),
    ],
    data: DataFolder,
    out: OutFolder,
    fold: Annotated[
        str, typer.Option(help="low, high, middle, or all to train on everything.")
    ] = "all",
    cache: Annotated[
        Path | None, typer.Option(help="Folder for skeletons, which take the longest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train the judge of tips, of branch points or of cuts."""
    from inference.training.site_tasks import SiteTraining, train_site_task
    from proofreading.verdicts import Task

    try:
        chosen = Task(task)
    except ValueError as error:
        raise typer.BadParameter(f"There is no task {task!r}.") from error
    settings = SiteTraining(fold=fold)
    say = _say(as_json=as_json)
    _told(train_site_task(chosen, data, out, settings, cache, say), as_json=as_json)


@train_app.command("network")
def train_network_(
    config: Annotated[Path, typer.Option(help="JSON file with the run's settings.")],
    data: Annotated[Path, typer.Option(help="Folder of a table of pictures.")],
    out: OutFolder,
    as_json: Json = False,
) -> None:
    """Train a network of the zoo: ResNet, ViT, or a probe on a frozen encoder."""
    from inference.training.run_config import RunConfig
    from inference.training.runs import train_run

    for model in train_run(RunConfig.from_file(config), data, out, _say(as_json=as_json)):
        _told(model, as_json=as_json)


def _say(*, as_json: bool) -> Callable[[str], None] | None:
    return None if as_json else console(to_stderr=True).print


def _told(model: ModelFolder, *, as_json: bool) -> None:
    manifest = model.manifest
    if as_json:
        console().print(manifest.model_dump_json(), soft_wrap=True, markup=False)
    else:
        table(f"Trained into {model.path}", [("model", manifest.id), *manifest.metrics.items()])
