"""From a trained network to a model folder: ONNX file, parity check, manifest."""

from __future__ import annotations

import hashlib
import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from connectome.errors import ModelError
from inference.datasets.views import Views
from inference.judges.onnx import run_once
from inference.pictures import unpack_pairs
from inference.training.network import PairNetwork
from inference.training.statistics import feature_statistics

__all__ = ["OPSET", "export_onnx", "feature_statistics", "network_answers", "write_onnx"]

OPSET = 18
PARITY = 1e-4


def export_onnx(network: PairNetwork, size_px: int, weights: Path, example: Views) -> str:
    """Write the network of pairs as one ONNX file and return the file's sha256.

    Raises
    ------
    ModelError
        If the file answers otherwise than the network, see `write_onnx`.
    """
    shown = unpack_pairs(np.asarray(example.pictures[:17]))
    assert shown.shape[-1] == size_px
    return write_onnx(network, {"pictures": shown}, weights)


def write_onnx(network: nn.Module, inputs: dict[str, NDArray[np.float32]], weights: Path) -> str:
    """Write a network as one ONNX file for any number of rows; return the file's sha256.

    Parameters
    ----------
    network : Module
        On the CPU, in use; it takes the inputs in their order and returns logits and features.
    inputs : dict of str to ndarray, each of shape (n, …)
        Examples by the names of the file's inputs, on which both must agree.

    Raises
    ------
    ModelError
        If the file answers otherwise than the network, by more than 1e-4 of the logits'
        and features' scale.
    """
    rows = torch.export.Dim("n", min=1)
    examples = tuple(torch.zeros(2, *value.shape[1:]) for value in inputs.values())
    shapes = tuple({0: rows} for _ in inputs)
    with _quiet_exporter():
        torch.onnx.export(
            network,
            examples,
            weights,
            input_names=list(inputs),
            output_names=["logits", "features"],
            dynamic_shapes=(shapes,) if _takes_any(network) else shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _check_parity(network, weights, inputs)
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


def _takes_any(network: nn.Module) -> bool:
    """Tell whether a network takes any number of inputs, which the exporter nests."""
    kinds = [p.kind for p in inspect.signature(network.forward).parameters.values()]
    return inspect.Parameter.VAR_POSITIONAL in kinds


def _answers(
    network: PairNetwork, packed: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with torch.no_grad():
        logits, features = network(torch.from_numpy(unpack_pairs(packed)))
    return logits.numpy(), features.numpy()


def _check_parity(
    network: nn.Module, weights: Path, inputs: dict[str, NDArray[np.float32]]
) -> None:
    with torch.no_grad():
        expected = network(*(torch.from_numpy(value) for value in inputs.values()))
    found = run_once(weights, inputs)
    for ours, theirs in zip(expected, found, strict=True):
        scale = max(1.0, float(ours.abs().max()))
        worst = float(np.abs(ours.numpy() - theirs).max()) / scale
        if worst > PARITY:
            raise ModelError(
                f"The exported network answers otherwise than the trained one (by {worst:.2g}).",
                "Train again; if it stays, the versions of torch and onnxruntime do not agree.",
            )
