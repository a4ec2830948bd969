"""The command that lets a virtual proofreader work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Datastack, Json, show
from app.console import progress_bar
from connectome.errors import InputError

__all__ = ["simulate"]


def simulate(
    datastack: Datastack,
    out: Annotated[Path, typer.Option(help="Folder for the CSV files and the plot.")],
    looks: Annotated[int, typer.Option(help="Questions answered, at most.", min=1)] = 200,
    error_rate: Annotated[
        float, typer.Option(help="Share of wrong answers.", min=0.0, max=1.0)
    ] = 0.0,
    order: Annotated[
        list[str] | None, typer.Option(help="An order of the queue, several; all if absent.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each order.", min=1)] = 5,
    ignore: Annotated[
        list[int] | None, typer.Option(help="Truth bodies to leave out of every count.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Model id or folder, several; the bundled if absent.")
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Each model scores only where it was not trained.")
    ] = False,
    learn: Annotated[
        bool, typer.Option("--learn/--no-learn", help="Let the adaptive judge learn.")
    ] = True,
    second_look: Annotated[
        bool,
        typer.Option("--second-look", help="Ask again about a yes that is improbable and large."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Answer the queue from the truth, and write how the segmentation gets better by looks."""
    from app.services.simulating import SimulationSettings, judge_scorer
    from app.services.simulating import simulate as run
    from inference.adaptive.orders import Order

    try:
        orders = tuple(Order(name) for name in order) if order else tuple(Order)
    except ValueError as error:
        names = ", ".join(each.value for each in Order)
        raise InputError(f"{error}.", f"Orders are: {names}.") from error
    settings = SimulationSettings(
        looks=looks,
        error_rate=error_rate,
        orders=orders,
        seeds=seeds,
        ignore=tuple(ignore or ()),
        learn=learn,
        second_look=second_look,
    )
    scorer = judge_scorer(tuple(model or ()), held_out=held_out)
    with progress_bar(quiet=as_json) as report:
        summary = run(datastack, out, scorer, settings, report=report)
    show(f"Simulated into {out}", summary, as_json=as_json)
