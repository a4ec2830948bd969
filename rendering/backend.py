"""What draws surfaces, behind one Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rendering.spec import RenderSpec
from rendering.surfaces import Surface

__all__ = ["ViewBackend"]


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
