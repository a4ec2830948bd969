"""The geometry tensor on the graphics device that octarine draws with.

The materials of octarine's engine write eight bits a channel and keep their depth to
themselves, so a shader of our own writes normals and depth as numbers.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError
from connectome.space import PointNm
from rendering.geometry.assemble import EMPTY, Layer, View, assembled, checked, nearest
from rendering.geometry.contact import contact_surfaces
from rendering.geometry.tensor import GeometrySpec, GeometryTensor
from rendering.octarine_views import graphics_error, prepare_environment
from rendering.surfaces import Surface

__all__ = ["OctarineGeometry", "gpu_found"]

Singles = NDArray[np.float32]

_SHADER = """
struct Camera { toward: mat4x4<f32>, scale: vec4<f32> };
@group(0) @binding(0) var<uniform> camera: Camera;

struct Point {
    @builtin(position) at: vec4<f32>,
    @location(0) normal: vec3<f32>,
    @location(1) depth: f32,
};

@vertex
fn project(@location(0) position: vec3<f32>, @location(1) normal: vec3<f32>) -> Point {
    let seen = (camera.toward * vec4<f32>(position, 0.0)).xyz / camera.scale.x;
    let near = 0.5 - 0.5 * seen.z / camera.scale.y;
    return Point(
        vec4<f32>(seen.xy, near, 1.0),
        (camera.toward * vec4<f32>(normal, 0.0)).xyz,
        seen.z,
    );
}

@fragment
fn write(point: Point, @builtin(front_facing) front: bool) -> @location(0) vec4<f32> {
    let unit = normalize(point.normal);
    return vec4<f32>(select(-0.5 * unit, unit, front), point.depth);
}
"""
"""Normals seen from the front are 1 long, others are turned over and half as long."""
_FORMAT = "rgba32float"
_PIXEL_BYTES = 16
_ROW_BYTES = 256
"""Rows of a texture are copied to memory in multiples of this."""
_UNIFORM_BYTES = 256
"""A camera and its scales take 80; uniforms lie at multiples of this."""


class OctarineGeometry:
    """Draws on a graphics device; safe to share between threads, which wait for each other."""

    name = "octarine"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._device: _Device | None = None

    def draw(
        self,
        surfaces: Sequence[Surface],
        spec: GeometrySpec,
        center_nm: PointNm = (0.0, 0.0, 0.0),
    ) -> GeometryTensor:
        """Return the tensor; see `rendering.backend.GeometryBackend`."""
        surfaces = checked(surfaces)
        every = [*surfaces, *contact_surfaces(surfaces, spec)]
        with self._lock:
            pixels = self._pixels(every, spec)
        views = [_view(view, len(surfaces)) for view in pixels]
        return assembled(views, spec, center_nm)

    def _pixels(self, surfaces: Sequence[Surface], spec: GeometrySpec) -> Singles:
        device = self._device or _start()
        self._device = None
        try:
            pixels = device.draw(surfaces, spec)
        except _graphics_failures() as error:
            # The device may be lost: the next call starts on a new one.
            raise graphics_error(error) from error
        self._device = device
        return pixels


def _view(pixels: Singles, count: int) -> View:
    """Return one view from what was drawn, shape (surfaces, rows, columns, 4)."""
    layers = [
        Layer(one[..., 3], (np.square(one[..., :3]).sum(axis=-1) > 0.5).astype(np.uint8))
        for one in pixels
    ]
    owner, depth = nearest(layers[:count])
    normals = pixels[0, ..., :3]
    if count == 2:
        normals = np.where((owner == 2)[..., None], pixels[1, ..., :3], normals)
    length = np.sqrt(np.square(normals).sum(axis=-1, keepdims=True))
    normals = np.moveaxis(normals / np.maximum(length, 1e-12), -1, 0)
    masks = [layer.depth > EMPTY for layer in layers]
    return View(owner, depth, normals, masks[:count], masks[count:])


class _Device:
    """A device with what does not change from drawing to drawing."""

    def __init__(self, device: Any) -> None:
        import wgpu

        self._wgpu = wgpu
        self._device = device
        shader = device.create_shader_module(code=_SHADER)
        visible = wgpu.ShaderStage.VERTEX
        self._layout = device.create_bind_group_layout(
            entries=[
                {
                    "binding": 0,
                    "visibility": visible,
                    "buffer": {"type": "uniform", "has_dynamic_offset": True},
                }
            ]
        )
        self._pipeline = device.create_render_pipeline(
            layout=device.create_pipeline_layout(bind_group_layouts=[self._layout]),
            vertex={
                "module": shader,
                "entry_point": "project",
                "buffers": [_stream(0), _stream(1)],
            },
            primitive={"topology": "triangle-list", "front_face": "ccw", "cull_mode": "none"},
            depth_stencil={
                "format": "depth32float",
                "depth_write_enabled": True,
                "depth_compare": "less",
            },
            fragment={
                "module": shader,
                "entry_point": "write",
                "targets": [{"format": _FORMAT}],
            },
        )

    def draw(self, surfaces: Sequence[Surface], spec: GeometrySpec) -> Singles:
        """Return normals and depth, shape (views, surfaces, rows, columns, 4).

        All are drawn into one texture, one beside the other, and read back at once.
        """
        size, columns, rows = spec.size_px, len(surfaces), len(spec.views)
        color = self._texture(columns * size, rows * size, _FORMAT)
        depth = self._texture(columns * size, rows * size, "depth32float")
        encoder = self._device.create_command_encoder()
        render = encoder.begin_render_pass(
            color_attachments=[
                {
                    "view": color.create_view(),
                    "clear_value": (0, 0, 0, EMPTY),
                    "load_op": "clear",
                    "store_op": "store",
                }
            ],
            depth_stencil_attachment={
                "view": depth.create_view(),
                "depth_clear_value": 1.0,
                "depth_load_op": "clear",
                "depth_store_op": "discard",
            },
        )
        render.set_pipeline(self._pipeline)
        cameras = self._cameras(spec)
        for column, surface in enumerate(surfaces):
            if surface.empty:
                continue
            self._bind(render, surface)
            for row in range(rows):
                render.set_bind_group(0, cameras, [row * _UNIFORM_BYTES])
                x, y = column * size, row * size
                render.set_viewport(x, y, size, size, 0.0, 1.0)
                render.set_scissor_rect(x, y, size, size)
                render.draw_indexed(surface.faces.size)
        render.end()
        self._device.queue.submit([encoder.finish()])
        pixels = self._read(color, columns * size, rows * size)
        return pixels.reshape(rows, size, columns, size, 4).swapaxes(1, 2)

    def _texture(self, width: int, height: int, format_: str) -> Any:
        usage = self._wgpu.TextureUsage
        return self._device.create_texture(
            size=(width, height, 1),
            format=format_,
            usage=usage.RENDER_ATTACHMENT | usage.COPY_SRC,
        )

    def _cameras(self, spec: GeometrySpec) -> Any:
        cameras = np.zeros((len(spec.views), _UNIFORM_BYTES // 4), np.float32)
        for row, camera in zip(cameras, spec.cameras(), strict=True):
            toward = np.eye(4)
            toward[:3, :3] = camera
            # The shader reads matrices column by column.
            row[:16] = toward.T.ravel()
            row[16:18] = spec.half_extent_nm, spec.crop_factor
        buffer = self._device.create_buffer_with_data(
            data=cameras, usage=self._wgpu.BufferUsage.UNIFORM
        )
        binding = {"buffer": buffer, "offset": 0, "size": _UNIFORM_BYTES}
        return self._device.create_bind_group(
            layout=self._layout, entries=[{"binding": 0, "resource": binding}]
        )

    def _bind(self, render: Any, surface: Surface) -> None:
        usage = self._wgpu.BufferUsage
        for slot, values in enumerate((surface.positions, surface.normals)):
            buffer = self._device.create_buffer_with_data(data=values, usage=usage.VERTEX)
            render.set_vertex_buffer(slot, buffer)
        buffer = self._device.create_buffer_with_data(data=surface.faces, usage=usage.INDEX)
        render.set_index_buffer(buffer, "uint32")

    def _read(self, texture: Any, width: int, height: int) -> Singles:
        stride = -(-width * _PIXEL_BYTES // _ROW_BYTES) * _ROW_BYTES
        content = self._device.queue.read_texture(
            {"texture": texture, "mip_level": 0, "origin": (0, 0, 0)},
            {"offset": 0, "bytes_per_row": stride, "rows_per_image": height},
            (width, height, 1),
        )
        rows: Singles = np.frombuffer(content, np.float32).reshape(height, stride // 4)
        return rows[:, : width * 4].reshape(height, width, 4)


def _stream(slot: int) -> dict[str, Any]:
    """Return how three floats of each vertex are read."""
    attribute = {"format": "float32x3", "offset": 0, "shader_location": slot}
    return {"array_stride": 12, "step_mode": "vertex", "attributes": [attribute]}


def _start() -> _Device:
    prepare_environment()
    try:
        import pygfx
        import wgpu  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "Geometry is drawn with the package pygfx, which is not installed.",
            "Install Proofdesk with its extra: pip install 'proofdesk[render]'.",
        ) from error
    try:
        adapter = pygfx.renderers.wgpu.get_shared().adapter
        # A device of our own: when it is lost, another one can be had.
        return _Device(adapter.request_device_sync(label="proofdesk geometry"))
    except _graphics_failures() as error:
        raise graphics_error(error) from error


def _graphics_failures() -> tuple[type[Exception], ...]:
    """Return what wgpu raises for a missing driver, a lost device or exhausted memory."""
    import wgpu

    return (wgpu.GPUError, wgpu.GPUPipelineError, RuntimeError, OSError, MemoryError)


def gpu_found() -> bool:
    """Tell whether there is any graphics adapter that no program plays; loads no engine."""
    prepare_environment()
    try:
        import wgpu
    except ImportError:
        return False
    try:
        adapters = wgpu.gpu.enumerate_adapters_sync()
    except _graphics_failures():
        return False
    return any(str(one.info.get("adapter_type", "")).endswith("GPU") for one in adapters)
