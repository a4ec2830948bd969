"""A geometry tensor to look at: one row per view, what a judge is given side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rendering.geometry import GeometryTensor
from rendering.spec import COLOR_A, COLOR_B

__all__ = ["COLUMNS", "draw_tensor"]

COLUMNS = ("silhouette", "depth", "normals", "masks", "owner")
"""What stands beside each other."""
_GAP = 6
_DEEPEST = 1.2
"""Depths beyond this many half extents look alike."""

RGB = NDArray[np.uint8]
Floats = NDArray[np.float32]


def draw_tensor(tensor: GeometryTensor) -> RGB:
    """Return the picture, shape (height, width, 3).

    Silhouette black on white; depth from black (far) over grey (the centre plane) to
    white (near) on a pale blue ground; normals as (right, up, near) in (red, green,
    blue); the masks and the owner in the colours of A and B, both masks at once darker.
    """
    rows = [
        np.concatenate([_framed(each) for each in _row(tensor, view)], axis=1)
        for view in range(len(tensor.owner))
    ]
    return np.concatenate(rows)[:-_GAP, :-_GAP]


def _row(tensor: GeometryTensor, view: int) -> list[Floats]:
    silhouette, depth, right, up, near, a, b = tensor.data[view].astype(np.float32)
    seen = silhouette[..., None]
    grey = np.clip(depth / _DEEPEST / 2 + 0.5, 0, 1)[..., None] * np.ones(3, np.float32)
    ground = np.array([0.82, 0.90, 1.0], np.float32)
    normals = np.stack([right, up, near], axis=-1) / 2 + 0.5
    owner = tensor.owner[view]
    return [
        1 - seen * np.ones(3, np.float32),
        grey * seen + ground * (1 - seen),
        normals * seen + (1 - seen),
        _tinted(a, COLOR_A) * _tinted(b, COLOR_B),
        _tinted((owner == 1).astype(np.float32), COLOR_A)
        * _tinted((owner == 2).astype(np.float32), COLOR_B),
    ]


def _tinted(mask: Floats, color: str) -> Floats:
    """Return a colour where a mask is 1, white elsewhere; two of them multiply."""
    tint = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    return np.asarray(1 - mask[..., None] * (1 - tint), np.float32)


def _framed(values: Floats) -> RGB:
    """Return a picture of values 0 to 1 with a white gap below and to the right."""
    picture = np.clip(values * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.pad(picture, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
