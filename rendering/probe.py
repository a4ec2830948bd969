"""What this machine can draw with, for `proofdesk doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectome.errors import GraphicsError, MissingPackageError
from rendering.octarine_views import graphics_error, octarine_views, prepare_environment
from rendering.spec import RenderSpec

__all__ = ["GraphicsReport", "probe_graphics"]


@dataclass(frozen=True)
class GraphicsReport:
    """What meshes are drawn with, or why they cannot be drawn.

    Parameters
    ----------
    works : bool
        Whether a picture was drawn just now.
    adapter : str
        Name of the graphics adapter; empty if there is none.
    backend : str
        ``Vulkan``, ``OpenGL``, ``Metal`` or ``D3D12``; empty if there is none.
    software : bool
        Whether a program on the CPU plays the adapter.
    reason, remedy : str
        Why nothing can be drawn and what mends it; empty if it works.
    """

    works: bool
    adapter: str = ""
    backend: str = ""
    software: bool = False
    reason: str = ""
    remedy: str = ""


def probe_graphics() -> GraphicsReport:
    """Draw an empty picture and tell with what, or why not; never raises for graphics."""
    try:
        info = _adapter_info()
        octarine_views().draw([], RenderSpec(size_px=16, views=("top",)))
    except (GraphicsError, MissingPackageError) as error:
        return GraphicsReport(works=False, reason=error.message, remedy=error.hint)
    name = str(info.get("device") or info.get("description") or "unnamed adapter")
    kind = str(info.get("adapter_type", ""))
    return GraphicsReport(
        works=True,
        adapter=name,
        backend=str(info.get("backend_type", "")),
        software=kind.upper() == "CPU" or "llvmpipe" in name.lower(),
    )


def _adapter_info() -> dict[str, Any]:
    prepare_environment()
    try:
        import pygfx
        import wgpu
    except ImportError as error:
        raise MissingPackageError(
            "The pictures of meshes need the package pygfx, which is not installed.",
            "Install Proofdesk with its extra: pip install 'proofdesk[render]'.",
        ) from error
    try:
        # The very adapter that pygfx draws with, not the first one of the machine.
        return dict(pygfx.renderers.wgpu.get_shared().adapter.info)
    except (wgpu.GPUError, RuntimeError, OSError) as error:
        raise graphics_error(error) from error
