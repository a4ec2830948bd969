"""Which specs fit a datastack.

Judges see what they were trained on, and people see more of the surroundings. The
numbers are for 10 nm voxels and grow with coarser ones.
"""

from __future__ import annotations

from dataclasses import replace

from connectome.datastack import Datastack
from connectome.space import Scale
from rendering.spec import EMSpec, RenderSpec

__all__ = ["PERSON_EM", "PERSON_RENDER", "Specs", "specs_for", "specs_for_scale"]

PERSON_RENDER = RenderSpec(half_extent_nm=1250.0, size_px=384)
"""Views for people at 10 nm voxels."""
PERSON_EM = EMSpec(half_extent_nm=700.0, size_px=320)
"""Slices for people at 10 nm voxels."""

Specs = tuple[RenderSpec, EMSpec, EMSpec]
"""Views for people, slices for judges, slices for people."""


def specs_for(datastack: Datastack) -> Specs:
    """Return views for people, slices for judges and slices for people."""
    return specs_for_scale(datastack.segmentation.scales[0])


def specs_for_scale(scale: Scale) -> Specs:
    """Return the specs for a grid of voxels; see `specs_for`.

    Views grow with the longest edge of a voxel (a neurite has to be followed over some
    sections), people's slices with the cube root of its volume. Judges' slices change
    only where a pixel would be finer than the finest edge: a judge answers for one spec
    and refuses others.
    """
    x, y, z = scale.voxel_nm
    reach = max(max(x, y, z) / 10.0, 1.0)
    detail = max((x * y * z) ** (1 / 3) / 10.0, 1.0)
    finest = max(min(x, y, z) / 10.0, 1.0)
    return (
        replace(PERSON_RENDER, half_extent_nm=_neat(PERSON_RENDER.half_extent_nm * reach)),
        replace(EMSpec(), half_extent_nm=_neat(EMSpec().half_extent_nm * finest)),
        replace(PERSON_EM, half_extent_nm=_neat(PERSON_EM.half_extent_nm * detail)),
    )


def _neat(length_nm: float) -> float:
    """Return the length rounded to 10 nm, so that equal grids get equal hashes."""
    return 10.0 * round(length_nm / 10.0)
