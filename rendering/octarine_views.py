"""Views of meshes by octarine, without a screen.

One viewer serves the whole process: making one takes seconds, and lavapipe keeps
memory for each. Meshes are swapped in and out. Nothing is written to disk.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import GraphicsError, MissingPackageError
from rendering.camera import VIEWS, ViewAxes
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["OctarineViews", "graphics_error", "octarine_views", "prepare_environment"]

_REMEDY = (
    "Install a Vulkan driver (Debian and Ubuntu: sudo apt-get install libvulkan1 "
    "mesa-vulkan-drivers) and see `proofdesk doctor`."
)


def prepare_environment() -> None:
    """Give Mesa's Vulkan driver the runtime folder that it insists on, where there is none."""
    if not os.environ.get("XDG_RUNTIME_DIR"):
        folder = Path(tempfile.gettempdir()) / f"proofdesk-runtime-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["XDG_RUNTIME_DIR"] = str(folder)


def graphics_error(cause: BaseException) -> GraphicsError:
    """Return the error for a machine that cannot draw."""
    # wgpu puts the reason last, followed by every driver it has tried.
    reason = (str(cause).strip().split("\n")[-1].strip().split(";")[0] or repr(cause))[:200]
    return GraphicsError(f"Meshes cannot be drawn on this machine: {reason}.", _REMEDY)


@lru_cache(maxsize=1)
def octarine_views() -> OctarineViews:
    """Return the one backend of this process; nothing is started before it draws."""
    return OctarineViews()


class OctarineViews:
    """The octarine backend; safe to share between threads, which wait for each other."""

    name = "octarine"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewer: Any = None

    def draw(self, surfaces: Sequence[Surface], spec: RenderSpec) -> dict[str, NDArray[np.uint8]]:
        """Return one picture (size_px, size_px, 3) per view; see `ViewBackend`."""
        with self._lock:
            viewer = self._ready_viewer()
            try:
                return _draw(viewer, surfaces, spec)
            except _graphics_failures() as error:
                # The device may be lost: the next call starts a new viewer.
                self._viewer = None
                raise graphics_error(error) from error

    def _ready_viewer(self) -> Any:
        if self._viewer is None:
            self._viewer = _start()
        return self._viewer


def _start() -> Any:
    prepare_environment()
    try:
        import octarine
    except ImportError as error:
        raise MissingPackageError(
            "The pictures of meshes need the package octarine3d, which is not installed.",
            "Install Proofdesk with its extra: pip install 'proofdesk[render]'.",
        ) from error
    try:
        return octarine.Viewer(
            offscreen=True, camera="ortho", control="trackball", size=(256, 256), headlight=True
        )
    except _graphics_failures() as error:
        raise graphics_error(error) from error


def _graphics_failures() -> tuple[type[Exception], ...]:
    """Return what wgpu raises for a missing driver, a lost device or exhausted memory."""
    import wgpu

    return (wgpu.GPUError, wgpu.GPUPipelineError, RuntimeError, OSError, MemoryError)


def _draw(
    viewer: Any, surfaces: Sequence[Surface], spec: RenderSpec
) -> dict[str, NDArray[np.uint8]]:
    _apply(viewer, spec)
    try:
        for index, surface in enumerate(surfaces):
            if not surface.empty:
                viewer.add(_to_mesh(surface, spec), name=str(index), center=False)
        return {name: _shoot(viewer, VIEWS[name], spec) for name in spec.views}
    finally:
        viewer.clear()


def _apply(viewer: Any, spec: RenderSpec) -> None:
    """State every switch of the scene that has a default."""
    import pygfx

    viewer.resize((spec.size_px, spec.size_px))
    viewer.renderer.pixel_ratio = spec.pixel_ratio
    viewer.renderer.ppaa = spec.antialias
    viewer.renderer.pixel_filter = spec.pixel_filter
    viewer.set_bgcolor(spec.background)
    viewer.shadows = False
    right, up = spec.headlight_offset
    viewer.headlight = (right, up, 0.0)
    for light in viewer.lights:
        if isinstance(light, pygfx.AmbientLight):
            light.intensity = spec.ambient
        elif light.visible:
            light.intensity = spec.headlight
            light.color = "#ffffff"


def _to_mesh(surface: Surface, spec: RenderSpec) -> Any:
    import pygfx

    material = pygfx.MeshPhongMaterial(
        color=surface.color,
        side="both",
        flat_shading=False,
        specular=spec.specular,
        shininess=spec.shininess,
        pick_write=False,
    )
    geometry = pygfx.Geometry(
        positions=surface.positions, normals=surface.normals, indices=surface.faces
    )
    return pygfx.Mesh(geometry, material)


def _shoot(viewer: Any, axes: ViewAxes, spec: RenderSpec) -> NDArray[np.uint8]:
    camera = viewer.camera
    width = 2 * spec.half_extent_nm
    # Whole faces may stick out of the crop cube; twice its reach covers them.
    reach = 2 * spec.half_extent_nm * max(spec.crop_factor, 1.0)
    camera.maintain_aspect = True
    camera.zoom = 1
    camera.width = camera.height = width
    camera.depth_range = (reach, 3 * reach)
    matrix = axes.rotation()
    matrix[:3, 3] = np.multiply(axes.forward, -2 * reach)
    camera.local.matrix = matrix
    # A copy: the canvas hands out its own buffer.
    return np.array(viewer.canvas.draw()[..., :3], dtype=np.uint8)
