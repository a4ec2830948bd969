"""What the command line writes: tables and bars for people, one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Report", "console", "progress_bar", "show_error", "table", "to_json"]


class Report(Protocol):
    """A bar's callback: what is being done, and how far (0 to 1, None while unknown)."""

    def __call__(self, label: str, fraction: float | None) -> None:
        """Show it."""
        ...


def console(*, to_stderr: bool = False) -> Console:
    """Return a console; everything but results goes to standard error."""
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False)


def to_json(value: object) -> str:
    """Return a result as one line of JSON; ids are strings there already or become so."""
    return json.dumps(_plain(value), sort_keys=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | bool | None):
        return value
    if isinstance(value, int):
        # JavaScript and many JSON readers lose digits beyond 2**53.
        return str(value) if abs(value) > 2**53 else value
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def table(title: str, rows: Sequence[tuple[str, object]]) -> None:
    """Write a table of two columns."""
    from rich.table import Table

    grid = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for name, value in rows:
        grid.add_row(name, _shown(value))
    console().print(grid)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def show_error(message: str, hint: str) -> None:
    """Write one error as a sentence and its remedy."""
    out = console(to_stderr=True)
    out.print(f"[red]{_escape(message)}[/red]")
    if hint:
        out.print(_escape(hint))


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Report]:
    """Show a bar on standard error while the block runs; nothing where nobody looks."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    if quiet or not sys.stderr.isatty():
        yield lambda label, fraction: None  # noqa: ARG005
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(to_stderr=True), transient=True) as bar:
        task = bar.add_task("…", total=1.0)

        def report(label: str, fraction: float | None) -> None:
            bar.update(task, description=label, completed=fraction or 0.0)

        yield report
