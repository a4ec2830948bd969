"""``proofdesk recover``: bring a session back from its second copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json, show
from app.console import console, table, to_json

__all__ = ["recover"]


def recover(
    session: Annotated[
        Path | None,
        typer.Argument(metavar="[S]", help="Session to bring back; lists the copies if absent."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring a session's answers and edits back from the second copy that is kept of them."""
    from app.services.settings import copies_folder
    from proofreading.session_recovery import kept_copies
    from proofreading.session_recovery import recover as bring_back

    if session is not None:
        show("Recovered", bring_back(session, copies_folder()), as_json=as_json)
        return
    found = kept_copies(copies_folder())
    if as_json:
        console().print(to_json({"copies": found}), soft_wrap=True, markup=False)
        return
    rows = [(each.folder, f"{each.events:,} events, the last {each.last}") for each in found]
    table("Second copies", rows or [("none", "they are made when a session is opened")])
