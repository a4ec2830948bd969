"""What an edit would leave, as a small segmentation of its own: voxels and surfaces of its parts.

Follows Neuroglancer's ``precomputed`` volumes (one scale, ``raw`` encoding) and single-
resolution meshes. It is served from memory beside the sites; each picture has ids of its
own, so that the client never shows a surface of the one before.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, PointNm

__all__ = ["AFTER", "AfterPicture", "AfterSource", "Surface"]

AFTER = "after"
"""Name of the layer, and of the folder below the site source."""

CHUNK = 64
_CHUNK = re.compile(r"s/(\d+)-(\d+)_(\d+)-(\d+)_(\d+)-(\d+)")
_MESH = re.compile(r"mesh/(\d+)(:0|-all)")

Answer = tuple[bytes, str]


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh: vertices (n, 3) in nm and faces (m, 3)."""

    vertices_nm: NDArray[np.float32]
    faces: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class AfterPicture:
    """The parts that an edit would leave, near the place where it happens.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        The part of each voxel, counted from 1; 0 belongs to none.
    first_voxel : tuple of int
        Index (x, y, z) of ``labels[0, 0, 0]`` in the datastack's finest grid.
    surfaces : tuple of Surface
        One for each part.
    """

    labels: NDArray[np.uint8]
    first_voxel: tuple[int, int, int]
    surfaces: tuple[Surface, ...]


class AfterSource:
    """Serves the newest picture; may be used from any thread.

    Parameters
    ----------
    bounds : BoxNm
        The box of the datastack.
    voxel_nm : tuple of float
        Its finest voxels.
    """

    def __init__(self, bounds: BoxNm, voxel_nm: PointNm) -> None:
        low = [math.floor(p / v + 1e-6) for p, v in zip(bounds.lower, voxel_nm, strict=True)]
        high = [math.ceil(p / v - 1e-6) for p, v in zip(bounds.upper, voxel_nm, strict=True)]
        self._offset = low
        self._size = [max(h - n, 1) for n, h in zip(low, high, strict=True)]
        self._voxel_nm = voxel_nm
        self._shown: tuple[int, AfterPicture] | None = None
        self._next = 1

    def put(self, picture: AfterPicture) -> list[int]:
        """Serve a picture from now on and return the ids of its parts."""
        first = self._next
        self._next += len(picture.surfaces)
        self._shown = (first, picture)
        return list(range(first, self._next))

    def clear(self) -> None:
        """Serve nothing."""
        self._shown = None

    def answer(self, path: str) -> Answer | None:
        """Return body and content type of a file, None where there is none."""
        if path == "info":
            return json.dumps(self._info()).encode(), "application/json"
        if path == "mesh/info":
            return json.dumps({"@type": "neuroglancer_legacy_mesh"}).encode(), "application/json"
        shown = self._shown
        if shown is None:
            return None
        body = self._mesh(path, *shown) or self._chunk(path, *shown)
        kind = "application/json" if path.endswith(":0") else "application/octet-stream"
        return None if body is None else (body, kind)

    def _info(self) -> dict[str, object]:
        scale = {
            "key": "s",
            "size": self._size,
            "voxel_offset": self._offset,
            "resolution": list(self._voxel_nm),
            "chunk_sizes": [[CHUNK] * 3],
            "encoding": "raw",
        }
        return {
            "@type": "neuroglancer_multiscale_volume",
            "type": "segmentation",
            "data_type": "uint32",
            "num_channels": 1,
            "scales": [scale],
            "mesh": "mesh",
        }

    def _mesh(self, path: str, first: int, picture: AfterPicture) -> bytes | None:
        match = _MESH.fullmatch(path)
        part = int(match[1]) - first if match else -1
        if match is None or not 0 <= part < len(picture.surfaces):
            return None
        if match[2] == ":0":
            return json.dumps({"fragments": [f"{match[1]}-all"]}).encode()
        surface = picture.surfaces[part]
        count = np.array([len(surface.vertices_nm)], "<u4").tobytes()
        vertices = surface.vertices_nm.astype("<f4").tobytes()
        return count + vertices + surface.faces.astype("<u4").tobytes()

    def _chunk(self, path: str, first: int, picture: AfterPicture) -> bytes | None:
        match = _CHUNK.fullmatch(path)
        if match is None:
            return None
        low, high = ([int(match[at + 2 * axis]) for axis in range(3)] for at in (1, 2))
        start = [n - f for n, f in zip(low, picture.first_voxel, strict=True)]
        shape = [h - n for n, h in zip(low, high, strict=True)]
        if any(not 0 < n <= CHUNK for n in shape):
            return None
        found = _cut(picture.labels, start[::-1], shape[::-1])
        if not found.any():
            return None
        ids = np.where(found > 0, found.astype("<u4") + np.uint32(first - 1), 0)
        # Raw chunks run fastest along x, as C order of (z, y, x) does.
        return ids.astype("<u4").tobytes()


def _cut(labels: NDArray[np.uint8], start: list[int], shape: list[int]) -> NDArray[np.uint8]:
    """Return a block that begins at an index (z, y, x), zero where there are no labels."""
    block = np.zeros(shape, np.uint8)
    low = [max(n, 0) for n in start]
    high = [min(n + s, end) for n, s, end in zip(start, shape, labels.shape, strict=True)]
    if all(h > n for n, h in zip(low, high, strict=True)):
        into = tuple(slice(n - s, h - s) for n, h, s in zip(low, high, start, strict=True))
        block[into] = labels[tuple(slice(n, h) for n, h in zip(low, high, strict=True))]
    return block
