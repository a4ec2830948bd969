"""The command about which models answer what in a session."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.common import Json, SessionFolder
from app.console import console, table, to_json

__all__ = ["route"]


def route(
    session: SessionFolder,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit how much each model counts, from your own answers.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell which model answers what, when a second one is asked, and what both count."""
    from app.services.routes import fit_routes
    from inference.judges.routing import read_routing

    fitted = fit_routes(session) if fit else []
    routing = read_routing(session)
    if as_json:
        console().print(to_json(routing.model_dump(mode="json")), soft_wrap=True, markup=False)
        return
    rows: list[tuple[str, object]] = []
    for task, each in routing.routes.items():
        said = "always" if each.always else f"{each.unsure_from:g} to {each.unsure_to:g}"
        rows.append((f"{task.value}: first", each.first or "the bundled judge"))
        rows.append((f"{task.value}: second", each.second or "named when opening"))
        rows.append((f"{task.value}: asked", f"{said}, {each.seconds_per_site:g} s a site"))
        weights = each.weights
        told = "the average" if weights is None else f"{weights.first:g} and {weights.second:g}"
        rows.append((f"{task.value}: weights", told))
    rows += [
        (f"{one.task.value}: answers", f"{one.answers}, too few to fit")
        for one in fitted
        if one.weights is None
    ]
    table("Which model answers what", rows or [("every task", "the bundled judges alone")])
