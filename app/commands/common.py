"""What several commands take, and how a use-case's result is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.console import console, table, to_json

__all__ = ["DataFolder", "Datastack", "Json", "SessionFolder", "show"]

Json = Annotated[bool, typer.Option("--json", help="Write one JSON object for machines.")]
SessionFolder = Annotated[Path, typer.Argument(metavar="S", help="Session folder, NAME.proofdesk.")]
Datastack = Annotated[
    str, typer.Argument(metavar="DATASTACK", help="Folder, cave:NAME@SERVER or precomputed:URL.")
]
DataFolder = Annotated[Path, typer.Option("--data", help="Folder with em.npz and labels.npz.")]


def show(title: str, summary: object, *, as_json: bool) -> None:
    """Write a use-case's result, a dataclass, as a table or as JSON."""
    from dataclasses import asdict, is_dataclass

    if as_json:
        console().print(to_json(summary), soft_wrap=True, markup=False)
        return
    assert is_dataclass(summary)
    assert not isinstance(summary, type)
    rows = [(key.replace("_", " "), value) for key, value in asdict(summary).items()]
    table(
        title, [(key, value) for key, value in rows if not isinstance(value, list | tuple | dict)]
    )
