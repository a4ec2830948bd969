"""From fitted gradient boosting to an ONNX file that answers alike.

The file takes ``features`` (n, d), missing values as NaN, and gives ``logits`` (n,) and
``features_seen`` (n, k): a short description of each row for a Mahalanobis distance. Trees
become one ``TreeEnsembleRegressor`` of the operator set ai.onnx.ml 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import ModelError
from inference.judges.tables import run_table

__all__ = ["ML_OPSET", "OPSET", "Projection", "export_trees", "fitted_projection", "tree_logits"]

OPSET = 17
ML_OPSET = 3
PARITY = 1e-4
_IR = 9
_FAR = 8.0
"""Standardised values beyond this count as this: one odd number says little of the rest."""


@dataclass(frozen=True)
class Projection:
    """How a row of features is described shortly: standardised, then its main directions.

    Parameters
    ----------
    middle, spread : ndarray of float32, shape (d,)
        Median, which also stands in for missing values, and a robust deviation.
    axes : ndarray of float32, shape (d, k)
        Principal axes of the standardised training rows, each scaled to deviation one.
        The length of what they leave out is one number more.
    """

    middle: NDArray[np.float32]
    spread: NDArray[np.float32]
    axes: NDArray[np.float32]


def fitted_projection(values: NDArray[np.float32], directions: int = 24) -> Projection:
    """Fit the description to training rows (n, d)."""
    middle = np.nanmedian(values, axis=0)
    low, high = np.nanpercentile(values, [15.87, 84.13], axis=0)
    deviation = np.nanstd(values, axis=0)
    spread = np.where(high > low, (high - low) / 2, np.where(deviation > 0, deviation, 1.0))
    filled = np.where(np.isnan(values), middle, values)
    standard = np.clip((filled - middle) / spread, -_FAR, _FAR)
    centered = standard - standard.mean(axis=0)
    _, vectors = np.linalg.eigh(centered.T @ centered / len(values))
    axes = vectors[:, ::-1][:, :directions]
    # The sign of an eigenvector is arbitrary; fixed here so that a run repeats bit by bit.
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1, 1)
    return Projection(*(np.asarray(part, np.float32) for part in (middle, spread, axes)))


def tree_logits(boosters: Sequence[Any], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean decision of fitted ``HistGradientBoostingClassifier``s, shape (n,)."""
    return np.asarray(np.mean([b.decision_function(values) for b in boosters], axis=0))


def export_trees(
    boosters: Sequence[Any], projection: Projection, weights: Path, example: NDArray[np.float32]
) -> str:
    """Write the averaged boosters as one ONNX file and return the file's sha256.

    Parameters
    ----------
    boosters : sequence of HistGradientBoostingClassifier
        Fitted on two classes, without categorical features.
    example : ndarray of float32, shape (n, d)
        Rows on which the file is compared with the boosters.

    Raises
    ------
    ModelError
        If the file answers otherwise than the boosters, by more than 1e-4.
    """
    from onnx import helper, save

    graph = _graph(boosters, projection)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
    save(model, str(weights))
    found, _ = run_table(weights, example)
    worst = float(np.abs(found - tree_logits(boosters, example)).max(initial=0.0))
    if worst > PARITY:
        raise ModelError(
            f"The exported trees answer otherwise than the trained ones (by {worst:.2g}).",
            "Train again; if it stays, the versions of scikit-learn and onnx do not agree.",
        )
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def _graph(boosters: Sequence[Any], projection: Projection) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    width, directions = projection.axes.shape
    constants: dict[str, NDArray[Any]] = {
        "middle": projection.middle,
        "spread": projection.spread,
        "axes": projection.axes,
        "axes_back": np.ascontiguousarray(projection.axes.T),
        "near": np.array(-_FAR, np.float32),
        "far": np.array(_FAR, np.float32),
        "last": np.array([1], np.int64),
    }
    trees = helper.make_node(
        "TreeEnsembleRegressor",
        ["features"],
        ["scores"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        **_attributes(boosters),
    )
    make = helper.make_node
    return helper.make_graph(
        [
            trees,
            make("Squeeze", ["scores", "last"], ["logits"]),
            make("IsNaN", ["features"], ["missing"]),
            make("Where", ["missing", "middle", "features"], ["whole"]),
            make("Sub", ["whole", "middle"], ["away"]),
            make("Div", ["away", "spread"], ["scaled"]),
            make("Clip", ["scaled", "near", "far"], ["standard"]),
            make("MatMul", ["standard", "axes"], ["main"]),
            make("MatMul", ["main", "axes_back"], ["explained"]),
            make("Sub", ["standard", "explained"], ["rest"]),
            make("ReduceL2", ["rest"], ["length"], axes=[1], keepdims=1),
            make("Concat", ["main", "length"], ["features_seen"], axis=1),
        ],
        "trees",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info(
                "features_seen", TensorProto.FLOAT, ["n", directions + 1]
            ),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _attributes(boosters: Sequence[Any]) -> dict[str, Any]:
    """Return the trees of all boosters as the operator's parallel lists."""
    share = 1.0 / len(boosters)
    # scikit-learn offers no public way to the fitted trees.
    tables = [tree.nodes for b in boosters for (tree,) in b._predictors]
    base = share * sum(float(b._baseline_prediction.item()) for b in boosters)
    parts = [_tree(number, nodes, share) for number, nodes in enumerate(tables)]
    joined: dict[str, Any] = {name: [v for p in parts for v in p[name]] for name in parts[0]}
    return {**joined, "base_values": [base]}


def _tree(number: int, nodes: NDArray[Any], share: float) -> dict[str, list[Any]]:
    leaf = nodes["is_leaf"].astype(np.bool_)
    if nodes["is_categorical"].any():
        raise ModelError("Trees that split on categories cannot be exported.", "Train on numbers.")
    ids, leaves = np.arange(len(nodes)), np.flatnonzero(leaf)
    threshold = np.where(leaf, 0.0, nodes["num_threshold"])
    return {
        "nodes_treeids": [number] * len(nodes),
        "nodes_nodeids": ids.tolist(),
        "nodes_featureids": np.where(leaf, 0, nodes["feature_idx"]).tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": _not_above(threshold).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, nodes["left"]).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, nodes["right"]).tolist(),
        "nodes_missing_value_tracks_true": np.where(leaf, 0, nodes["missing_go_to_left"]).tolist(),
        "target_treeids": [number] * len(leaves),
        "target_nodeids": leaves.tolist(),
        "target_ids": [0] * len(leaves),
        "target_weights": (share * nodes["value"][leaves]).tolist(),
    }


def _not_above(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the highest float32 that is not above each value.

    A float32 is at most the one exactly when it is at most the other.
    """
    rounded = threshold.astype(np.float32)
    lower = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded.astype(np.float64) > threshold, lower, rounded)
