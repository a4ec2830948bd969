"""Triangles to pixels: functions that numba compiles.

Screen coordinates are pixels with y downwards, shifted by half a pixel so that the
centre of pixel (column i, row j) is (i, j), and rounded to 1/256 of a pixel. On that
grid the edge functions are exact in float64 within 131,072 pixels of the centre, so
that two faces which share an edge neither leave a gap nor both claim a pixel centre
(top-left rule). Compiled code checks no bounds: callers do.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rendering.geometry.assemble import EMPTY
from rendering.geometry.compiling import compiled

__all__ = ["draw_depth", "project", "resolve"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int32]
Flags = NDArray[np.uint8]

_GRID = 256.0
_HALF_STEP = 0.5 / (_GRID * _GRID)
"""Less than the smallest step of an edge function on the grid."""


@compiled
def project(positions: Singles, camera: Floats, half: float, size: int, out: Floats) -> None:
    """Fill ``out`` (n, 3) with column, row and depth (in half extents) of each vertex."""
    scale = size / (2.0 * half)
    middle = 0.5 * size - 0.5
    for i in range(positions.shape[0]):
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        right = camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z
        up = camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z
        near = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z
        out[i, 0] = math.floor((middle + right * scale) * _GRID + 0.5) / _GRID
        out[i, 1] = math.floor((middle - up * scale) * _GRID + 0.5) / _GRID
        out[i, 2] = near / half


@compiled
def draw_depth(
    points: Floats, faces: Ints, reach: float, depth: Singles, face: Ints, outside: Flags
) -> None:
    """Keep in each pixel the nearest face and its depth.

    Parameters
    ----------
    points : ndarray, shape (n, 3), float64
        What `project` made.
    faces : ndarray, shape (m, 3), int32
    reach : float
        Depths beyond this, either way, are not drawn.
    depth : ndarray, shape (rows, columns), float32
        Written; `EMPTY` where nothing was drawn.
    face : ndarray, shape (rows, columns), int32
        Written where something was drawn; index of the face.
    outside : ndarray, shape (rows, columns), uint8
        Written where something was drawn; 1 where the face is seen from its front.
    """
    rows, columns = depth.shape
    depth[:] = EMPTY
    for number in range(faces.shape[0]):
        a, b, c = faces[number, 0], faces[number, 1], faces[number, 2]
        ax, ay = points[a, 0], points[a, 1]
        bx, by = points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        # Comparisons with a number that is none are false: such faces have no columns.
        left = math.ceil(max(min(ax, bx, cx), 0.0))
        right = math.floor(min(max(ax, bx, cx), columns - 1.0))
        if not left <= right:
            continue
        top = math.ceil(max(min(ay, by, cy), 0.0))
        bottom = math.floor(min(max(ay, by, cy), rows - 1.0))
        if not top <= bottom:
            continue
        az, bz, cz = points[a, 2], points[b, 2], points[c, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        front = area < 0.0
        if front:
            bx, by, bz, cx, cy, cz = cx, cy, cz, bx, by, bz
            area = -area
        if not area > 0.0 or not area < math.inf:
            continue
        ab_x, ab_y = bx - ax, by - ay
        bc_x, bc_y = cx - bx, cy - by
        ca_x, ca_y = ax - cx, ay - cy
        # A centre exactly on an edge belongs to the face whose top or left edge it is.
        ab_bias = _HALF_STEP if ab_y < 0.0 or (ab_y == 0.0 and ab_x > 0.0) else -_HALF_STEP
        bc_bias = _HALF_STEP if bc_y < 0.0 or (bc_y == 0.0 and bc_x > 0.0) else -_HALF_STEP
        ca_bias = _HALF_STEP if ca_y < 0.0 or (ca_y == 0.0 and ca_x > 0.0) else -_HALF_STEP
        per_b, per_c = (bz - az) / area, (cz - az) / area
        for j in range(int(top), int(bottom) + 1):
            ab_row = ab_x * (j - ay) + ab_y * ax
            bc_row = bc_x * (j - by) + bc_y * bx
            ca_row = ca_x * (j - cy) + ca_y * cx
            for i in range(int(left), int(right) + 1):
                over_c = ab_row - ab_y * i
                over_b = ca_row - ca_y * i
                if over_c + ab_bias < 0.0 or over_b + ca_bias < 0.0:
                    continue
                if bc_row - bc_y * i + bc_bias < 0.0:
                    continue
                z = az + over_b * per_b + over_c * per_c
                if z > depth[j, i] and -reach <= z <= reach:
                    depth[j, i] = z
                    face[j, i] = number
                    outside[j, i] = front


@compiled
def resolve(
    points: Floats,
    faces: Ints,
    normals: Singles,
    camera: Floats,
    owner: NDArray[np.uint8],
    who: int,
    face: Ints,
    out: Singles,
) -> None:
    """Write the normals of one surface where it is nearest.

    Parameters
    ----------
    points, faces, face
        As in `draw_depth`.
    normals : ndarray, shape (n, 3), float32
        Of the vertices, xyz.
    camera : ndarray, shape (3, 3)
        Rows are right, up and towards the viewer.
    owner : ndarray, shape (rows, columns), uint8
        Whose surface is nearest.
    who : int
        This surface.
    out : ndarray, shape (3, rows, columns), float32
        Written where ``owner`` is ``who``.
    """
    rows, columns = owner.shape
    for j in range(rows):
        for i in range(columns):
            if owner[j, i] != who:
                continue
            number = face[j, i]
            a, b, c = faces[number, 0], faces[number, 1], faces[number, 2]
            over_a = (points[c, 0] - points[b, 0]) * (j - points[b, 1]) - (
                points[c, 1] - points[b, 1]
            ) * (i - points[b, 0])
            over_b = (points[a, 0] - points[c, 0]) * (j - points[c, 1]) - (
                points[a, 1] - points[c, 1]
            ) * (i - points[c, 0])
            over_c = (points[b, 0] - points[a, 0]) * (j - points[a, 1]) - (
                points[b, 1] - points[a, 1]
            ) * (i - points[a, 0])
            x = over_a * normals[a, 0] + over_b * normals[b, 0] + over_c * normals[c, 0]
            y = over_a * normals[a, 1] + over_b * normals[b, 1] + over_c * normals[c, 1]
            z = over_a * normals[a, 2] + over_b * normals[b, 2] + over_c * normals[c, 2]
            length = math.sqrt(x * x + y * y + z * z)
            if not length > 0.0:
                continue
            # The weights of a face that winds clockwise on the screen are positive and it
            # is seen from behind; those of one seen from the front are negative. Normals
            # point out of the front, so this turns all of them to the side that is seen.
            length = -length
            out[0, j, i] = (camera[0, 0] * x + camera[0, 1] * y + camera[0, 2] * z) / length
            out[1, j, i] = (camera[1, 0] * x + camera[1, 1] * y + camera[1, 2] * z) / length
            out[2, j, i] = (camera[2, 0] * x + camera[2, 1] * y + camera[2, 2] * z) / length
