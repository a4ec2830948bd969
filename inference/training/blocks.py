"""Where the answers of a fold's models are an honest test, and figures that are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.calibration import calibrated, calibration_error
from inference.datasets.folds import Fold
from inference.datasets.volumes import TruthVolume
from inference.models.manifest import Block, Calibration

__all__ = ["held_out_block", "held_out_metrics"]


def held_out_block(fold: Fold, volume: TruthVolume) -> Block:
    """Return the test block of a fold, in nm of the volume."""
    nz, ny, nx = volume.em.shape
    x, y, z = volume.voxel_nm
    low, high = fold.test_z
    return Block(low_nm=(0.0, 0.0, low * z), high_nm=(nx * x, ny * y, min(high, nz) * z))


def held_out_metrics(
    logits: NDArray[np.floating], truth: NDArray[np.bool_], calibration: Calibration
) -> dict[str, float]:
    """Return figures on the pairs that a calibration was fitted on: not a test."""
    yes = logits > 0
    balanced = (yes[truth].mean() + (~yes[~truth]).mean()) / 2
    chance = calibrated(logits, calibration)
    return {
        "calibration_block_balanced_accuracy": round(float(balanced), 4),
        "calibration_block_ece_15": round(calibration_error(chance, truth), 4),
        "calibration_block_pairs": float(len(truth)),
    }
