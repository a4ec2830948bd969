"""Where the command line enters the window. PyQt6 is loaded only here, and only on call."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from app.ui.platform import prepare_platform
from connectome.errors import GraphicsError, MissingPackageError

if TYPE_CHECKING:
    from app.services.opening import Opened
    from app.ui.ports import MakeWorkbench

__all__ = ["choose_session", "run_window"]


def run_window(
    make_workbench: MakeWorkbench, *, title: str, screenshot_to: Path | None = None
) -> int:
    """Open the window and return when it has been closed.

    Parameters
    ----------
    make_workbench : callable
        Builds the use-cases; given the function that posts to the GUI thread.
    title : str
        What the window's frame says.
    screenshot_to : Path, optional
        Save a picture of the painted window there as PNG and close.

    Returns
    -------
    int
        0, or 1 when a screenshot could not be written.

    Raises
    ------
    GraphicsError
        If this machine has no screen, or lacks a library of Qt's.
    MissingPackageError
        If PyQt6 is not installed.
    """
    prepare_platform()
    _require_qt()
    from app.ui.running import run

    return run(make_workbench, title=title, screenshot_to=screenshot_to)


def choose_session() -> Opened | None:
    """Let a person choose what to begin with; None if they chose nothing.

    Raises
    ------
    GraphicsError, MissingPackageError
        As `run_window`.
    """
    prepare_platform()
    _require_qt()
    from app.ui.running import choose

    return choose()


def _require_qt() -> None:
    try:
        importlib.import_module("PyQt6.QtWebEngineWidgets")
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"The window needs {error.name}, which is not installed.",
            'Install it: pip install "proofdesk[gui]"',
        ) from error
    except ImportError as error:
        raise GraphicsError(
            f"A library that Qt needs is missing: {error}.",
            "Let `proofdesk doctor` name the system packages to install.",
        ) from error
