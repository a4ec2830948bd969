"""Where to look from: along the normal of the line between the two points of a pair."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm
from ngplugin.scripts import Quaternion

__all__ = ["Camera", "camera_for_pair", "quaternion_of"]


@dataclass(frozen=True)
class Camera:
    """A point to look at (nm), a rotation, and the height that the 3-D panel spans in nm."""

    center_nm: PointNm
    orientation: Quaternion
    height_nm: float


def camera_for_pair(a: PointNm, b: PointNm, *, least_height_nm: float = 3000.0) -> Camera:
    """Look at the middle of two points along the normal of their line.

    Of all normals the one nearest to z is taken, without roll: a pair that lies in a
    slice looks the same way round in the slice and in 3-D.

    Parameters
    ----------
    a, b : tuple of float
        Points of the two segments, xyz in nm.
    least_height_nm : float
        What the 3-D panel shows at least, so that the neurites can be recognised.
    """
    start, end = np.array(a, np.float64), np.array(b, np.float64)
    apart = float(np.linalg.norm(end - start))
    forward = _normal((end - start) / apart) if apart > 1e-6 else np.array([0.0, 0.0, 1.0])
    if abs(forward[1]) < 0.9:
        down = _across(np.array([0.0, 1.0, 0.0]), forward)
    else:
        down = np.cross(forward, _across(np.array([1.0, 0.0, 0.0]), forward))
    right = np.cross(down, forward)
    turned = quaternion_of(np.stack([right, down, forward], axis=1))
    x, y, z = (float(value) for value in (start + end) / 2)
    return Camera((x, y, z), turned, max(least_height_nm, 6 * apart))


def _normal(line: NDArray[np.float64]) -> NDArray[np.float64]:
    axis = np.array([0.0, 0.0, 1.0])
    if abs(line[2]) > 0.999:
        # The line itself runs along z: look as the xz slice does.
        axis = np.array([0.0, -1.0, 0.0])
    return _across(axis, line)


def _across(axis: NDArray[np.float64], line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of an axis that is square to a line, at unit length."""
    part = axis - (axis @ line) * line
    return np.asarray(part / np.linalg.norm(part))


def quaternion_of(rotation: NDArray[np.float64]) -> Quaternion:
    """Return the unit quaternion (x, y, z, w) of a 3 × 3 rotation matrix.

    The largest component is found first, which keeps the others well conditioned
    (S. W. Shepperd, J. Guidance and Control 1, 1978).
    """
    m = rotation
    trace = float(np.trace(m))
    squares = [1 + 2 * m[0, 0] - trace, 1 + 2 * m[1, 1] - trace, 1 + 2 * m[2, 2] - trace, 1 + trace]
    largest = int(np.argmax(squares))
    if largest == 3:
        rows = [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], squares[3]]
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        rows = [0.0, 0.0, 0.0, m[k, j] - m[j, k]]
        rows[i], rows[j], rows[k] = squares[i], m[j, i] + m[i, j], m[k, i] + m[i, k]
    x, y, z, w = (float(value) / (2 * math.sqrt(squares[largest])) for value in rows)
    return (x, y, z, w)
