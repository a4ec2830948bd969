"""What stands below a picture, for a person."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from connectome.space import PointNm
from rendering.annotations import length_label
from rendering.em import PLANES, Slices
from rendering.spec import BEST, EMSpec, RenderSpec

__all__ = ["absent_note", "gap_reason", "slice_caption", "view_caption"]

_LOOKING = {"front": "along +x", "side": "along +y", "top": "along -z"}


def view_caption(name: str, spec: RenderSpec) -> str:
    """Return the caption of a coloured view."""
    return f"{name}, looking {_LOOKING[name]}, {length_label(2 * spec.half_extent_nm)} wide"


def slice_caption(plane: str, center_nm: PointNm, spec: EMSpec) -> str:
    """Return the caption of a slice."""
    wide = f"{length_label(2 * spec.half_extent_nm)} wide"
    if plane == BEST:
        return f"the oblique plane that shows most of the pair, {wide}"
    axis = PLANES[plane].across
    return f"{plane} at {'xyz'[axis]} = {center_nm[axis]:,.0f} nm, {wide}"


def absent_note(cut: Slices, plane: str, segments: Iterable[tuple[str, int]]) -> str:
    """Return which of the named segments a slice does not show; empty if it shows all."""
    ids = cut.ids[cut.spec.planes.index(plane)]
    absent = [letter for letter, root in segments if not np.equal(ids, np.uint64(root)).any()]
    return f"; {' and '.join(absent)} not in this slice" if absent else ""


def gap_reason(gaps: Iterable[tuple[str, int]]) -> str:
    """Return how many pieces are missing in the meshes of the named segments."""
    told = [
        f"of segment {letter} {'a piece is' if count == 1 else f'{count} pieces are'} missing here"
        for letter, count in gaps
    ]
    return (
        f"In this picture {' and '.join(told)}, so it goes to no judge. "
        "Wait until the server has made the mesh, then try again."
    )
