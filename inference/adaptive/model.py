"""What an adaptive judge knows: how to correct the answers of the models it starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from connectome.errors import ModelError

__all__ = ["AdaptiveModel", "Rows", "Scaling"]

Floats = NDArray[np.float64]

_FAR = 4.0
"""Standardised values beyond this count as this: one odd number must not decide alone."""


@dataclass(frozen=True)
class Rows:
    """Questions about pairs, as numbers.

    Parameters
    ----------
    base : ndarray, shape (n,)
        Logit of the calibrated answer of the models that the adaptive judge starts from.
    features : ndarray, shape (n, d)
        What was measured on each pair; NaN where something could not be.
    """

    base: Floats
    features: NDArray[np.floating]

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.base.shape != self.features.shape[:1]:
            msg = f"{self.base.shape} answers and {self.features.shape} features do not fit"
            raise ValueError(msg)

    def __len__(self) -> int:
        return len(self.base)

    def take(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> Rows:
        """Return some rows."""
        return Rows(self.base[chosen], self.features[chosen])


@dataclass(frozen=True)
class Scaling:
    """How features are brought to one scale, from all candidates of the dataset.

    Parameters
    ----------
    names : tuple of str
        The features, in order.
    middle, spread : tuple of float
        Median and robust deviation of each.
    """

    names: tuple[str, ...]
    middle: tuple[float, ...]
    spread: tuple[float, ...]

    @classmethod
    def of(cls, names: tuple[str, ...], features: NDArray[np.floating]) -> Self:
        """Measure the scale of candidates (n, d); answers are not needed for it."""
        if features.shape[1:] != (len(names),):
            msg = f"{len(names)} names do not fit features of shape {features.shape}"
            raise ValueError(msg)
        if features.size == 0:
            return cls(names, (0.0,) * len(names), (1.0,) * len(names))
        known = np.where(np.isfinite(features), features, np.nan).astype(np.float64)
        # A column that is nowhere known says nothing, and has no median.
        known[:, np.isnan(known).all(axis=0)] = 0.0
        low, middle, high = np.nanpercentile(known, [15.87, 50, 84.13], axis=0)
        deviation = np.nanstd(known, axis=0)
        spread = np.where(high > low, (high - low) / 2, np.where(deviation > 0, deviation, 1.0))
        return cls(names, tuple(middle.tolist()), tuple(spread.tolist()))

    def standard(self, features: NDArray[np.floating]) -> Floats:
        """Return features (n, d) in deviations from the median; what is missing is 0."""
        if features.shape[1:] != (len(self.names),):
            raise ModelError(
                f"The adaptive judge knows {len(self.names)} numbers of a pair, not "
                f"{features.shape[1]}.",
                "It was fitted with other models; start a new one for these.",
            )
        values = (features - np.asarray(self.middle)) / np.asarray(self.spread)
        return np.clip(np.where(np.isfinite(values), values, 0.0), -_FAR, _FAR)


@dataclass(frozen=True)
class AdaptiveModel:
    """A correction of base logits: ``slope * base + shift + standardised features @ weights``.

    Slope and shift are the local recalibration (an inverse temperature and a change of the
    prior odds); weights of zero leave it at that, and the untouched model gives back the base.

    Parameters
    ----------
    scaling : Scaling
        How the features are standardised.
    weights : tuple of float
        One for each feature.
    """

    scaling: Scaling
    slope: float
    shift: float
    weights: tuple[float, ...]

    @classmethod
    def untouched(cls, scaling: Scaling) -> Self:
        """Return the model that says what the base says."""
        return cls(scaling, 1.0, 0.0, (0.0,) * len(scaling.names))

    def corrected(self, slope: float, shift: float, weights: Floats) -> AdaptiveModel:
        """Return a model with another correction and the same scaling."""
        return replace(
            self, slope=float(slope), shift=float(shift), weights=tuple(weights.tolist())
        )

    def logits(self, rows: Rows) -> Floats:
        """Return corrected logits, shape (n,).

        Raises
        ------
        ModelError
            If the rows have other features than the model.
        """
        moved = self.scaling.standard(rows.features) @ np.asarray(self.weights)
        return np.asarray(self.slope * rows.base + self.shift + moved, np.float64)

    def probabilities(self, rows: Rows) -> Floats:
        """Return the chance of yes, shape (n,); raises as `logits` does."""
        return np.asarray(expit(self.logits(rows)))
