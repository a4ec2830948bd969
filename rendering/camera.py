"""Where pictures of meshes look from: three fixed views, as in ConnectomeBench2, and any other.

Neuroglancer's own camera is in ``ngplugin.camera``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import PointNm

__all__ = ["VIEWS", "CameraSpec", "ViewAxes"]

Vector = NDArray[np.float64]


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


@dataclass(frozen=True)
class CameraSpec:
    """An orthographic camera; a picture is made again from this and its `RenderSpec`.

    Parameters
    ----------
    center_nm : tuple of float
        The point in the middle of the picture, xyz.
    right, up : tuple of float
        Unit vectors (x, y, z) at right angles; the camera looks along up x right.
    half_extent_nm : float
        Half the width of the field of view.

    Raises
    ------
    InputError
        If a number is not finite, the extent is not positive, or the vectors are not
        of length one and at right angles.
    """

    center_nm: PointNm
    right: PointNm
    up: PointNm
    half_extent_nm: float
    version: int = 1

    def __post_init__(self) -> None:
        # As plain floats, whatever was given: equal cameras compare and serialise equally.
        for name in ("center_nm", "right", "up"):
            object.__setattr__(self, name, _triple(getattr(self, name), name))
        object.__setattr__(self, "half_extent_nm", float(self.half_extent_nm))
        right, up = np.array(self.right), np.array(self.up)
        products = (right @ right - 1, up @ up - 1, right @ up)
        if not math.isfinite(self.half_extent_nm) or self.half_extent_nm <= 0:
            raise InputError(
                f"A camera cannot see {2 * self.half_extent_nm:g} nm.",
                "The half extent is a positive number of nm.",
            )
        if not max(abs(value) for value in products) < 1e-6:
            raise InputError(
                "The camera's directions are not at right angles.",
                "Give right and up as unit vectors at right angles.",
            )

    @classmethod
    def of_view(cls, name: str, center_nm: PointNm, half_extent_nm: float) -> CameraSpec:
        """Return the camera of ``front``, ``side`` or ``top``.

        Raises
        ------
        InputError
            If there is no such view.
        """
        if name not in VIEWS:
            raise InputError(f"There is no view {name!r}.", f"Views are {', '.join(VIEWS)}.")
        axes = VIEWS[name]
        return cls(
            center_nm, _point(np.array(axes.right)), _point(np.array(axes.up)), half_extent_nm
        )

    @property
    def forward(self) -> PointNm:
        """The unit vector into the picture."""
        return _point(np.cross(self.up, self.right))

    @property
    def axes(self) -> tuple[PointNm, PointNm, PointNm]:
        """Unit vectors to the right, downwards and into the picture."""
        return self.right, _point(-np.array(self.up)), self.forward

    @property
    def frame(self) -> NDArray[np.float64]:
        """The rows right, up and towards the viewer, shape (3, 3): xyz to camera."""
        return np.array([self.right, self.up, np.negative(self.forward)])

    def moved(self, right_nm: float, up_nm: float) -> CameraSpec:
        """Return it shifted in the plane of the picture."""
        shift = right_nm * np.array(self.right) + up_nm * np.array(self.up)
        return replace(self, center_nm=_point(np.array(self.center_nm) + shift))

    def zoomed(self, factor: float) -> CameraSpec:
        """Return it with everything drawn larger by a factor; below one shows more."""
        if not (math.isfinite(factor) and factor > 0):
            raise InputError(f"Cannot zoom by {factor:g}.", "Give a positive number.")
        return replace(self, half_extent_nm=self.half_extent_nm / factor)

    def rotated(self, azimuth_deg: float, elevation_deg: float) -> CameraSpec:
        """Return it carried around its centre: first to its right, then upwards, in degrees."""
        a, e = math.radians(azimuth_deg), math.radians(elevation_deg)
        right, up, forward = (np.array(v) for v in (self.right, self.up, self.forward))
        right, forward = _turned(right, forward, a)
        up, _ = _turned(up, forward, e)
        # Many small turns would let rounding errors grow.
        up = up / np.linalg.norm(up)
        right = right - (right @ up) * up
        return replace(self, right=_point(right / np.linalg.norm(right)), up=_point(up))

    def to_json(self) -> str:
        """Return it as JSON; every digit is kept."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CameraSpec:
        """Return the camera that `to_json` wrote.

        Raises
        ------
        InputError
            If it is no camera, or one of a newer version.
        """
        try:
            plain = json.loads(text)
            if plain["version"] != 1:
                raise InputError(f"This camera is of version {plain['version']}; only 1 is known.")
            return cls.from_plain(plain)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"This is no camera: {error}.") from error

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> CameraSpec:
        """Return the camera of a dict with its fields."""
        return cls(plain["center_nm"], plain["right"], plain["up"], plain["half_extent_nm"])


def _turned(one: Vector, other: Vector, angle: float) -> tuple[Vector, Vector]:
    """Return both turned in their plane, ``one`` towards ``other``."""
    c, s = math.cos(angle), math.sin(angle)
    return one * c + other * s, other * c - one * s


def _triple(values: Any, name: str) -> PointNm:
    point = _point(np.asarray(values, np.float64))
    if not all(math.isfinite(v) for v in point):
        raise InputError(f"The camera's {name} is no point: {point}.")
    return point


def _point(vector: NDArray[Any]) -> PointNm:
    # Adding zero turns -0.0 into 0.0.
    x, y, z = (float(v) + 0.0 for v in vector)
    return x, y, z
