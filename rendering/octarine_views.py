"""Views of meshes by octarine, without a screen.

One viewer serves the whole process: making one takes seconds, and lavapipe keeps
memory for each. Meshes are swapped in and out, and stay for the next look at the same
scene. Nothing is written to disk.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import GraphicsError, MissingPackageError
from connectome.space import PointNm
from rendering.camera import CameraSpec
from rendering.octarine_stage import Stage
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = [
    "DrawTimes",
    "OctarineViews",
    "graphics_error",
    "octarine_views",
    "prepare_environment",
]

RGB = NDArray[np.uint8]

_REMEDY = (
    "Install a Vulkan driver (Debian and Ubuntu: sudo apt-get install libvulkan1 "
    "mesa-vulkan-drivers) and see `proofdesk doctor`."
)


@dataclass(frozen=True)
class DrawTimes:
    """Seconds that the last drawing took.

    Parameters
    ----------
    upload_s : float
        Handing meshes over; nothing where the same scene is looked at again. The
        transfer itself belongs to the first picture.
    draw_s : float
        Until the pictures were finished.
    read_s : float
        Bringing them back.
    """

    upload_s: float = 0.0
    draw_s: float = 0.0
    read_s: float = 0.0


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
        self._stage: Stage | None = None
        self._times = DrawTimes()

    @property
    def times(self) -> DrawTimes:
        """Where the time of the last drawing went."""
        return self._times

    def draw(
        self, surfaces: Sequence[Surface], spec: RenderSpec, neighbours: Sequence[Surface] = ()
    ) -> dict[str, RGB]:
        """Return one picture (size_px, size_px, 3) per view; see `ViewBackend`."""
        half = spec.half_extent_nm
        cameras = [CameraSpec.of_view(name, (0.0, 0.0, 0.0), half) for name in spec.views]
        pictures = self.look(surfaces, cameras, spec, neighbours=neighbours)
        return dict(zip(spec.views, pictures, strict=True))

    def look(
        self,
        surfaces: Sequence[Surface],
        cameras: Sequence[CameraSpec],
        spec: RenderSpec,
        *,
        origin_nm: PointNm = (0.0, 0.0, 0.0),
        neighbours: Sequence[Surface] = (),
    ) -> list[RGB]:
        """Return one picture (size_px, size_px, 3) per camera.

        Parameters
        ----------
        surfaces, neighbours : sequence of Surface
            What is drawn solid and what is drawn translucent, relative to the origin.
        cameras : sequence of CameraSpec
            Where from; their extents hold, not that of the spec.
        origin_nm : tuple of float
            Where the surfaces' own origin is.

        Raises
        ------
        GraphicsError
            If this machine cannot draw, or has lost its graphics device twice.
        """
        solid, faint = _with_faces(surfaces), _with_faces(neighbours)
        with self._lock:
            try:
                return self._try(solid, faint, cameras, spec, origin_nm)
            except _graphics_failures() as error:
                if self._stage is None:
                    # There is nothing that a second start would find.
                    raise graphics_error(error) from error
                # The device may be lost or its memory full: start anew, once.
                self._stage = None
            try:
                return self._try(solid, faint, cameras, spec, origin_nm)
            except _graphics_failures() as error:
                self._stage = None
                raise graphics_error(error) from error

    def _try(
        self,
        solid: tuple[Surface, ...],
        faint: tuple[Surface, ...],
        cameras: Sequence[CameraSpec],
        spec: RenderSpec,
        origin_nm: PointNm,
    ) -> list[RGB]:
        if self._stage is None:
            self._stage = Stage(_start())
        stage = self._stage
        stage.begin()
        stage.apply(spec)
        stage.load(solid, faint, spec)
        pictures = []
        for camera in cameras:
            stage.aim(camera, origin_nm)
            picture = stage.shoot(with_faint=False)
            if faint:
                ahead = stage.shoot(with_faint=True)
                picture = _mixed(picture, ahead, spec.neighbour_opacity)
            pictures.append(_softened(picture) if spec.antialias == "soft" else picture)
        self._times = DrawTimes(*stage.times)
        return pictures


def _with_faces(surfaces: Sequence[Surface]) -> tuple[Surface, ...]:
    return tuple(surface for surface in surfaces if not surface.empty)


def _mixed(below: RGB, above: RGB, opacity: float) -> RGB:
    """Return the pictures mixed: equal where no neighbour stands in front.

    Mixing two opaque pictures needs no order of drawing, and a neighbour's far side
    never shows through its near side.
    """
    mixed = below + (above.astype(np.float32) - below) * np.float32(opacity)
    return np.asarray(mixed.round().astype(np.uint8))


def _softened(picture: RGB) -> RGB:
    from rendering.smoothing import smoothed

    return smoothed(picture)


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
    except AttributeError as error:
        # WORKAROUND pygfx 0.17: where the first start of a process finds no device, what
        # all viewers share stays half made, and the next start stumbles over it.
        raise RuntimeError("no graphics device was found when it was first asked for") from error


def _graphics_failures() -> tuple[type[Exception], ...]:
    """Return what wgpu raises for a missing driver, a lost device or exhausted memory."""
    try:
        import wgpu
    except ImportError:
        # Then nothing was drawn, and the error says what to install.
        return ()
    return (wgpu.GPUError, wgpu.GPUPipelineError, RuntimeError, OSError, MemoryError)
