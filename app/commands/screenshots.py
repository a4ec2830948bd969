"""The command that draws every state of the window."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from app.commands.common import Json, show
from app.console import progress_bar
from connectome.errors import GraphicsError

__all__ = ["screenshots"]

_LIMIT_S = 900
"""For a scene; software drawing of a 4K window takes minutes."""


@dataclass(frozen=True)
class Drawn:
    """Where the pictures lie, and how many."""

    folder: str
    pictures: int


def screenshots(
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("docs/screenshots"),
    scene: Annotated[
        list[str] | None, typer.Option(help="dark, light, 1280x720 or 4k; all if absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw every state of the real window on the demo: dark, light, small and 4K."""
    from app.ui.gallery import SCENES

    names = scene or list(SCENES)
    unknown = sorted(set(names) - set(SCENES))
    if unknown:
        raise typer.BadParameter(f"There is no scene {unknown[0]!r}: {', '.join(SCENES)}.")
    with progress_bar(quiet=as_json) as report:
        for number, name in enumerate(names):
            report(f"drawing {name}", number / len(names))
            _draw(name, SCENES[name].scale, out.absolute())
    made = [path for name in names for path in out.glob(f"{name}-*.png")]
    show("Drawn", Drawn(str(out.absolute()), len(made)), as_json=as_json)


def _draw(name: str, scale: float, out: Path) -> None:
    """Draw a scene in a process of its own, on a session of its own."""
    from benchmarks.window_session import judged_session

    with tempfile.TemporaryDirectory(prefix="proofdesk-scene-") as scratch:
        opened = judged_session(Path(scratch))
        offscreen = {"QT_QPA_PLATFORM": "offscreen", "QT_SCALE_FACTOR": f"{scale:g}"}
        command = [sys.executable, "-m", "app.ui.gallery", name]
        done = subprocess.run(
            [*command, str(opened.session), opened.address, str(out)],
            env=os.environ | offscreen,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        raise GraphicsError(
            f"The scene {name} could not be drawn: {last[0]}",
            "Run proofdesk doctor; it says what graphics lack here.",
        )
