"""How long the adaptive judge takes to learn and to answer anew."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.measured import Measured
from inference.adaptive.model import AdaptiveModel, Rows, Scaling
from inference.adaptive.refit import Decided, refit
from inference.features.pairs import feature_names
from inference.features.spec import FeatureSpec

__all__ = ["adaptive_rows"]

GOAL_S = 5.0
DECISIONS = (50, 500, 2000)
PAIRS = 100_000


def adaptive_rows() -> Iterator[Measured]:
    """Yield the seconds of a refit for some numbers of decisions, and of answering."""
    names = feature_names(FeatureSpec())
    rng = np.random.default_rng(0)
    model = AdaptiveModel.untouched(Scaling.of(names, rng.normal(size=(512, len(names)))))
    for count in DECISIONS:
        rows, yes = _decided(rng, count, len(names))
        decided = Decided(tuple(map(str, range(count))), rows, yes)
        began = time.perf_counter()
        model_of_it = refit(decided, model).model
        seconds = time.perf_counter() - began
        note = f"{len(names)} features, six corrections cross-validated"
        yield _measured(f"refit, {count:,} decisions", seconds, note)
    rows, _ = _decided(rng, PAIRS, len(names))
    began = time.perf_counter()
    model_of_it.probabilities(rows)
    seconds = time.perf_counter() - began
    yield _measured(f"answers about {PAIRS:,} pairs", seconds)


def _decided(rng: np.random.Generator, count: int, width: int) -> tuple[Rows, NDArray[np.bool_]]:
    features = rng.normal(size=(count, width)).astype(np.float32)
    base = rng.normal(0, 2, count)
    return Rows(base, features), rng.random(count) < expit(base + features[:, 0] - 1)


def _measured(measure: str, seconds: float, note: str = "") -> Measured:
    return Measured(measure, seconds, "s", f"under {GOAL_S:g} s", seconds < GOAL_S, note=note)
