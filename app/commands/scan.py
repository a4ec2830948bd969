"""The command that detects and judges a whole datastack, on as many machines as there are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Datastack, Json, show
from app.console import console, progress_bar
from connectome.errors import InputError
from proofreading.sites import SiteKind

__all__ = ["scan"]


def scan(
    datastack: Datastack,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the results; goes on if there.")
    ],
    roots: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Segment ids, one a line.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All segments instead.")] = False,
    kind: Annotated[
        list[SiteKind] | None,
        typer.Option(help="What to look for, several; what beats chance if absent."),
    ] = None,
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        typer.Option(
            help="Where to look for contacts and weak cuts, in nm.", metavar="X Y Z X Y Z"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="local|slurm|ADDRESS",
            help="Dask workers here, as SLURM jobs (jobqueue.yaml), or of a running scheduler.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="How many to start.", min=1)] = 1,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model id or folder, several; the bundled ones if absent."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Ask only the quick member of an ensemble.")
    ] = False,
    judge: Annotated[
        bool, typer.Option("--judge/--no-judge", help="Ask models, or only detect.")
    ] = True,
    per_second: Annotated[
        float, typer.Option(help="Requests a second to CAVE, of all workers.", min=0.01)
    ] = 5.0,
    into: Annotated[
        Path | None, typer.Option(metavar="S", help="Session that gets what is found, meanwhile.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Detect and judge everything; run it again after a loss, an edit, or with a new model."""
    from app.services.history import read_roots
    from app.services.scanning import ScanRequest
    from app.services.scanning import scan as run
    from connectome.space import BoxNm
    from proofreading.detection.settings import DEFAULT_KINDS

    if (roots is None) == (not everything):
        raise InputError("Say which segments to scan.", "Give --roots FILE or --all, not both.")
    request = ScanRequest(
        address=datastack,
        out=out,
        roots=None if roots is None else tuple(read_roots(roots)),
        kinds=frozenset(kind) if kind else DEFAULT_KINDS,
        box=None if box is None else BoxNm(box[:3], box[3:]),
        scheduler=scheduler,
        workers=workers,
        models=tuple(model or ()),
        judged=judge,
        quick=quick,
        per_second=per_second,
        into=into,
    )
    with progress_bar(quiet=as_json) as report:
        summary = run(request, report)
    for line in () if as_json else summary.problems:
        console(to_stderr=True).print(line, markup=False, soft_wrap=True)
    show(f"Scanned into {out}", summary, as_json=as_json)
    raise typer.Exit(0 if summary.complete else 4)
