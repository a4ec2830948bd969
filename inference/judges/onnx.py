"""The judge that runs an exported network; the only place of onnxruntime."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError, ModelError
from inference.calibration import calibrated
from inference.distribution import Familiar
from inference.judges.base import Opinion, PairSample
from inference.models.manifest import InputContract, ModelManifest
from inference.models.registry import ModelFolder
from inference.pictures import pack_pair, unpack_pairs

__all__ = ["OnnxJudge", "available_providers", "open_session", "run_once"]

_PROVIDERS = {"CUDAExecutionProvider": "CUDA", "CPUExecutionProvider": "CPU"}
"""In the order of preference, with the names that people see."""


class OnnxJudge:
    """Answers for pairs with an ONNX network, on CUDA where there is one, else on the CPU.

    Parameters
    ----------
    folder : ModelFolder
        The verified model.
    batch : int
        Pairs per call of the network.
    threads : int or None
        Processor threads; every core if None.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the weights cannot be loaded.
    """

    def __init__(self, folder: ModelFolder, *, batch: int = 32, threads: int | None = None) -> None:
        self._manifest = folder.manifest
        self._batch = batch
        self._spec_hash = folder.manifest.picture_spec.em_hash
        self._session = open_session(folder.weights, threads or os.cpu_count() or 1)
        self._provider = _PROVIDERS.get(self._session.get_providers()[0], "CPU")
        self._familiar = Familiar(folder.manifest)
        self._warm_up()

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        return self._manifest

    @property
    def provider(self) -> str:
        """``CUDA`` or ``CPU``."""
        return self._provider

    def judge(self, samples: Sequence[PairSample]) -> list[Opinion]:
        """Return one opinion per sample, in order.

        Raises
        ------
        ModelError
            If the pictures were made with another EMSpec than the training pictures.
        """
        for sample in samples:
            self._check(sample)
        return [
            opinion
            for begin in range(0, len(samples), self._batch)
            for opinion in self._judge_batch(samples[begin : begin + self._batch])
        ]

    def _check(self, sample: PairSample) -> None:
        made = sample.slices.spec.hash
        if made != self._spec_hash:
            raise ModelError(
                f"The model {self._manifest.id} was trained on other pictures "
                f"(EMSpec {self._spec_hash}) than these (EMSpec {made}).",
                "Cut the slices with the EMSpec of the model's manifest, or train a new model.",
            )

    def _judge_batch(self, samples: Sequence[PairSample]) -> Iterator[Opinion]:
        packed = [pack_pair(s.slices, s.segment_a, s.segment_b) for s in samples]
        started = time.perf_counter()
        logits, features = self._run(unpack_pairs(packed))
        each_ms = (time.perf_counter() - started) * 1000 / len(samples)
        chance = calibrated(logits, self._manifest.calibration)
        strange = self._familiar.distances(features)
        for row, logit in enumerate(logits):
            distance = None if np.isnan(strange[row]) else float(strange[row])
            yield Opinion(float(chance[row]), float(logit), distance, each_ms)

    def _run(self, pictures: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        logits, features = self._session.run(["logits", "features"], {"pictures": pictures})
        return logits, features

    def _warm_up(self) -> None:
        contract = self._manifest.input
        if not isinstance(contract, InputContract):
            raise _not_this_input(self._manifest)
        shape = (1, len(contract.channels), contract.size_px, contract.size_px)
        try:
            self._run(np.zeros(shape, np.float32))
        except Exception as error:  # onnxruntime raises types of its own that it does not export
            raise _not_this_input(self._manifest) from error


def _not_this_input(manifest: ModelManifest) -> ModelError:
    return ModelError(
        f"The model {manifest.id} does not take the input its manifest describes.",
        "Restore the model folder from where it came, or train the model again.",
    )


def available_providers() -> tuple[str, ...]:
    """Return what a network can run on here, best first: ``CUDA``, ``CPU``.

    Raises
    ------
    ImportError
        If onnxruntime is not installed.
    """
    import onnxruntime

    found = onnxruntime.get_available_providers()
    return tuple(shown for name, shown in _PROVIDERS.items() if name in found)


def run_once(
    weights: Path, inputs: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return logits (n,) and features (n, d) of a network file, on the CPU.

    For exporters that compare a file with the network it was made from.
    """
    session = open_session(weights, 1, ("CPUExecutionProvider",))
    logits, features = session.run(["logits", "features"], dict(inputs))
    return logits, features


def open_session(weights: Path, threads: int, providers: Sequence[str] = tuple(_PROVIDERS)) -> Any:
    """Return an onnxruntime session for a model file.

    Raises
    ------
    MissingPackageError
        If onnxruntime is not installed.
    ModelError
        If the file cannot be loaded.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            "The package onnxruntime is not installed.",
            "Install Proofdesk with the extra `onnx` (or `gpu` where there is an NVIDIA GPU).",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    wanted = [provider for provider in providers if provider in available]
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=wanted)
    except Exception as error:  # onnxruntime raises types of its own that it does not export
        raise ModelError(
            f"The network {weights} cannot be loaded.",
            "Restore the model folder from where it came, or train the model again.",
        ) from error
