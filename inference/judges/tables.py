"""Running models that take a table of numbers instead of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.calibration import calibrated
from inference.distribution import mahalanobis
from inference.judges.onnx import open_session
from inference.models.manifest import FeaturesContract
from inference.models.registry import ModelFolder

__all__ = ["TableModel", "run_table"]

Answers = tuple[NDArray[np.float32], NDArray[np.float32]]


class TableModel:
    """An ONNX model with the input ``features``; quick on one core.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the weights cannot be loaded, or take something else.
    """

    def __init__(self, folder: ModelFolder) -> None:
        contract = folder.manifest.input
        if not isinstance(contract, FeaturesContract):
            raise ModelError(
                f"The model {folder.manifest.id} takes pictures, not numbers.",
                "Name a model whose manifest has the input kind `features`.",
            )
        self.manifest = folder.manifest
        self.contract = contract
        self._session = open_session(folder.weights, 1, ("CPUExecutionProvider",))
        statistics = folder.manifest.out_of_distribution
        self._statistics = None if statistics is None else statistics.arrays()

    def answers(
        self, values: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
        """Return probabilities, logits and distances from the training rows, each (n,)."""
        logits, seen = _run(self._session, values)
        chance = calibrated(logits, self.manifest.calibration)
        return chance, logits.astype(np.float64), self._strangeness(seen)

    def _strangeness(self, seen: NDArray[np.float32]) -> NDArray[np.float64] | None:
        if self._statistics is None:
            return None
        return mahalanobis(seen, *self._statistics)


def run_table(weights: Path, values: NDArray[np.float32]) -> Answers:
    """Return logits (n,) and descriptions (n, k) of rows (n, d), for exporters that compare."""
    return _run(open_session(weights, 1, ("CPUExecutionProvider",)), values)


def _run(session: Any, values: NDArray[np.float32]) -> Answers:
    logits, seen = session.run(["logits", "features_seen"], {"features": values})
    return logits, seen
