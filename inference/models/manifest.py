"""A model's manifest: everything that must hold for its weights to mean anything.

The manifest is ``manifest.json`` beside ``model.onnx``. It travels with the weights
and states the pictures the model expects, so that a judge can refuse all others.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectome.errors import ModelError
from proofreading.verdicts import Task
from rendering.spec import EMSpec

__all__ = [
    "MANIFEST_NAME",
    "Calibration",
    "InputContract",
    "ModelManifest",
    "OutOfDistribution",
    "PictureSpec",
    "TrainingRecord",
    "read_manifest",
    "write_manifest",
]

MANIFEST_NAME = "manifest.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputContract(_Strict):
    """The tensor that the model takes."""

    name: str = "pictures"
    channels: tuple[str, ...]
    size_px: int
    dtype: str = "float32"
    normalisation: str


class PictureSpec(_Strict):
    """The EMSpec in full and its hash; ``render_hash`` is None where no mesh view is used."""

    em_hash: str
    em: dict[str, float | int | str | tuple[str, ...]]
    render_hash: str | None = None

    @classmethod
    def of(cls, spec: EMSpec) -> Self:
        """Return the record of an EMSpec."""
        return cls(em_hash=spec.hash, em=asdict(spec))

    def em_spec(self) -> EMSpec:
        """Return the EMSpec itself."""
        return EMSpec(**self.em)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _hash_agrees(self) -> Self:
        if self.em_spec().hash != self.em_hash:
            msg = f"the EMSpec does not have the hash {self.em_hash}"
            raise ValueError(msg)
        return self


class Calibration(_Strict):
    """How a logit becomes a probability: ``sigmoid(logit / temperature)``.

    `yes_share` is the share of yes among the pairs the temperature was fitted on, and
    `candidate_yes_share` that among touching segments of an automatic segmentation in
    the training block. Yes is much rarer among the latter, and a verdict on a candidate
    takes that into account (Saerens et al. 2002, doi:10.1162/089976602753284446).
    """

    id: str
    method: str = "temperature"
    temperature: float = Field(gt=0)
    samples: int = Field(ge=1)
    held_out: str
    yes_share: float = Field(gt=0, lt=1)
    candidate_yes_share: float = Field(gt=0, lt=1)


class OutOfDistribution(_Strict):
    """Training statistics of the penultimate features, for a Mahalanobis distance.

    ``percentile_95`` and ``percentile_99`` are distances of held-out pairs of the
    training dataset.
    """

    method: str = "mahalanobis"
    mean: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    percentile_95: float
    percentile_99: float

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean (d,) and the inverse covariance (d, d)."""
        return np.asarray(self.mean), np.asarray(self.precision)


class TrainingRecord(_Strict):
    """What the weights were made of."""

    dataset: str
    dataset_sha256: str
    fold: str
    trained_on: str
    must_not_be_tested_on: str
    pairs: int
    seed: int
    epochs: int
    licence: str


class ModelManifest(_Strict):
    """Everything known about one model.

    Raises
    ------
    pydantic.ValidationError
        If a field is missing, unknown or of the wrong type.
    """

    schema_version: int = Field(default=1, ge=1, le=1)
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    task: Task
    file: str = "model.onnx"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    onnx_opset: int
    parameters: int
    input: InputContract
    pictures: PictureSpec
    labels: tuple[str, ...]
    calibration: Calibration
    out_of_distribution: OutOfDistribution | None = None
    training: TrainingRecord
    metrics: dict[str, float] = Field(default_factory=dict)
    licence: str
    code_version: str


def read_manifest(folder: Path) -> ModelManifest:
    """Read ``manifest.json`` of a model folder.

    Raises
    ------
    ModelError
        If there is none, or if it is damaged or of a newer version.
    """
    path = folder / MANIFEST_NAME
    try:
        return ModelManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"The folder {folder} holds no {MANIFEST_NAME}.",
            "Name a folder that `proofdesk train` made, or use the bundled model.",
        ) from error
    except (ValidationError, OSError) as error:
        raise ModelError(
            f"The manifest {path} cannot be used: {_first_reason(error)}.",
            "Restore the model folder from where it came, or train the model again.",
        ) from error


def write_manifest(folder: Path, manifest: ModelManifest) -> None:
    """Write ``manifest.json`` into a model folder."""
    text = manifest.model_dump_json(indent=1) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")


def _first_reason(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return f"{where}: {first['msg']}"
