"""Probabilities that mean what they say, and how far they do."""

from inference.calibration.fitting import fit_calibration, fit_isotonic
from inference.calibration.measures import (
    BrierParts,
    ReliabilityBin,
    adaptive_calibration_error,
    brier_parts,
    calibration_error,
    calibration_floor,
    log_loss,
    maximum_calibration_error,
    reliability,
)
from inference.calibration.scaling import (
    calibrated,
    candidate_probability,
    fit_candidates,
    fit_slope_and_shift,
    fit_temperature,
    probabilities,
    with_share,
    yes_share,
)

__all__ = [
    "BrierParts",
    "ReliabilityBin",
    "adaptive_calibration_error",
    "brier_parts",
    "calibrated",
    "calibration_error",
    "calibration_floor",
    "candidate_probability",
    "fit_calibration",
    "fit_candidates",
    "fit_isotonic",
    "fit_slope_and_shift",
    "fit_temperature",
    "log_loss",
    "maximum_calibration_error",
    "probabilities",
    "reliability",
    "with_share",
    "yes_share",
]
