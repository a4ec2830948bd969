"""Where the orthographic views of meshes look from, as in ConnectomeBench2.

Neuroglancer's own camera is in ``ngplugin.camera``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["VIEWS", "ViewAxes"]


@dataclass(frozen=True)
class ViewAxes:
    """Unit vectors (x, y, z) of a view: to the right, upwards and into the picture."""

    right: tuple[int, int, int]
    up: tuple[int, int, int]
    forward: tuple[int, int, int]

    def rotation(self) -> NDArray[np.float64]:
        """Return the matrix (4, 4) that carries (right, up, towards the viewer) to xyz."""
        matrix = np.eye(4)
        matrix[:3, 0] = self.right
        matrix[:3, 1] = self.up
        matrix[:3, 2] = np.negative(self.forward)
        return matrix


VIEWS = {
    "front": ViewAxes(right=(0, -1, 0), up=(0, 0, 1), forward=(1, 0, 0)),
    "side": ViewAxes(right=(1, 0, 0), up=(0, 0, 1), forward=(0, 1, 0)),
    "top": ViewAxes(right=(1, 0, 0), up=(0, 1, 0), forward=(0, 0, -1)),
}
"""From -X, from -Y and from +Z."""
