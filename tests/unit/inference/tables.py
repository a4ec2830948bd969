"""Small tables of pictures and small networks that take seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from inference.datasets.samples import Part
from inference.training.run_config import RunConfig
from inference.training.tables import PARTS, PictureTable, TableCard, write_table
from inference.training.zoo.settings import Architecture, NetworkSettings, PictureShapes
from proofreading.verdicts import Task
from rendering.geometry import GeometrySpec
from rendering.spec import EMSpec

TASKS = (Task.SPLIT_ERROR_CORRECTION, Task.MERGE_ERROR_IDENTIFICATION)
SHAPES = PictureShapes(planes=3, em_px=16, views=3, channels=7, geometry_px=16)


def small_network(architecture: Architecture, **changes: Any) -> NetworkSettings:
    sizes: dict[str, Any] = {
        "depths": (1, 1),
        "hidden": (8, 16),
        "embedding": 8,
        "width": 16,
        "layers": 1,
        "heads": 2,
        "patch": 8,
        "encoder_px": 16,
        "features": 4,
    }
    return NetworkSettings(architecture=architecture, **{**sizes, **changes})


def small_run(architecture: Architecture = Architecture.RESNET_18, **changes: Any) -> RunConfig:
    settings: dict[str, Any] = {
        "tasks": TASKS[:1],
        "inputs": ("em", "geometry"),
        "network": small_network(architecture),
        "epochs": 3,
        "batch": 16,
        "learning_rate": 0.01,
        "device": "cpu",
    }
    return RunConfig(**{**settings, **changes})


def small_table(folder: Path, rows: int = 96) -> PictureTable:
    """Pictures in which a yes is a brighter one; half of them know the second task too."""
    rng = np.random.default_rng(3)
    labels = np.full((rows, 2), -1, np.int8)
    labels[:, 0] = rng.random(rows) < 0.3
    labels[::2, 1] = rng.random(len(labels[::2])) < 0.5
    pictures = rng.integers(0, 120, (rows, 3, 2, 16, 16), np.uint8)
    pictures[:, :, 0] += (labels[:, 0].astype(np.uint8) * 120)[:, None, None, None]
    pictures[:, :, 1] = rng.integers(0, 3, (rows, 3, 16, 16))
    geometry = rng.random((rows, 3, 7, 16, 16)).astype(np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "geometry.npy", geometry)
    part = np.repeat([PARTS.index(p) for p in (Part.TRAIN, Part.VALIDATION, Part.TEST)], rows // 3)
    card = TableCard(
        dataset="invented",
        dataset_sha256="0" * 64,
        licence="none",
        tasks=TASKS,
        em=EMSpec(half_extent_nm=80.0, size_px=16),
        geometry=GeometrySpec(size_px=16),
    )
    return write_table(folder, card, labels, np.arange(rows), part.astype(np.uint8))
