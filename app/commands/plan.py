"""The command that tells what a scan, or the edits of a dataset, will take and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json
from app.console import console, progress_bar, table, to_json
from connectome.errors import InputError

__all__ = ["plan"]


def plan(
    datastack: Annotated[
        str | None,
        typer.Argument(metavar="[DATASTACK]", help="What would be scanned; or only --history."),
    ] = None,
    sample: Annotated[int, typer.Option(help="Blocks, and segments, to look at.", min=2)] = 16,
    judged: Annotated[int, typer.Option(help="Sites to ask each model about.", min=1)] = 12,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model id or folder, several; the bundled ones if absent."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Ask only the quick member of an ensemble.")
    ] = False,
    cpu_rate: Annotated[float, typer.Option(help="Price of an hour of a core.", min=0)] = 0.05,
    gpu_rate: Annotated[float, typer.Option(help="Price of an hour of a GPU.", min=0)] = 2.0,
    gb_rate: Annotated[float, typer.Option(help="Price of a GB fetched.", min=0)] = 0.0,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Edits, as `proofdesk history` writes them.")
    ] = None,
    objects: Annotated[
        int | None, typer.Option(help="Objects to scale the history to.", min=1)
    ] = None,
    t_merge: Annotated[float, typer.Option(help="Seconds of a merge.", min=0)] = 2.5,
    t_split: Annotated[float, typer.Option(help="Seconds of a split.", min=0)] = 1.5,
    rate: Annotated[float, typer.Option(help="Price of an hour of those.", min=0)] = 2.0,
    figure: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Four panels of the history.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides what is drawn.")] = 0,
    as_json: Json = False,
) -> None:
    """Estimate sites, hours, bytes and money from a sample, and effort from an edit history."""
    from app.services.planning import PlanRequest, Prices, plan_of_history
    from app.services.planning import plan as run
    from proofreading.cost.edits import CostModel

    if datastack is None and history is None:
        raise InputError("There is nothing to plan.", "Name a DATASTACK, a --history, or both.")
    found: dict[str, object] = {}
    if datastack is not None:
        prices = Prices(cpu_rate, gpu_rate, gb_rate)
        request = PlanRequest(datastack, sample, judged, tuple(model or ()), quick, prices, seed)
        with progress_bar(quiet=as_json) as report:
            found["scan"] = run(request, report)
    if history is not None:
        found["edits"] = plan_of_history(
            history, CostModel(t_merge, t_split, rate), population=objects, figure=figure
        )
    if as_json:
        console().print(to_json(found), soft_wrap=True, markup=False)
        return
    for name, part in found.items():
        table(_TITLES[name], [(_words(key), _shown(value)) for key, value in vars(part).items()])


_TITLES = {"scan": "A scan, from a sample", "edits": "Edits, from a history"}


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: object) -> object:
    """Return a value with its interval, or the sizes of samples, as one line."""
    from proofreading.cost.edits import Interval, SampleSize, Tail

    if isinstance(value, Interval):
        return f"{_figure(value.value)}   ({_figure(value.low)} to {_figure(value.high)})"
    if isinstance(value, Tail):
        return f"{value.objects:,} objects beyond {value.threshold:,.0f} edits: {value.share:.1%}"
    if isinstance(value, tuple):
        sizes = [each for each in value if isinstance(each, SampleSize)]
        return "   ".join(
            f"{each.objects:,}: ±{each.off:.0%}{'' if each.enough else ' (too few)'}"
            for each in sizes
        )
    return value


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"
