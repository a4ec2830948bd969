"""Precomputed volumes, meshes and flat datastacks.

cloud-volume is loaded when the first volume is opened, not by importing this.
"""

from __future__ import annotations

from connectome.precomputed.datastack import PrecomputedDatastack
from connectome.precomputed.layers import (
    MappedSegmentation,
    PrecomputedImagery,
    PrecomputedSegmentation,
    supervoxel_at,
)
from connectome.precomputed.meshes import PrecomputedMeshes
from connectome.precomputed.volume import PrecomputedVolume, normal_url

__all__ = [
    "MappedSegmentation",
    "PrecomputedDatastack",
    "PrecomputedImagery",
    "PrecomputedMeshes",
    "PrecomputedSegmentation",
    "PrecomputedVolume",
    "normal_url",
    "supervoxel_at",
]
