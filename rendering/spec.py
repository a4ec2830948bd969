"""What a picture of a site is, stated in full and hashable.

A judge trained on one spec refuses pictures made with another; the hashes stand in
the model's manifest and in every verdict.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["BEST", "COLOR_A", "COLOR_B", "EMSpec", "RenderSpec"]

COLOR_A = "#1f77b4"
"""Colour of the site's own segment in pictures, Neuroglancer, tables and text."""
COLOR_B = "#ff7f0e"
"""Colour of the partner segment, everywhere."""
COLOR_NEIGHBOUR = "#9a9a9a"
"""Colour of what stands around the two."""
BEST = "best"
"""The plane of EM slices in which a pair shows most."""


def _digest(content: dict[str, object]) -> str:
    packed = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(packed).hexdigest()[:16]


@dataclass(frozen=True)
class RenderSpec:
    """Orthographic views of meshes, every switch stated.

    Views (front, side, top) look along +X, +Y and -Z with up +Z, +Z and +Y. Nothing is
    left to a library's defaults: those of octarine have changed between releases.

    Parameters
    ----------
    half_extent_nm : float
        Half the width of the field of view.
    size_px : int
        Width and height of a picture.
    pixel_ratio : int
        Supersampling of the renderer.
    ambient : float
        Intensity of the light from everywhere.
    headlight : float
        Intensity of the light that travels with the camera.
    headlight_offset : tuple of float
        Where that light sits beside the camera: (right, up) per unit towards the viewer.
    specular, shininess : str, float
        Colour and sharpness of the highlights.
    antialias : str
        Post-processing of edges: ``"soft"`` (ours, on the processor), ``"ddaa"``,
        ``"fxaa"`` or ``"none"``; on a software rasteriser fxaa takes as long as
        everything else together, and ddaa twice as long.
    pixel_filter : str
        How a supersampled picture is brought to its size.
    crop_factor : float
        Faces that meet the cube of this many half extents are drawn.
    detail_px : float
        Vertices that fall into one cell of this many pixels become one; 0 keeps all.
    neighbour_opacity : float
        How much of a neighbour is seen where it stands in front, 0 to 1.
    ink : float
        How much darker the line is where one part stands before another, 0 to 1.
    ink_jump : float
        From how far before it, in half extents.
    version : int
        3: neighbours, ink, and light that darkens rims.
    """

    half_extent_nm: float = 1000.0
    size_px: int = 256
    pixel_ratio: int = 1
    color_a: str = COLOR_A
    color_b: str = COLOR_B
    color_neighbour: str = COLOR_NEIGHBOUR
    background: str = "#ffffff"
    views: tuple[str, ...] = ("front", "side", "top")
    ambient: float = 0.4
    headlight: float = 2.9
    headlight_offset: tuple[float, float] = (-0.3, 0.35)
    specular: str = "#161616"
    shininess: float = 30.0
    antialias: str = "soft"
    pixel_filter: str = "mitchell"
    crop_factor: float = 1.2
    detail_px: float = 1.0
    neighbour_opacity: float = 0.35
    ink: float = 0.55
    ink_jump: float = 0.016
    version: int = 3

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        return _digest({"kind": "render", **asdict(self)})


@dataclass(frozen=True)
class EMSpec:
    """Slices through a point, sampled isotropically.

    Parameters
    ----------
    half_extent_nm : float
        Half the width of the field of view.
    size_px : int
        Width and height of a slice.
    planes : tuple of str
        ``xy``, ``xz`` and ``yz``, and ``best`` for the oblique plane that shows most of
        a pair.
    low_percentile, high_percentile : float
        Grey values that become black and white, taken over the slices together.
    version : int
        2: the yz slice is Neuroglancer's yz panel, -z to the right.
    oblique_inner : float
        How near the centre, in half extents, a pair has to show in the best plane.
    """

    half_extent_nm: float = 320.0
    size_px: int = 64
    planes: tuple[str, ...] = ("xy", "xz", "yz")
    low_percentile: float = 1.0
    high_percentile: float = 99.0
    version: int = 2
    oblique_inner: float = 0.75

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        content = asdict(self)
        # Models were trained before this field was there, and their pictures are the same.
        if self.oblique_inner == type(self).oblique_inner:
            del content["oblique_inner"]
        return _digest({"kind": "em", **content})
