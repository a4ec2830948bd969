"""The commands that tell how good the work is, and how much of it there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json, SessionFolder, show

__all__ = ["report", "triage"]


def triage(
    session: SessionFolder,
    error: Annotated[
        float | None,
        typer.Option(help="Accepted error, 0.001 to 0.2; that of the session's dial if absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell how many open sites need no person, a quick look, or a full review."""
    from app.services.triage import triage_session

    show("Lanes", triage_session(session, error), as_json=as_json)


def report(
    session: SessionFolder,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for report.html and .png.")],
    as_json: Json = False,
) -> None:
    """Write how the session goes: pace, agreement, calibration, edits, and what is left."""
    from app.services.dashboard import write_report

    show(f"Report in {out}", write_report(session, out), as_json=as_json)
