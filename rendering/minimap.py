"""The whole of two segments, small, with a frame around what the view shows.

A branch is far thinner than a pixel here, and a rasteriser that asks for pixel centres
would lose it. So points are strewn over the faces and every pixel that holds one is
drawn: nothing is lost, however thin, on a decimated mesh or a whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from connectome.space import PointNm
from rendering.annotations import framed
from rendering.camera import CameraSpec
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["Minimap", "minimap", "with_inset"]

RGB = NDArray[np.uint8]
Points = NDArray[np.float64]

_OVERSAMPLING = 2
_MARGIN = 1.06
_LEAST_FACTOR = 3.0
"""The map is at least so many times as wide as the view."""
_HAZE = 0.45
"""How much of the farthest is background."""


@dataclass(frozen=True)
class Minimap:
    """A small picture of everything.

    Parameters
    ----------
    rgb : ndarray, shape (size, size, 3), uint8
    camera : CameraSpec
        What the map itself shows, in the direction of the view.
    """

    rgb: RGB
    camera: CameraSpec

    @property
    def nm_per_px(self) -> float:
        """Edge length of a pixel in nm."""
        return 2 * self.camera.half_extent_nm / len(self.rgb)


def minimap(
    surfaces: Sequence[Surface],
    camera: CameraSpec,
    spec: RenderSpec | None = None,
    *,
    origin_nm: PointNm = (0.0, 0.0, 0.0),
    size_px: int = 160,
) -> Minimap:
    """Return whole segments as a camera's direction shows them, its view framed.

    Parameters
    ----------
    surfaces : sequence of Surface
        The whole segments, decimated or not, relative to the origin.
    camera : CameraSpec
        The view.
    spec : RenderSpec or None
        Its background is used.
    origin_nm : tuple of float
        Where the surfaces' own origin is.
    """
    full = [surface for surface in surfaces if not surface.empty]
    offset = np.subtract(camera.center_nm, origin_nm)
    placed = [(s.positions.astype(np.float64) - offset) @ camera.frame.T for s in full]
    own = _camera_around(placed, camera)
    shift = camera.frame @ np.subtract(own.center_nm, camera.center_nm)
    many = size_px * _OVERSAMPLING
    depth, owner = _strewn([points - shift for points in placed], full, own.half_extent_nm, many)
    background = (spec or RenderSpec()).background
    large = Image.fromarray(_painted(depth, owner, [s.color for s in full], background))
    small = np.array(large.resize((size_px, size_px), Image.Resampling.BOX), np.uint8)
    return Minimap(_with_frame(small, own, camera, shift), own)


def with_inset(picture: RGB, small: Minimap, share: float = 0.28) -> RGB:
    """Return a copy of a picture with the map in its upper right corner."""
    edge = round(min(picture.shape[:2]) * share)
    image = Image.fromarray(picture)
    inset = Image.fromarray(small.rgb).resize((edge, edge), Image.Resampling.LANCZOS)
    line = max(edge // 80, 1)
    image.paste((90, 90, 90), (image.width - edge - line, 0, image.width, edge + line))
    image.paste(inset, (image.width - edge, 0))
    return np.array(image, np.uint8)


def _camera_around(placed: Sequence[Points], camera: CameraSpec) -> CameraSpec:
    """Return the camera that sees all points (right, up, towards) and the view."""
    view = camera.half_extent_nm
    low = np.min([(-view, -view), *(p[:, :2].min(axis=0) for p in placed)], axis=0)
    high = np.max([(view, view), *(p[:, :2].max(axis=0) for p in placed)], axis=0)
    half = max(_MARGIN * float((high - low).max()) / 2, _LEAST_FACTOR * view)
    right, up = ((low + high) / 2).tolist()
    return camera.moved(right, up).zoomed(view / half)


def _strewn(
    placed: Sequence[Points], surfaces: Sequence[Surface], half_nm: float, size: int
) -> tuple[Points, NDArray[np.int16]]:
    """Return the nearest depth (nm, towards the viewer) and whose it is, shape (size, size)."""
    depth = np.full(size * size, -np.inf)
    owner = np.full(size * size, -1, np.int16)
    for index, (points, surface) in enumerate(zip(placed, surfaces, strict=True)):
        columns_rows = points * (size / (2 * half_nm), -size / (2 * half_nm), 1) + (
            size / 2,
            size / 2,
            0,
        )
        mine = np.full(size * size, -np.inf)
        for strewn in _over_faces(columns_rows, surface.faces, size):
            place = np.clip(strewn[:, :2].astype(np.intp), 0, size - 1)
            np.maximum.at(mine, place[:, 1] * size + place[:, 0], strewn[:, 2])
        nearer = mine > depth
        depth[nearer], owner[nearer] = mine[nearer], index
    return depth.reshape(size, size), owner.reshape(size, size)


def _over_faces(points: Points, faces: NDArray[np.int32], size: int) -> list[Points]:
    """Return points no farther than a pixel apart over all faces; lists of shape (n, 3)."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    sides = [np.abs((one - two)[:, :2]).max(axis=1) for one, two in ((a, b), (b, c), (c, a))]
    steps = np.clip(np.ceil(np.max(sides, axis=0)), 1, 2 * size)
    # Powers of two: a handful of groups, each worked on at once.
    levels = np.ceil(np.log2(steps)).astype(int)
    found = [points[np.unique(faces)]]
    for level in np.unique(levels[levels > 0]).tolist():
        rows = levels == level
        grid = np.array([(i, j) for i in range(2**level + 1) for j in range(2**level + 1 - i)])
        weights = np.column_stack([grid, 2**level - grid.sum(axis=1)]) / 2**level
        parts = (weights[:, k, None, None] * p[rows] for k, p in enumerate((a, b, c)))
        found.append(sum(parts, np.zeros(())).reshape(-1, 3))
    return found


def _painted(
    depth: Points, owner: NDArray[np.int16], colors: Sequence[str], background: str
) -> RGB:
    depth, owner = _thickened(depth, owner)
    palette = np.array([_rgb(c) for c in (*colors, background)])
    picture = palette[owner]
    drawn = owner >= 0
    if drawn.any():
        near, far = float(depth[drawn].max()), float(depth[drawn].min())
        haze = _HAZE * (near - depth[drawn]) / max(near - far, 1.0)
        picture[drawn] += (palette[-1] - picture[drawn]) * haze[:, None]
    return np.asarray(picture.round().astype(np.uint8))


def _thickened(depth: Points, owner: NDArray[np.int16]) -> tuple[Points, NDArray[np.int16]]:
    """Return both grown by a pixel into what is empty."""
    grown_depth, grown_owner = depth.copy(), owner.copy()
    padded_depth = np.pad(depth, 1, constant_values=-np.inf)
    padded_owner = np.pad(owner, 1, constant_values=-1)
    height, width = depth.shape
    for row, column in ((0, 1), (2, 1), (1, 0), (1, 2)):
        beside = padded_depth[row : row + height, column : column + width]
        whose = padded_owner[row : row + height, column : column + width]
        better = (owner < 0) & (beside > grown_depth)
        grown_depth[better], grown_owner[better] = beside[better], whose[better]
    return grown_depth, grown_owner


def _with_frame(picture: RGB, own: CameraSpec, camera: CameraSpec, shift: Points) -> RGB:
    per_nm = len(picture) / (2 * own.half_extent_nm)
    column, row = len(picture) / 2 - shift[0] * per_nm, len(picture) / 2 + shift[1] * per_nm
    half = camera.half_extent_nm * per_nm
    return framed(picture, (column - half, row - half), (column + half, row + half))


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (float(int(color[i : i + 2], 16)) for i in (1, 3, 5))
    return red, green, blue
