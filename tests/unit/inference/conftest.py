"""A small invented volume with truth, and a small model really trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inference.datasets.volumes import TruthVolume, load_truth_volume
from inference.models.registry import ModelFolder

SHAPE = (190, 44, 44)


def _nearest(points: NDArray[np.float64]) -> NDArray[np.int64]:
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    _, index = cKDTree(points).query(grid.reshape(-1, 3))
    return np.asarray(index, np.int64).reshape(SHAPE)


@pytest.fixture(scope="session")
def volume_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells with dark borders; supervoxels are pieces of cells, segments are cells with gaps."""
    rng = np.random.default_rng(7)
    pieces = rng.random((150, 3)) * SHAPE
    cells = rng.random((30, 3)) * SHAPE
    _, cell_of = cKDTree(cells).query(pieces)
    supervoxels = _nearest(pieces).astype(np.uint32) + 1
    truth = (np.asarray(cell_of, np.uint32) + 1)[supervoxels - 1]
    border = np.zeros(SHAPE, np.bool_)
    for axis in range(3):
        border |= truth != np.roll(truth, 1, axis)
    em = np.where(border, 60, 180).astype(np.uint8) + rng.integers(0, 20, SHAPE, np.uint8)
    folder = tmp_path_factory.mktemp("invented")
    np.savez(folder / "em.npz", em=em)
    segmentation = np.where(border, 0, truth).astype(np.uint32)
    np.savez(
        folder / "labels.npz",
        groundtruth=truth,
        supervoxels=supervoxels,
        segmentation=segmentation,
    )
    return folder


@pytest.fixture(scope="session")
def volume(volume_folder: Path) -> TruthVolume:
    return load_truth_volume(volume_folder)


@pytest.fixture(scope="session")
def small_model(volume_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model of a few thousand weights, trained by the command itself in seconds."""
    pytest.importorskip("torch", reason="training needs the extra `train`")
    pytest.importorskip("onnxruntime", reason="judging needs the extra `onnx`")
    from inference.training.split_error_correction import train_pairs
    from tests.unit.inference.settings import small_training

    return train_pairs(volume_folder, tmp_path_factory.mktemp("model"), small_training())


@pytest.fixture(scope="session")
def real_pictures() -> tuple[Any, Any]:
    """32 pictures of fib25's touching supervoxels, half a yes: (32, 9, 16, 16) and (32, 1)."""
    torch = pytest.importorskip("torch", reason="training needs the extra `train`")
    from inference.datasets.pairs import watershed_pairs
    from inference.datasets.views import cut_views
    from inference.pictures import unpack_pairs
    from rendering.spec import EMSpec
    from tests.data import shared_data

    volume = load_truth_volume(shared_data("fib25")).below(50)
    pairs = watershed_pairs(volume)
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(pairs.same == answer), 16) for answer in (True, False)]
    )
    spec = EMSpec(half_extent_nm=160.0, size_px=16)
    views = cut_views(volume, pairs, rows, pairs.contacts.center[rows], spec)
    truth = views.same.astype(np.float32).reshape(-1, 1)
    return torch.from_numpy(unpack_pairs(views.pictures)), torch.from_numpy(truth)
