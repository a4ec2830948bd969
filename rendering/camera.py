"""Where a view looks from.

Two conventions meet here. The orthographic views of meshes follow ConnectomeBench2
(front, side, top). Neuroglancer's 3-D panel has an orientation quaternion whose
rotation carries (x, y, z) to (right, down, into the screen).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm

__all__ = ["VIEWS", "ViewAxes", "start_camera"]

Quaternion = tuple[float, float, float, float]
"""A unit quaternion (x, y, z, w), as Neuroglancer's ``projectionOrientation``."""


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


def start_camera(a_nm: PointNm, b_nm: PointNm) -> Quaternion:
    """Return the orientation that looks along the normal of the line between two points.

    The line then lies in the plane of the screen, so that neither segment hides the
    other. Of all such orientations this is the one nearest to Neuroglancer's own start
    (x right, y down, looking along z), so that people do not lose their bearings.

    Returns
    -------
    tuple of float
        Unit quaternion (x, y, z, w); the identity where the points coincide.
    """
    line = np.subtract(b_nm, a_nm).astype(float)
    length = float(np.linalg.norm(line))
    if not np.isfinite(length) or length < 1e-9:
        return (0.0, 0.0, 0.0, 1.0)
    line /= length
    forward = np.array([0.0, 0.0, 1.0]) - line[2] * line
    size = float(np.linalg.norm(forward))
    if size < 1e-6:
        # The line runs along z: look at it as the xz panel does.
        half = float(np.sqrt(0.5))
        return (half, 0.0, 0.0, half)
    fx, fy, fz = (float(v) for v in forward / size)
    # The shortest turn from z to `forward`, which is never more than 90 degrees away.
    x, y, w = -fy, fx, 1.0 + fz
    norm = float(np.sqrt(x * x + y * y + w * w))
    return (x / norm, y / norm, 0.0, w / norm)
