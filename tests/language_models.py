"""Folders of language models for tests: the tiny one, asked like a real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.judges.vlm.folder import LanguageSpec, uncalibrated, write_language_model
from inference.models.manifest import Calibration, TrainingRecord
from inference.models.registry import ModelFolder
from proofreading.verdicts import Task
from rendering.spec import EMSpec, RenderSpec
from rendering.surfaces import Surface

__all__ = ["SMALL_EM", "SMALL_VIEWS", "FlatViews", "language_folder", "record"]

SMALL_VIEWS = RenderSpec(half_extent_nm=300.0, size_px=96)
SMALL_EM = EMSpec(half_extent_nm=200.0, size_px=96)


class FlatViews:
    """Draws no light, only how many vertices arrive: the pictures differ, nothing more."""

    name = "flat"

    def draw(self, surfaces: Sequence[Surface], spec: RenderSpec) -> dict[str, NDArray[np.uint8]]:
        grey = 40 * len(surfaces)
        blank = np.full((spec.size_px, spec.size_px, 3), 255 - grey, np.uint8)
        return {view: blank.copy() for view in spec.views}


def record() -> TrainingRecord:
    return TrainingRecord(
        dataset="none",
        dataset_sha256="0" * 64,
        fold="none",
        trained_on="nothing",
        must_not_be_tested_on="nothing",
        pairs=0,
        seed=0,
        epochs=0,
        licence="none",
    )


def language_folder(
    folder: Path,
    base: Path,
    task: Task = Task.SPLIT_ERROR_CORRECTION,
    *,
    name: str = "tiny",
    adapter: Path | None = None,
    calibration: Calibration | None = None,
    analysis: bool = False,
    most_tokens: int = 24,
    render: RenderSpec = SMALL_VIEWS,
    em: EMSpec | None = SMALL_EM,
) -> ModelFolder:
    spec = LanguageSpec(
        task, str(base), render, em, analysis=analysis, most_tokens=most_tokens, device="cpu"
    )
    return write_language_model(
        folder, name, spec, calibration or uncalibrated(), record(), adapter=adapter
    )
