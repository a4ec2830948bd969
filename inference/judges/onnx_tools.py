"""Making a network file smaller, and timing it; what only exporters and benchmarks need."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.judges.onnx import open_session

__all__ = [
    "Inputs",
    "Method",
    "answers",
    "answers_and_features",
    "method_for",
    "pictures_per_second",
    "write_int8",
]

Inputs = Mapping[str, NDArray[np.float32]]
Method = Literal["static", "dynamic"]
_CPU = ("CPUExecutionProvider",)


def answers(weights: Path, inputs: Inputs, *, batch: int = 32) -> NDArray[np.float32]:
    """Return the logits (n,) of a network file for inputs of any number of rows."""
    return answers_and_features(weights, inputs, batch=batch)[0]


def answers_and_features(
    weights: Path, inputs: Inputs, *, batch: int = 32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits (n,) and features (n, d) of a network file for any number of rows."""
    session = open_session(weights, 1, _CPU)
    parts = [session.run(["logits", "features"], shown) for shown in _batches(inputs, batch)]
    logits, features = zip(*parts, strict=True)
    return np.concatenate(logits), np.concatenate(features)


def pictures_per_second(
    weights: Path, inputs: Inputs, *, threads: int, seconds: float = 2.0
) -> float:
    """Return how many rows of inputs a second a network file answers, all in one batch."""
    session = open_session(weights, threads, _CPU)
    shown = dict(inputs)
    rows = len(next(iter(shown.values())))
    session.run(None, shown)
    done, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds:
        session.run(None, shown)
        done += rows
    return done / passed


def method_for(weights: Path) -> Method:
    """Return how a network is best brought to 8 bits.

    Convolutions have fast 8-bit kernels only with ranges that are known beforehand
    (static). In transformers the ranges of activations vary from picture to picture, and
    products of matrices with ranges found at run time are as fast (dynamic).
    """
    import onnx

    graph = onnx.load(str(weights), load_external_data=False).graph
    kinds = [node.op_type for node in graph.node]
    return "static" if kinds.count("Conv") > kinds.count("MatMul") else "dynamic"


def write_int8(weights: Path, out: Path, calibration: Inputs, method: Method) -> None:
    """Write an 8-bit copy of a network file.

    Weights have one scale for each output channel. With ``static``, activations are
    quantised between pairs of nodes (QDQ) in ranges seen on the calibration inputs.

    Activations are unsigned and weights signed, for which processors have instructions; the
    weights keep to 7 bits, because older processors add products up in 16 bits and would
    answer otherwise than newer ones.

    Raises
    ------
    ModelError
        If onnxruntime cannot quantise this network.
    """
    from onnxruntime import quantization

    prepared = out.with_suffix(".prepared.onnx")
    try:
        quantization.shape_inference.quant_pre_process(
            str(weights), str(prepared), skip_symbolic_shape=True
        )
        if method == "dynamic":
            _forget_shapes(prepared)
            quantization.quantize_dynamic(
                str(prepared), str(out), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True
            )
        else:
            quantization.quantize_static(
                str(prepared),
                str(out),
                _Reader.of(calibration),
                quant_format=quantization.QuantFormat.QDQ,
                # What follows a convolution too: else every sum goes through 32 bits and back.
                op_types_to_quantize=["Conv", "Relu", "Add"],
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
    except Exception as error:  # onnxruntime and onnx raise types of their own
        raise ModelError(
            f"The network {weights} cannot be brought to 8 bits: {error}",
            "Use it as it is; it answers the same, only slower.",
        ) from error
    finally:
        prepared.unlink(missing_ok=True)


def _forget_shapes(path: Path) -> None:
    """Drop the shapes that a file states of its inner values.

    WORKAROUND onnxruntime 1.31: it transposes the weights of a Gemm before it infers shapes
    again, and then stumbles over those that were stated.
    """
    import onnx

    model = onnx.load(str(path))
    del model.graph.value_info[:]
    onnx.save(model, str(path))


class _Reader:
    """Hands out calibration inputs in batches, as onnxruntime's quantiser asks for them."""

    def __init__(self, batches: Sequence[dict[str, NDArray[np.float32]]]) -> None:
        self._left = list(batches)

    @staticmethod
    def of(inputs: Inputs) -> Any:
        """Return a reader that is a subclass of onnxruntime's, which is imported late."""
        from onnxruntime.quantization import CalibrationDataReader

        kind = type("_BatchReader", (_Reader, CalibrationDataReader), {})
        return kind(list(_batches(inputs, 16)))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next batch, or None after the last."""
        return self._left.pop(0) if self._left else None


def _batches(inputs: Inputs, size: int) -> Iterator[dict[str, NDArray[np.float32]]]:
    rows = len(next(iter(inputs.values())))
    for begin in range(0, rows, size):
        yield {name: value[begin : begin + size] for name, value in inputs.items()}
