"""What has to be known to make a picture again: its spec, its place and its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from connectome.space import PointNm
from rendering.spec import EMSpec, RenderSpec

__all__ = ["PictureRecord"]


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
    details : mapping
        What else was found out on the way, ready for JSON, such as the contrast.
    """

    spec: RenderSpec | EMSpec
    center_nm: PointNm
    axes: tuple[PointNm, PointNm, PointNm]
    details: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        right, down, into = (list(axis) for axis in self.axes)
        return {
            "center_nm": list(self.center_nm),
            "axes": {"right": right, "down": down, "into": into},
            "spec": {"type": type(self.spec).__name__, **asdict(self.spec), "hash": self.spec.hash},
            **self.details,
        }
