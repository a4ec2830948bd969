"""The command around the judge that learns."""

from __future__ import annotations

from typing import Annotated

import typer

from app.commands.common import Json, SessionFolder, show

__all__ = ["adapt"]


def adapt(
    session: SessionFolder,
    use: Annotated[
        int | None,
        typer.Option(help="Use this version from now on; 0 is the models as they are.", min=0),
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="Learn from the decisions now, if there are enough.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what was learned from your decisions, learn now, or go back to a version."""
    from app.services.learning.versions import adapt_session

    show("Learned from your decisions", adapt_session(session, use, learn=learn), as_json=as_json)
