"""What draws surfaces, behind Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError
from connectome.space import PointNm
from rendering.geometry.tensor import GeometrySpec, GeometryTensor
from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["GeometryBackend", "ViewBackend", "best_geometry_backend"]


class ViewBackend(Protocol):
    """Draws the orthographic views of one site."""

    @property
    def name(self) -> str:
        """What draws, such as ``octarine``."""
        ...

    def draw(self, surfaces: Sequence[Surface], spec: RenderSpec) -> dict[str, NDArray[np.uint8]]:
        """Return one picture (size_px, size_px, 3) per view of the spec.

        The origin of the surfaces is in the middle (between the four central pixels)
        and the width is twice ``spec.half_extent_nm``. What is nearer hides what is
        farther, across surfaces. Surfaces without faces draw nothing.

        Raises
        ------
        GraphicsError
            If this machine cannot draw, or has just lost its graphics device.
        """
        ...


class GeometryBackend(Protocol):
    """Draws the geometry tensor of one site; safe to share between threads."""

    @property
    def name(self) -> str:
        """What draws, such as ``numba``."""
        ...

    def draw(
        self,
        surfaces: Sequence[Surface],
        spec: GeometrySpec,
        center_nm: PointNm = (0.0, 0.0, 0.0),
    ) -> GeometryTensor:
        """Return the tensor of one surface, or of two, A before B.

        A pixel belongs to a surface whose projection holds the pixel's centre. Of two
        surfaces the nearer is seen; at the very same depth that of which the outside is
        seen, then A. Faces without extent or with a vertex that is no number are not
        drawn; `rendering.surfaces` refuses such meshes before.

        Raises
        ------
        BrokenMeshError
            If a face names a vertex that does not exist.
        InputError
            If there are no surfaces, or more than two.
        GraphicsError
            If this machine cannot draw, or has just lost its graphics device.
        MissingPackageError
            If what the backend draws with is not installed.
        """
        ...


@lru_cache(maxsize=1)
def best_geometry_backend() -> GeometryBackend:
    """Return the fastest backend of this machine: the GPU, or else numba.

    A software rasteriser is used only where numba is missing.

    Raises
    ------
    MissingPackageError
        If neither is installed.
    """
    from rendering.octarine_geometry import OctarineGeometry, gpu_found
    from rendering.probe import probe_graphics
    from rendering.rasteriser import NumbaGeometry, numba_installed

    # The probe draws with octarine, which takes seconds to start.
    if numba_installed() and not gpu_found():
        return NumbaGeometry()
    report = probe_graphics()
    if report.works and (not report.software or not numba_installed()):
        return OctarineGeometry()
    if numba_installed():
        return NumbaGeometry()
    raise MissingPackageError(
        f"Geometry cannot be drawn: numba is not installed, and {report.reason}",
        "Install Proofdesk with its extra: pip install 'proofdesk[render]'.",
    )
