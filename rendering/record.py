"""What has to be known to make a picture again: its spec, its place and its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from connectome.space import PointNm
from rendering.camera import VIEWS
from rendering.em import PLANES
from rendering.spec import EMSpec, RenderSpec

__all__ = ["PictureRecord", "axes_of_plane", "axes_of_view"]

Axes = tuple[PointNm, PointNm, PointNm]


@dataclass(frozen=True)
class PictureRecord:
    """How one picture was made.

    Parameters
    ----------
    spec : RenderSpec or EMSpec
        Every switch; the extent in it is the one that was used.
    center_nm : tuple of float
        The point in the middle (between the four central pixels), xyz.
    axes : tuple of three tuples of float
        Unit vectors (x, y, z) to the right, downwards and into the picture.
    """

    spec: RenderSpec | EMSpec
    center_nm: PointNm
    axes: Axes

    def plain(self) -> Mapping[str, Any]:
        """Return it as what JSON can hold."""
        right, down, into = self.axes
        return {
            "center_nm": list(self.center_nm),
            "axes": {"right": list(right), "down": list(down), "into": list(into)},
            "spec": {**asdict(self.spec), "hash": self.spec.hash},
        }


def axes_of_view(name: str) -> Axes:
    """Return the axes of a coloured view, such as ``front``."""
    view = VIEWS[name]
    x, y, z = view.up
    return _floats(view.right), _floats((-x, -y, -z)), _floats(view.forward)


def axes_of_plane(name: str) -> Axes:
    """Return the axes of a slice along the volume's axes; into is right x down."""
    plane = PLANES[name]
    right, down = [0.0] * 3, [0.0] * 3
    right[plane.right], down[plane.down] = float(plane.right_sign), float(plane.down_sign)
    into = [
        right[(i + 1) % 3] * down[(i + 2) % 3] - right[(i + 2) % 3] * down[(i + 1) % 3]
        for i in range(3)
    ]
    return _floats(right), _floats(down), _floats(into)


def _floats(values: Any) -> PointNm:
    x, y, z = (float(value) + 0.0 for value in values)
    return (x, y, z)
