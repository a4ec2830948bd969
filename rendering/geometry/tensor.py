"""What the geometry tensor of a site holds, stated in full and hashable."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import PointNm
from rendering.camera import VIEWS

__all__ = ["CHANNELS", "GeometrySpec", "GeometryTensor", "Half"]

Half = NDArray[np.float16]

CHANNELS = ("silhouette", "depth", "normal_right", "normal_up", "normal_near", "mask_a", "mask_b")
"""Order of the second axis of the tensor."""


@dataclass(frozen=True)
class GeometrySpec:
    """Orthographic views of one or two surfaces as numbers, every switch stated.

    Parameters
    ----------
    half_extent_nm : float
        Half the width of the field of view, and the unit of depth.
    size_px : int
        Width and height of a view.
    views : tuple of str
        Names in `rendering.camera.VIEWS`.
    turn : tuple of float
        Unit quaternion (x, y, z, w) that all cameras are turned by around the centre.
    crop_factor : float
        Nothing nearer or farther than this many half extents from the centre plane is
        drawn, however much of a mesh was fetched; a mesh cut there is seen from inside.
    contact_nm : float
        Two surfaces this close touch, for the channel of contacts; 0 leaves it out.
    """

    half_extent_nm: float = 2500.0
    size_px: int = 224
    views: tuple[str, ...] = ("front", "side", "top")
    turn: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)
    crop_factor: float = 1.2
    contact_nm: float = 0.0
    version: int = 1

    def __post_init__(self) -> None:
        unknown = [name for name in self.views if name not in VIEWS]
        lengths = (self.half_extent_nm, self.crop_factor)
        sound = all(math.isfinite(v) and v > 0 for v in lengths) and self.size_px > 0
        turned = abs(math.hypot(*self.turn) - 1.0) < 1e-6
        if unknown or not self.views or not sound or not turned or not self.contact_nm >= 0:
            raise InputError(
                f"A geometry tensor cannot be drawn with {self}.",
                f"Lengths have to be positive, the turn of length 1, the views of {list(VIEWS)}.",
            )

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        content = json.dumps({"kind": "geometry", **asdict(self)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def nm_per_px(self) -> float:
        """Edge length of a pixel."""
        return 2 * self.half_extent_nm / self.size_px

    def cameras(self) -> NDArray[np.float64]:
        """Return the cameras, shape (views, 3, 3): rows are right, up, towards the viewer."""
        turn = _matrix(self.turn)
        return np.stack([(turn @ VIEWS[name].rotation()[:3, :3]).T for name in self.views])


@dataclass(frozen=True, eq=False)
class GeometryTensor:
    """One or two surfaces seen from the cameras of a spec.

    Parameters
    ----------
    data : ndarray, shape (views, 7, size, size), float16
        Channels as in `CHANNELS`. ``silhouette``: 1 where there is a surface.
        ``depth``: signed distance of the nearest surface from the plane through the
        centre, in half extents, positive towards the viewer; 0 where there is none.
        The normals of that surface in the camera's frame (right, up, towards the
        viewer), of length 1, on the side that is seen; 0 where there is none.
        ``mask_a`` and ``mask_b``: the full silhouettes of the first and the second
        surface; where both are 1 one hides the other.
    owner : ndarray, shape (views, size, size), uint8
        Whose surface is nearest: 0 nobody's, 1 the first's, 2 the second's.
    contact : ndarray, shape (views, size, size), uint8, or None
        1 where a part of either surface lies that touches the other, hidden or not.
    spec : GeometrySpec
        What it was drawn with.
    center_nm : tuple of float
        Where the origin of the surfaces is in the dataset.
    """

    data: Half
    owner: NDArray[np.uint8]
    contact: NDArray[np.uint8] | None
    spec: GeometrySpec
    center_nm: PointNm

    def channel(self, name: str) -> Half:
        """Return one channel of `CHANNELS`, shape (views, size, size)."""
        return self.data[:, CHANNELS.index(name)]


def _matrix(turn: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """Return the rotation matrix (3, 3) of a unit quaternion."""
    x, y, z, w = turn
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
