"""What is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from connectome.errors import MachineError, ProofdeskError

__all__ = ["Finding", "check_home", "examine"]

_EXTRAS: tuple[tuple[str, str, str], ...] = (
    ("PyQt6", "PyQt6", "gui"),
    ("PyQt6.QtWebEngineCore", "PyQt6-WebEngine", "gui"),
    ("neuroglancer", "neuroglancer", "gui"),
    ("octarine", "octarine3d", "render"),
    ("onnxruntime", "onnxruntime", "onnx"),
    ("caveclient", "caveclient", "cave"),
    ("cloudvolume", "cloud-volume", "cave"),
    ("kimimaro", "kimimaro", "offline"),
    ("fastapi", "fastapi", "offline"),
    ("torch", "torch", "train"),
    ("transformers", "transformers", "vlm"),
    ("peft", "peft", "vlm"),
)
"""Importable name, distribution and the extra that brings it."""

_ROOMS = ("app", "connectome", "proofreading", "rendering", "inference", "ngplugin", "assets")

LOW_DISK_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Finding:
    """One line of the report. `remedy` is empty where nothing has to be done."""

    what: str
    value: str
    ok: bool
    remedy: str = ""


def check_home() -> None:
    """Refuse to start when another distribution's package took one of our names.

    Proofdesk's packages have short names and live side by side in one folder; a
    package called ``inference`` from elsewhere would be imported instead of ours.

    Raises
    ------
    MachineError
        If a package of ours would be imported from another folder.
    """
    home = Path(__file__).resolve().parents[2]
    for room in _ROOMS:
        spec = importlib.util.find_spec(room)
        origin = spec.origin if spec is not None else None
        if origin is None or Path(origin).resolve().parents[1] != home:
            raise MachineError(
                f"The package {room!r} would be imported from {origin or 'nowhere'}, "
                f"not from Proofdesk in {home}.",
                "Install Proofdesk in an environment of its own, or remove the other package.",
            )


def examine() -> list[Finding]:
    """Return what this machine offers, in the order in which it is read."""
    return [
        Finding("Proofdesk", _version("proofdesk") or "not installed", True),
        _python(),
        *[_package(*extra) for extra in _EXTRAS],
        *_graphics(),
        _providers(),
        _models(),
        _disk(),
    ]


def _python() -> Finding:
    version = platform.python_version()
    right = sys.version_info[:2] >= (3, 11)
    return Finding(
        "Python",
        f"{version} on {platform.system()}",
        right,
        "" if right else "Install Python 3.11.",
    )


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(module: str, distribution: str, extra: str) -> Finding:
    version = _version(distribution)
    if version is None and distribution == "onnxruntime":
        version = _version("onnxruntime-gpu")
    if version is not None:
        return Finding(module, version, True)
    return Finding(module, "missing", False, f'pip install "proofdesk[{extra}]"')


def _graphics() -> list[Finding]:
    from rendering.probe import probe_graphics

    report = probe_graphics()
    if not report.works:
        return [Finding("graphics", report.reason, False, report.remedy)]
    kind = "software" if report.software else "hardware"
    return [Finding("graphics", f"{report.adapter} ({report.backend}, {kind})", True)]


def _providers() -> Finding:
    try:
        from inference.judges.onnx import available_providers
    except ImportError:
        return Finding("judge runs on", "nothing", False, 'pip install "proofdesk[onnx]"')
    return Finding("judge runs on", ", ".join(available_providers()), True)


def _models() -> Finding:
    from inference.models.registry import list_models

    try:
        names = [manifest.id for _, manifest in list_models()]
    except ProofdeskError as error:
        return Finding("models", error.message, False, error.hint)
    if not names:
        return Finding("models", "none", False, "Train one: proofdesk train --help")
    return Finding("models", ", ".join(names), True)


def _disk() -> Finding:
    from app.services.settings import data_folder

    folder = data_folder()
    free = shutil.disk_usage(folder).free
    enough = free > LOW_DISK_BYTES
    remedy = "" if enough else f"Make room on the disk of {folder}."
    return Finding("disk", f"{free / 2**30:.1f} GiB free in {folder}", enough, remedy)
