"""Meshes whose pictures can be worked out by hand."""

from __future__ import annotations

from itertools import product

import numpy as np

from connectome.datastack import Mesh
from connectome.space import PointNm

__all__ = ["box_mesh"]

_FACES = (
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
    (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
)  # fmt: skip


def box_mesh(lower: PointNm, upper: PointNm) -> Mesh:
    """Return the surface of a box, with sharp edges (no face shares a vertex)."""
    pairs = zip(lower, upper, strict=True)
    corners = np.array(list(product(*pairs)), np.float32)
    faces = np.arange(3 * len(_FACES), dtype=np.uint32).reshape(-1, 3)
    return Mesh(corners[np.array(_FACES)].reshape(-1, 3), faces)
