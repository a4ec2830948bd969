"""Where the answers of a fold's models are an honest test."""

from __future__ import annotations

from inference.datasets.folds import Fold
from inference.datasets.volumes import TruthVolume
from inference.models.manifest import Block

__all__ = ["held_out_block"]


def held_out_block(fold: Fold, volume: TruthVolume) -> Block:
    """Return the test block of a fold, in nm of the volume."""
    nz, ny, nx = volume.em.shape
    x, y, z = volume.voxel_nm
    low, high = fold.test_z
    return Block(low_nm=(0.0, 0.0, low * z), high_nm=(nx * x, ny * y, min(high, nz) * z))
