"""A scene to look at from anywhere: for a judge or a person who wants another look."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import PointNm
from rendering.annotations import decorate
from rendering.camera import CameraSpec
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["LookBackend", "Scene", "SceneContent", "Shot"]

RGB = NDArray[np.uint8]

_SIZES_PX = (32, 2048)
_EXTENTS_NM = (20.0, 1e7)


class LookBackend(Protocol):
    """Draws from any camera; see `rendering.octarine_views.OctarineViews.look`."""

    def look(
        self,
        surfaces: Sequence[Surface],
        cameras: Sequence[CameraSpec],
        spec: RenderSpec,
        *,
        origin_nm: PointNm = ...,
        neighbours: Sequence[Surface] = ...,
    ) -> list[RGB]:
        """Return one picture per camera."""
        ...


@dataclass(frozen=True)
class SceneContent:
    """What stands in a scene.

    Parameters
    ----------
    surfaces, neighbours : tuple of Surface
        Relative to the origin; neighbours are translucent.
    origin_nm : tuple of float
        Where the surfaces' own origin is, xyz.
    reach_nm : float
        Half the edge of the cube around the origin outside of which nothing was loaded.
    """

    surfaces: tuple[Surface, ...]
    origin_nm: PointNm
    reach_nm: float
    neighbours: tuple[Surface, ...] = ()

    def covers(self, camera: CameraSpec) -> bool:
        """Return whether all that the camera's middle plane shows was loaded."""
        half = camera.half_extent_nm
        offset = np.subtract(camera.center_nm, self.origin_nm)
        corners = [
            offset + half * (i * np.array(camera.right) + j * np.array(camera.up))
            for i in (-1, 1)
            for j in (-1, 1)
        ]
        return bool(np.abs(corners).max() <= self.reach_nm * (1 + 1e-6))


@dataclass(frozen=True)
class Shot:
    """A picture that tells how it was made.

    Parameters
    ----------
    rgb : ndarray, shape (size, size, 3), uint8
    camera : CameraSpec
        Where it was made from.
    spec : RenderSpec
        Its extent and size are those of the picture.
    complete : bool
        Whether everything in the field of view had been loaded; what is missing
        looks like empty space.
    """

    rgb: RGB
    camera: CameraSpec
    spec: RenderSpec
    complete: bool

    @property
    def nm_per_px(self) -> float:
        """Edge length of a pixel in nm."""
        return 2 * self.camera.half_extent_nm / len(self.rgb)

    def decorated(self) -> RGB:
        """Return the picture with cross-hair, scale bar and axes."""
        return decorate(self.rgb, self.nm_per_px, dark_ground=False, axes=self.camera.axes)

    def plain(self) -> dict[str, Any]:
        """Return what the picture is made again from, as what JSON can hold."""
        return {
            "camera": json.loads(self.camera.to_json()),
            "spec": {**asdict(self.spec), "hash": self.spec.hash},
            "complete": self.complete,
        }


class Scene:
    """Meshes and a camera that is moved among them.

    Parameters
    ----------
    content : SceneContent
        What is seen first.
    camera : CameraSpec or None
        Where from; the front of the origin at the extent of the spec if None.
    spec : RenderSpec
        Light, colours and size.
    backend : LookBackend or None
        What draws; octarine if None.
    load : callable or None
        Given the centre and the reach in nm that are needed, returns the content there;
        with None, nothing beyond the first content is ever seen, and pictures say so.
    """

    def __init__(
        self,
        content: SceneContent,
        spec: RenderSpec,
        camera: CameraSpec | None = None,
        *,
        backend: LookBackend | None = None,
        load: Callable[[PointNm, float], SceneContent] | None = None,
    ) -> None:
        self._content = content
        self._spec = spec
        self._start = camera or CameraSpec.of_view("front", content.origin_nm, spec.half_extent_nm)
        self._camera = self._start
        self._backend = backend
        self._load = load

    @property
    def camera(self) -> CameraSpec:
        """Where the next picture is made from."""
        return self._camera

    @property
    def start(self) -> CameraSpec:
        """Where the first picture was made from."""
        return self._start

    def look(self, camera: CameraSpec | str) -> None:
        """Put the camera anywhere, or to ``front``, ``side`` or ``top`` of where it looks.

        Raises
        ------
        InputError
            If there is no such view, or the extent is beyond all reason.
        """
        if isinstance(camera, str):
            now = self._camera
            camera = CameraSpec.of_view(camera, now.center_nm, now.half_extent_nm)
        low, high = _EXTENTS_NM
        if not low <= camera.half_extent_nm <= high:
            raise InputError(
                f"A view {2 * camera.half_extent_nm:g} nm wide shows nothing.",
                f"Choose a half extent between {low:g} and {high:g} nm.",
            )
        self._camera = camera

    def move(self, right_nm: float, up_nm: float) -> None:
        """Shift the camera in the plane of the picture.

        Raises
        ------
        InputError
            If a distance is no number.
        """
        self.look(self._camera.moved(_number(right_nm), _number(up_nm)))

    def zoom(self, factor: float) -> None:
        """Draw everything larger by a factor; below one shows more.

        Raises
        ------
        InputError
            If the factor is no positive number, or the extent is beyond all reason.
        """
        self.look(self._camera.zoomed(_number(factor)))

    def rotate(self, azimuth_deg: float, elevation_deg: float) -> None:
        """Carry the camera around what it looks at: to its right, then upwards.

        Raises
        ------
        InputError
            If an angle is no number.
        """
        self.look(self._camera.rotated(_number(azimuth_deg), _number(elevation_deg)))

    def reset(self) -> None:
        """Put the camera back to where it was first."""
        self._camera = self._start

    def render(self, size_px: int | None = None) -> Shot:
        """Return what the camera sees.

        Raises
        ------
        InputError
            If the size is unreasonable.
        GraphicsError
            If this machine cannot draw.
        """
        size = self._spec.size_px if size_px is None else size_px
        if not _SIZES_PX[0] <= size <= _SIZES_PX[1]:
            raise InputError(
                f"A picture cannot be {size} pixels wide.",
                f"Choose between {_SIZES_PX[0]} and {_SIZES_PX[1]}.",
            )
        camera, content = self._camera, self._covering(self._camera)
        spec = replace(self._spec, size_px=size, half_extent_nm=camera.half_extent_nm)
        (rgb,) = self._drawing().look(
            content.surfaces,
            [camera],
            spec,
            origin_nm=content.origin_nm,
            neighbours=content.neighbours,
        )
        return Shot(rgb, camera, spec, content.covers(camera))

    def _covering(self, camera: CameraSpec) -> SceneContent:
        if self._load is not None and not self._content.covers(camera):
            # A picture's diagonal lies along an axis after some turn; and the next step
            # is likely to be near.
            reach = 1.5 * math.sqrt(2) * camera.half_extent_nm
            self._content = self._load(camera.center_nm, reach)
        return self._content

    def _drawing(self) -> LookBackend:
        if self._backend is None:
            from rendering.octarine_views import octarine_views

            self._backend = octarine_views()
        return self._backend


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise InputError(f"{value} is no number to move a camera by.")
    return float(value)
