"""Commands that train judges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import DataFolder, Json
from app.console import console, table
from proofreading.verdicts import Task

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


@train_app.command("int8")
def train_int8(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Id or folder of the judge.")],
    data: DataFolder,
    out: OutFolder,
    as_json: Json = False,
) -> None:
    """Write the 8-bit copy of a judge of pairs, calibrated anew, and state what it costs."""
    from inference.training.eight_bits import pairs_in_eight_bits

    report = pairs_in_eight_bits(model, data, out, _say(as_json=as_json))
    _told(report.model, as_json=as_json)
    if not as_json:
        told = [
            (name, f"{getattr(report, name)[0]:.4f} -> {getattr(report, name)[1]:.4f}")
            for name in ("balanced_accuracy", "auc", "kilobytes")
        ]
        moved = ("largest change of a probability", f"{report.largest_change:.4f}")
        table("8 bits against 32, on the calibration block", [*told, moved])


@train_app.command("vlm")
def train_vlm_(
    task: Annotated[
        Task, typer.Option(help="The question; the evaluation of cuts has no pictures yet.")
    ],
    model: Annotated[str, typer.Option(help="Folder of a Qwen3-VL, or its pulled id.")],
    data: Annotated[Path, typer.Option(help="Folder of a data set.")],
    datastack: Annotated[str, typer.Option(help="DATASTACK that the data set was built from.")],
    out: OutFolder,
    target: Annotated[
        str, typer.Option(help="What is learnt: answer, rationale, or dropout (half with reasons).")
    ] = "answer",
    rationales: Annotated[
        Path | None, typer.Option(help="JSON lines with id and rationale.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.", min=1)] = 1000,
    batch: Annotated[int, typer.Option(help="Questions at a time.", min=1)] = 2,
    gather: Annotated[int, typer.Option(help="Batches of a step.", min=1)] = 4,
    rate: Annotated[float, typer.Option(help="Learning rate at the beginning.")] = 2e-4,
    every: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 100,
    most: Annotated[int | None, typer.Option(help="Questions of a part at most.")] = None,
    size: Annotated[int, typer.Option(help="Width of a picture in pixels.", min=32)] = 256,
    slices: Annotated[bool, typer.Option(help="Show microscopy too.")] = True,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for pictures; in OUT if absent.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda or cpu.")] = "auto",
    four_bit: Annotated[bool, typer.Option(help="Load the base in 4 bits (CUDA).")] = False,
    seed: Annotated[int, typer.Option(help="Order, dropout and beginning.")] = 1,
    as_json: Json = False,
) -> None:
    """Train an adapter of a vision-language model; an interrupted run goes on."""
    from connectome.opening import open_datastack
    from inference.judges.vlm.stored import Showing
    from inference.training.vlm.material import Asking, read_rationales
    from inference.training.vlm.run import VlmTraining
    from inference.training.vlm.specs import Pictured, spec_for, target_named
    from inference.training.vlm.task import train_vlm

    learnt = target_named(target)
    settings = VlmTraining(
        steps=steps,
        batch=batch,
        gather=gather,
        learning_rate=rate,
        every=every,
        seed=seed,
        target=learnt,
    )
    reasons, sha256 = ({}, "") if rationales is None else read_rationales(rationales)
    opened = open_datastack(datastack)
    try:
        spec = spec_for(
            opened,
            task,
            model,
            Pictured(size, slices),
            reasons=learnt.rationale,
            four_bit=four_bit,
            device=device,
        )
        asking = Asking(Showing(spec, cache or out / "pictures", most), reasons, sha256)
        say = _say(as_json=as_json)
        _told(train_vlm(data, opened, out, asking, settings, say), as_json=as_json)
    finally:
        opened.close()


def _say(*, as_json: bool) -> Callable[[str], None] | None:
    return None if as_json else console(to_stderr=True).print


def _told(model: ModelFolder, *, as_json: bool) -> None:
    manifest = model.manifest
    if as_json:
        console().print(manifest.model_dump_json(), soft_wrap=True, markup=False)
    else:
        table(f"Trained into {model.path}", [("model", manifest.id), *manifest.metrics.items()])
