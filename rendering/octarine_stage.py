"""One octarine viewer and what stands on it; `rendering.octarine_views` is the way in."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm
from rendering.camera import CameraSpec
from rendering.ink import ink_pass, set_ink
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["Stage"]

RGB = NDArray[np.uint8]


class Stage:
    """A viewer with the meshes that are on it; for one thread at a time."""

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._solid: tuple[Surface, ...] = ()
        self._faint: tuple[Surface, ...] = ()
        self._finish: tuple[object, ...] = ()
        self._faint_meshes: list[Any] = []
        self._radius_nm = 1.0
        self._spec = RenderSpec()
        self._ink_pass = ink_pass()
        self.times = [0.0, 0.0, 0.0]
        """Seconds of upload, drawing and reading back."""
        self._drawn = 0.0
        self._failure: Exception | None = None
        self._last: Any = None
        self._token = _token(viewer)
        # Its own loop draws an overlay too, which takes as long as small meshes.
        viewer.canvas.request_draw(self._render)

    def begin(self) -> None:
        """Start counting seconds anew."""
        self.times = [0.0, 0.0, 0.0]

    def apply(self, spec: RenderSpec) -> None:
        """State every switch of the scene that has a default."""
        import pygfx

        viewer = self._viewer
        if tuple(viewer.canvas.get_logical_size()) != (spec.size_px, spec.size_px):
            viewer.resize((spec.size_px, spec.size_px))
        viewer.renderer.pixel_ratio = spec.pixel_ratio
        self._apply_passes(spec)
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

    def _apply_passes(self, spec: RenderSpec) -> None:
        renderer = self._viewer.renderer
        # What is softened afterwards is read back as it was drawn.
        antialias = "none" if spec.antialias == "soft" else spec.antialias
        if renderer.ppaa != antialias:
            renderer.ppaa = antialias
        wanted = (self._ink_pass,) if spec.ink > 0 else ()
        others = tuple(p for p in renderer.effect_passes if p is not self._ink_pass)
        # Lines come first, so that they are softened too.
        if renderer.effect_passes != (*wanted, *others):
            renderer.effect_passes = (*wanted, *others)
        self._spec = spec

    def load(
        self, solid: tuple[Surface, ...], faint: tuple[Surface, ...], spec: RenderSpec
    ) -> None:
        """Put the meshes on, unless they are there already."""
        finish = (spec.specular, spec.shininess)
        if finish == self._finish and _same(solid, self._solid) and _same(faint, self._faint):
            return
        start = time.perf_counter()
        # Whatever fails from here on, the next scene is put on as a whole.
        self._finish = ()
        self._viewer.clear()
        for index, surface in enumerate(solid):
            self._viewer.add(_to_mesh(surface, spec), name=f"solid {index}", center=False)
        self._faint_meshes = [_to_mesh(surface, spec) for surface in faint]
        for index, mesh in enumerate(self._faint_meshes):
            self._viewer.add(mesh, name=f"faint {index}", center=False)
        self._radius_nm = max((_radius(s) for s in (*solid, *faint)), default=1.0)
        self._solid, self._faint, self._finish = solid, faint, finish
        self.times[0] += time.perf_counter() - start

    def aim(self, spec: CameraSpec, origin_nm: PointNm) -> None:
        """Set the camera; the origin is that of the surfaces."""
        camera = self._viewer.camera
        camera.maintain_aspect = True
        camera.zoom = 1
        camera.width = camera.height = 2 * spec.half_extent_nm
        local = np.subtract(spec.center_nm, origin_nm)
        # Nothing is cut off, however near it stands.
        reach = 1.01 * (self._radius_nm + float(np.linalg.norm(local)))
        camera.depth_range = (reach, 3 * reach)
        look = self._spec
        width_px = max(round(look.size_px * look.pixel_ratio / 256), 1)
        jump = look.ink_jump * spec.half_extent_nm / (2 * reach)
        set_ink(self._ink_pass, look.ink, width_px, jump)
        matrix = np.eye(4)
        matrix[:3, :3] = spec.frame.T
        matrix[:3, 3] = local - 2 * reach * np.array(spec.forward)
        camera.local.matrix = matrix

    def shoot(self, *, with_faint: bool) -> RGB:
        """Return the picture (size, size, 3).

        Raises
        ------
        Exception
            Whatever went wrong while drawing.
        """
        for mesh in self._faint_meshes:
            mesh.visible = with_faint
        start = time.perf_counter()
        self._drawn, self._failure = start, None
        before, self._last = self._last, self._viewer.canvas.draw()
        if self._failure is not None:
            raise self._failure
        if self._last is before:
            raise RuntimeError("the picture could not be read back")
        picture: RGB = np.ascontiguousarray(self._last[..., :3], dtype=np.uint8)
        self.times[1] += self._drawn - start
        self.times[2] += time.perf_counter() - self._drawn
        return picture

    def _render(self) -> None:
        try:
            renderer = self._viewer.renderer
            renderer.render(self._viewer.scene, self._viewer.camera)
            # This waits until all is drawn, as reading the picture would.
            renderer.device.queue.read_buffer(self._token)
        # The canvas logs whatever is raised in here and goes on to hand out its last
        # picture, of another site; so it is kept and raised outside.
        except Exception as error:  # noqa: BLE001
            self._failure = error
        self._drawn = time.perf_counter()


def _token(viewer: Any) -> Any:
    """Return a buffer of four bytes; reading it waits for the work before it."""
    import wgpu

    return viewer.renderer.device.create_buffer(size=4, usage=wgpu.BufferUsage.COPY_SRC)


def _same(one: tuple[Surface, ...], two: tuple[Surface, ...]) -> bool:
    return len(one) == len(two) and all(a is b for a, b in zip(one, two, strict=True))


def _radius(surface: Surface) -> float:
    """Return how far from the origin the surface's bounding box reaches, in nm."""
    low, high = surface.positions.min(axis=0), surface.positions.max(axis=0)
    return float(np.linalg.norm(np.maximum(np.abs(low), np.abs(high)).astype(np.float64))) + 1.0


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
