"""The command that measures this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.commands.common import Json
from app.console import console, progress_bar, table, to_json

if TYPE_CHECKING:
    from benchmarks.measured import Measured, Report

__all__ = ["bench"]


def bench(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="adaptive, judge, loop, offline, render, window; only by name: day, faults, "
            "pipeline, scale, scan, skeletons, vlm.",
        ),
    ] = "all",
    edits: Annotated[int, typer.Option(help="faults: how many edits.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="faults: decides worlds, faults and kills.")] = 1,
    workers: Annotated[int, typer.Option(help="faults: worlds at a time.", min=1, max=16)] = 4,
    datastack: Annotated[
        Path | None, typer.Option(help="scan, pipeline: an offline datastack instead of the demo.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure this machine, or (faults) what edits survive, as a table."""
    from benchmarks.registry import BENCHMARKS, run_benchmark

    if name == "faults":
        reports = iter([_fault_campaign(edits, seed, workers, quiet=as_json)])
    else:
        names = BENCHMARKS if name == "all" else [name]
        reports = (run_benchmark(each, datastack) for each in names)
    wrong = False
    for report in reports:
        wrong |= name == "faults" and any(row.ok is False for row in report.rows)
        if as_json:
            console().print(to_json(report), soft_wrap=True, markup=False)
            continue
        cells = [(row.measure, _bench_cell(row)) for row in report.rows]
        table(f"{report.name} · {report.machine}", cells)
    raise typer.Exit(5 if wrong else 0)


def _fault_campaign(edits: int, seed: int, workers: int, *, quiet: bool) -> Report:
    from benchmarks.faults.campaign import run_campaign
    from benchmarks.faults.table import campaign_table

    with progress_bar(quiet=quiet) as bar:
        found = run_campaign(
            edits,
            seed,
            workers=workers,
            progress=lambda sum_: bar(f"{sum_.verdict.edits} edits", sum_.verdict.edits / edits),
        )
    return campaign_table(found, seed)


def _bench_cell(row: Measured) -> str:
    value = "not measured" if row.value is None else f"{_figure(row.value)} {row.unit}".rstrip()
    goal = f"   goal {row.goal}: {'met' if row.ok else 'not met'}" if row.goal else ""
    return f"{value}{goal}   {row.note}".rstrip()


def _figure(value: float) -> str:
    """Write a count as it is, anything else with three digits."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"
