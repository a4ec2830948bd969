"""Scripts for the page: every parameter travels as JSON, ids as strings.

Nothing is pasted into JavaScript by hand. `json.dumps` escapes what would end a string,
and `call` what would end a ``<script>`` element or a line in old engines.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from connectome.space import PointNm
from ngplugin.grid import CellKey
from ngplugin.snapshot import SitePatch
from ngplugin.style import PAGE_STYLE

__all__ = [
    "LAYOUTS",
    "Quaternion",
    "add_sites",
    "call",
    "install",
    "move_to",
    "patch_sites",
    "refresh_cells",
    "refresh_segmentation",
    "set_contrast",
    "set_controls",
    "show_segments",
]

LAYOUTS = frozenset({"xy", "yz", "xz", "xy-3d", "yz-3d", "xz-3d", "4panel", "4panel-alt", "3d"})

_PARTS = ("proofdesk.js", "after.js")

Quaternion = tuple[float, float, float, float]
"""A rotation (x, y, z, w) that takes the camera's axes (right, down, forward) to xyz."""


def literal(value: object) -> str:
    """Return a value as a JavaScript literal that is safe inside HTML too.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which JSON cannot say.
    """
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def call(command: str, parameters: Mapping[str, object]) -> str:
    """Return the script that runs a command of ``proofdesk.js``."""
    return f"window.proofdesk.run({literal(command)}, {literal(dict(parameters))});"


def install(*, base: str, layers: Mapping[str, str], imagery_url: str) -> str:
    """Return the page's half of this package followed by its start.

    Parameters
    ----------
    base : str
        Path of the site source on Neuroglancer's own server.
    layers : mapping
        Names of the layers: ``sites``, ``segmentation``, ``imageryLayer``, ``marks``, ``after``.
    imagery_url : str
        URL of the imagery, whose cache is kept when the segmentation is refreshed.
    """
    folder = files("ngplugin").joinpath("js")
    source = "\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _PARTS)
    config = {"base": base, "imagery": imagery_url, "style": PAGE_STYLE, **layers}
    return f"{source}\nwindow.proofdesk.start({literal(config)});"


def patch_sites(patch: SitePatch) -> str:
    """Return the script that gives sites new properties (8 bytes each, as in a record)."""
    return call(
        "patchSites",
        {
            "ids": [str(number) for number in patch.numbers],
            "cells": [[cell.level, cell.chunk, count] for cell, count in patch.cells],
            "properties": base64.b64encode(patch.packed).decode("ascii"),
        },
    )


def add_sites(begin: int, end: int) -> str:
    """Return the script that fetches new sites, by their rows, and adds them to their cells."""
    return call("addSites", {"begin": begin, "end": end})


def refresh_cells(cells: Iterable[CellKey]) -> str:
    """Return the script that fetches cells again and swaps them in place."""
    return call("refreshCells", {"cells": [[cell.level, cell.chunk] for cell in sorted(cells)]})


def show_segments(colours: Sequence[tuple[int, str]]) -> str:
    """Return the script that shows exactly these roots, each in its ``#rrggbb`` colour."""
    return call(
        "showPair", {"segments": [{"id": str(root), "color": color} for root, color in colours]}
    )


def refresh_segmentation() -> str:
    """Return the script that drops what the client holds of the segmentation and meshes."""
    return call("refreshSegmentation", {})


def move_to(
    position_voxels: PointNm | None = None,
    *,
    nm_per_pixel: float | None = None,
    height_nm: float | None = None,
    orientation: Quaternion | None = None,
    layout: str | None = None,
) -> str:
    """Return the script that moves the view; what is None stays as it is.

    `nm_per_pixel` is the zoom of the slices, `height_nm` what the 3-D panel spans.

    Raises
    ------
    ValueError
        If there is no such layout, or a number is not finite.
    """
    if layout is not None and layout not in LAYOUTS:
        msg = f"{layout!r} is none of the layouts {', '.join(sorted(LAYOUTS))}"
        raise ValueError(msg)
    return call(
        "moveTo",
        {
            "position": None if position_voxels is None else list(position_voxels),
            "nmPerPixel": nm_per_pixel,
            "heightNm": height_nm,
            "orientation": None if orientation is None else list(orientation),
            "layout": layout,
        },
    )


def set_controls(controls: Mapping[str, float | bool]) -> str:
    """Return the script that sets the site shader's controls."""
    return call("setControls", {"controls": dict(controls)})


def set_contrast(low: float, high: float) -> str:
    """Return the script that shows these imagery values black and white."""
    return call("setContrast", {"low": low, "high": high})
