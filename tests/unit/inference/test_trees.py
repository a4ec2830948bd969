from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectome.errors import ModelError
from inference.training.trees import export_trees, fitted_projection, tree_logits

pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
sklearn = pytest.importorskip("sklearn.ensemble", reason="training needs scikit-learn")

Table = np.ndarray[Any, np.dtype[np.float32]]


@pytest.fixture(scope="module")
def table() -> tuple[Table, np.ndarray[Any, np.dtype[np.bool_]]]:
    rng = np.random.default_rng(3)
    # Whole numbers, so that many values lie exactly on a threshold's bin.
    values = rng.integers(0, 40, (900, 6)).astype(np.float32)
    values[rng.random(values.shape) < 0.15] = np.nan
    truth = np.nan_to_num(values[:, 0], nan=30) + rng.normal(0, 6, 900) > 20
    return values, truth


def _boosters(values: Table, truth: np.ndarray[Any, np.dtype[np.bool_]], count: int) -> list[Any]:
    return [
        sklearn.HistGradientBoostingClassifier(
            random_state=seed, max_iter=25, max_leaf_nodes=7, max_features=0.5
        ).fit(values, truth)
        for seed in range(count)
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_the_file_answers_like_the_boosters(
    table: tuple[Table, np.ndarray[Any, np.dtype[np.bool_]]], tmp_path: Path, count: int
) -> None:
    from inference.judges.tables import run_table

    values, truth = table
    boosters = _boosters(values, truth, count)
    projection = fitted_projection(values, 3)
    export_trees(boosters, projection, tmp_path / "model.onnx", values)
    unseen = np.random.default_rng(4).normal(20, 15, (400, 6)).astype(np.float32)
    unseen[::5, 0] = np.nan
    logits, seen = run_table(tmp_path / "model.onnx", unseen)
    np.testing.assert_allclose(logits, tree_logits(boosters, unseen), atol=1e-4)
    assert np.ptp(logits) > 1
    assert seen.shape == (400, 4)
    assert np.isfinite(seen).all()


def test_a_value_on_a_threshold_goes_the_same_way(tmp_path: Path) -> None:
    from inference.judges.tables import run_table

    rng = np.random.default_rng(0)
    values = (rng.random((500, 1)) / 3).astype(np.float32)
    truth = values[:, 0] > np.float32(0.1)
    (booster,) = _boosters(values, truth, 1)
    export_trees([booster], fitted_projection(values, 1), tmp_path / "model.onnx", values)
    cuts = [n["num_threshold"] for (t,) in booster._predictors for n in t.nodes if not n["is_leaf"]]
    near = np.array(cuts, np.float64).astype(np.float32)
    around = np.concatenate([near, np.nextafter(near, np.float32(1)), np.nextafter(near, 0)])
    logits, _ = run_table(tmp_path / "model.onnx", around[:, None])
    np.testing.assert_allclose(logits, tree_logits([booster], around[:, None]), atol=1e-4)


def test_the_same_training_gives_the_same_bytes(
    table: tuple[Table, np.ndarray[Any, np.dtype[np.bool_]]], tmp_path: Path
) -> None:
    values, truth = table
    digests = {
        export_trees(
            _boosters(values, truth, 2), fitted_projection(values, 3), tmp_path / name, values
        )
        for name in ("one.onnx", "two.onnx")
    }
    assert len(digests) == 1


def test_a_strange_row_is_described_as_far_away(
    table: tuple[Table, np.ndarray[Any, np.dtype[np.bool_]]], tmp_path: Path
) -> None:
    from inference.judges.tables import run_table

    values, truth = table
    export_trees(
        _boosters(values, truth, 1), fitted_projection(values, 6), tmp_path / "m.onnx", values
    )
    _, usual = run_table(tmp_path / "m.onnx", values)
    _, strange = run_table(tmp_path / "m.onnx", np.full((1, 6), 1000, np.float32))
    assert np.linalg.norm(strange) > np.linalg.norm(usual, axis=1).max()


def test_categories_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 5, (300, 2)).astype(np.float32)
    booster = sklearn.HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])
    booster.fit(values, np.isin(values[:, 0], [1, 3]))
    with pytest.raises(ModelError, match="categories"):
        export_trees([booster], fitted_projection(values, 1), tmp_path / "m.onnx", values)
