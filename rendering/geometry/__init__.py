"""The geometry tensor: what a judge of shapes is given of a site."""

from rendering.geometry.merged import merged
from rendering.geometry.tensor import CHANNELS, GeometrySpec, GeometryTensor

__all__ = ["CHANNELS", "GeometrySpec", "GeometryTensor", "merged"]
