"""From a trained network to a model folder: ONNX file, parity check, manifest."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.datasets.views import Views
from inference.judges.onnx import run_once
from inference.models.manifest import OutOfDistribution
from inference.pictures import unpack_pairs
from inference.training.network import PairNetwork

__all__ = ["OPSET", "export_onnx", "feature_statistics", "network_answers"]

OPSET = 18
PARITY = 1e-4


def export_onnx(network: PairNetwork, size_px: int, weights: Path, example: Views) -> str:
    """Write the network as one ONNX file and return the file's sha256.

    Raises
    ------
    ModelError
        If the file answers otherwise than the network, by more than 1e-4 of the logits'
        and features' scale.
    """
    dummy = torch.zeros(2, 9, size_px, size_px)
    with _quiet_exporter():
        torch.onnx.export(
            network,
            (dummy,),
            weights,
            input_names=["pictures"],
            output_names=["logits", "features"],
            dynamic_shapes={"pictures": {0: torch.export.Dim("n", min=1)}},
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _check_parity(network, weights, np.asarray(example.pictures[:17]))
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def network_answers(
    network: PairNetwork, views: Views, batch: int = 128
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits (n,) and features (n, d) of the network itself."""
    parts = [
        _answers(network, np.asarray(views.pictures[begin : begin + batch]))
        for begin in range(0, len(views), batch)
    ]
    logits, features = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(features)


def feature_statistics(
    training: NDArray[np.float32], held_out: NDArray[np.float32]
) -> OutOfDistribution:
    """Return mean and inverse covariance of training features, and usual held-out distances.

    The Mahalanobis distance of penultimate features follows Lee et al. 2018.
    """
    mean = training.mean(axis=0, dtype=np.float64)
    covariance = np.cov(training.astype(np.float64), rowvar=False)
    # A little of the mean variance on the diagonal keeps unused directions from dominating.
    ridge = 1e-3 * np.trace(covariance) / len(covariance)
    precision = np.linalg.inv(covariance + ridge * np.eye(len(covariance)))
    away = held_out.astype(np.float64) - mean
    distance = np.sqrt(np.einsum("ni,ij,nj->n", away, precision, away))
    p95, p99 = np.percentile(distance, [95, 99])
    return OutOfDistribution(
        mean=tuple(round(float(v), 6) for v in mean),
        precision=tuple(tuple(round(float(v), 6) for v in row) for row in precision),
        percentile_95=round(float(p95), 4),
        percentile_99=round(float(p99), 4),
    )


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's remarks on its own internals to itself: the parity check decides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _answers(
    network: PairNetwork, packed: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with torch.no_grad():
        logits, features = network(torch.from_numpy(unpack_pairs(packed)))
    return logits.numpy(), features.numpy()


def _check_parity(network: PairNetwork, weights: Path, packed: NDArray[np.uint8]) -> None:
    expected = _answers(network, packed)
    found = run_once(weights, unpack_pairs(packed))
    for ours, theirs in zip(expected, found, strict=True):
        scale = max(1.0, float(np.abs(ours).max()))
        worst = float(np.abs(ours - theirs).max()) / scale
        if worst > PARITY:
            raise ModelError(
                f"The exported network answers otherwise than the trained one (by {worst:.2g}).",
                "Train again; if it stays, the versions of torch and onnxruntime do not agree.",
            )
