"""The command line; every command imports what it needs inside its handler."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Proofread a connectome.")


def main() -> None:
    """Run the command line."""
    app()
