"""The geometry tensor on processors: a z-buffer that numba compiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm
from rendering.geometry.assemble import EMPTY, Layer, View, assembled, checked, nearest
from rendering.geometry.contact import contact_surfaces
from rendering.geometry.tensor import GeometrySpec, GeometryTensor
from rendering.surfaces import Surface

__all__ = ["NumbaGeometry", "numba_installed"]

Floats = NDArray[np.float64]

_KERNELS = 3
"""How many functions are compiled."""


class _Drawn(NamedTuple):
    """One surface in one view."""

    layer: Layer
    points: Floats
    face: NDArray[np.int32]


class NumbaGeometry:
    """Draws with compiled loops; threads that share it need not wait for each other.

    One tensor is drawn by one thread: handing views to several took longer than it won.
    The loops let go of the interpreter, so several sites may be drawn at the same time.
    """

    name = "numba"

    def warm_up(self) -> None:
        """Compile, or read what was compiled before; the first drawing does it otherwise."""
        _kernels()

    def draw(
        self,
        surfaces: Sequence[Surface],
        spec: GeometrySpec,
        center_nm: PointNm = (0.0, 0.0, 0.0),
    ) -> GeometryTensor:
        """Return the tensor; see `rendering.backend.GeometryBackend`."""
        surfaces = checked(surfaces)
        kernels = _kernels()
        every = [*surfaces, *contact_surfaces(surfaces, spec)]
        views = [
            _view(kernels, surfaces, camera, [_drawn(kernels, s, camera, spec) for s in every])
            for camera in spec.cameras()
        ]
        return assembled(views, spec, center_nm)


def numba_installed() -> bool:
    """Tell whether this backend can draw, without loading numba."""
    return find_spec("numba") is not None


@lru_cache(maxsize=1)
def _kernels() -> ModuleType:
    """Return the compiled functions, ready to run.

    Raises
    ------
    MissingPackageError
        If numba is not installed.
    """
    from rendering.geometry import kernels

    for _ in range(_KERNELS + 1):
        try:
            _run_once(kernels)
        except OSError:
            # The disk is full. What could not be written there is kept in memory, so the
            # next run gets one function further.
            continue
        break
    return kernels


def _run_once(kernels: ModuleType) -> None:
    corners = np.array([[-1, -1, 0], [1, -1, 0], [0, 1, 0]], np.float32)
    faces = np.array([[0, 1, 2]], np.int32)
    surfaces = checked(
        [Surface(corners, np.tile(np.array([0, 0, 1], np.float32), (3, 1)), faces, "#000000")]
    )
    spec = GeometrySpec(half_extent_nm=1.0, size_px=8, views=("top",))
    camera = spec.cameras()[0]
    _view(kernels, surfaces, camera, [_drawn(kernels, surfaces[0], camera, spec)])


def _drawn(kernels: ModuleType, surface: Surface, camera: Floats, spec: GeometrySpec) -> _Drawn:
    size = spec.size_px
    depth = np.empty((size, size), np.float32)
    outside = np.zeros((size, size), np.uint8)
    face = np.empty((size, size), np.int32)
    points = np.empty((len(surface.positions), 3), np.float64)
    kernels.project(surface.positions, camera, spec.half_extent_nm, size, points)
    kernels.draw_depth(points, surface.faces, spec.crop_factor, depth, face, outside)
    return _Drawn(Layer(depth, outside), points, face)


def _view(
    kernels: ModuleType, surfaces: Sequence[Surface], camera: Floats, drawn: Sequence[_Drawn]
) -> View:
    """Return one view of the surfaces; what was drawn after them is the contact."""
    count = len(surfaces)
    owner, depth = nearest([one.layer for one in drawn[:count]])
    normals = np.zeros((3, *owner.shape), np.float32)
    for index, surface in enumerate(surfaces):
        one = drawn[index]
        kernels.resolve(
            one.points,
            surface.faces,
            surface.normals,
            camera,
            owner,
            index + 1,
            one.face,
            normals,
        )
    return View(
        owner,
        depth,
        normals,
        [one.layer.depth > EMPTY for one in drawn[:count]],
        [one.layer.depth > EMPTY for one in drawn[count:]],
    )
