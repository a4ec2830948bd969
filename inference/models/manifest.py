"""A model's manifest: everything that must hold for its weights to mean anything.

The manifest is ``manifest.json`` beside ``model.onnx``. It travels with the weights
and states the pictures the model expects, so that a judge can refuse all others.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectome.errors import ModelError
from proofreading.verdicts import Task
from rendering.geometry import CHANNELS, GeometrySpec
from rendering.spec import EMSpec, RenderSpec

__all__ = [
    "MANIFEST_NAME",
    "Block",
    "Calibration",
    "CandidateLine",
    "FeaturesContract",
    "GeometryInput",
    "InputContract",
    "Isotonic",
    "LanguageContract",
    "Member",
    "MembersContract",
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


class GeometryInput(_Strict):
    """The views of meshes that a model takes, shape (n, views, channels, size, size).

    Stated as the GeometrySpec in full and its hash.
    """

    name: str = "geometry"
    channels: tuple[str, ...]
    geometry_hash: str
    spec: dict[str, float | int | tuple[str, ...] | tuple[float, ...]]

    @classmethod
    def of(cls, spec: GeometrySpec) -> Self:
        """Return the record of a GeometrySpec."""
        return cls(channels=CHANNELS, geometry_hash=spec.hash, spec=asdict(spec))

    def geometry_spec(self) -> GeometrySpec:
        """Return the GeometrySpec itself."""
        return GeometrySpec(**self.spec)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _hash_agrees(self) -> Self:
        if self.geometry_spec().hash != self.geometry_hash:
            msg = f"the GeometrySpec does not have the hash {self.geometry_hash}"
            raise ValueError(msg)
        return self


class InputContract(_Strict):
    """The tensor of pictures that the model takes, shape (n, channels, size, size).

    `geometry` are the views of meshes that it takes too; with no `channels`, they are
    all that it takes.
    """

    kind: Literal["pictures"] = "pictures"
    name: str = "pictures"
    channels: tuple[str, ...]
    size_px: int
    dtype: str = "float32"
    normalisation: str
    geometry: GeometryInput | None = None

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if not self.channels and self.geometry is None:
            msg = "a model of pictures takes slices, views of meshes or both"
            raise ValueError(msg)
        return self


class FeaturesContract(_Strict):
    """The table of numbers that the model takes, shape (n, features).

    `spec_hash` is the hash of everything that decides what the numbers mean; a judge
    refuses features made another way.
    """

    kind: Literal["features"] = "features"
    name: str = "features"
    features: tuple[str, ...]
    spec_hash: str
    dtype: str = "float32"


class Member(_Strict):
    """A model of an ensemble: its id, the hash of its weights, and what its logit counts."""

    id: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    weight: float


class MembersContract(_Strict):
    """The models that an ensemble asks: ``logit = bias + sum(weight * member's logit)``.

    The first ranks every pair. Only pairs to which it gives a logit between `look_from`
    and `look_to` are shown to the others; for the rest its own calibrated answer stands.
    """

    kind: Literal["members"] = "members"
    members: tuple[Member, ...] = Field(min_length=2)
    bias: float
    look_from: float
    look_to: float


class LanguageContract(_Strict):
    """What a vision-language model is, and how it is asked.

    Parameters
    ----------
    base : str
        Folder of the base model, one relative to the model folder (``./`` or ``../``), or
        an id of the hub whose files are in the local cache.
    base_sha256 : str or None
        What `inference.judges.vlm.folder.fingerprint` says of a base that is a folder.
    adapter : str or None
        Folder of the LoRA adapter below the model folder, None for the base alone.
    prompt_sha256 : str
        Hash of the prompt, with no words of a person in it, that the model was trained on
        or calibrated with.
    render, render_hash
        The RenderSpec of the views in full, and its hash; slices are in
        ``ModelManifest.pictures``.
    analysis, confidence : bool
        Whether it writes reasons, and states a confidence.
    most_tokens : int
        How much it may write.
    four_bit : bool
        Load the weights in 4 bits.
    device : str
        ``auto`` takes CUDA where there is one.
    """

    kind: Literal["language"] = "language"
    base: str
    base_sha256: str | None = None
    adapter: str | None = None
    prompt_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    render: dict[str, float | int | str | tuple[str, ...] | tuple[float, ...]]
    render_hash: str
    analysis: bool = False
    confidence: bool = False
    most_tokens: int = Field(default=400, ge=8)
    four_bit: bool = False
    device: str = "auto"

    def render_spec(self) -> RenderSpec:
        """Return the RenderSpec itself."""
        return RenderSpec(**self.render)  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _hash_agrees(self) -> Self:
        if self.render_spec().hash != self.render_hash:
            msg = f"the RenderSpec does not have the hash {self.render_hash}"
            raise ValueError(msg)
        return self


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


class Isotonic(_Strict):
    """A monotone curve from ``sigmoid(logit / temperature)`` to a probability.

    Both (k,), rising; linear between the points, constant beyond them.
    """

    said: tuple[float, ...]
    was: tuple[float, ...]


class CandidateLine(_Strict):
    """Log odds among candidates, from the log odds of the calibrated answer.

    Fitted on `samples` touching pairs of an automatic segmentation (Platt 1999), where
    there were some that the model never saw; otherwise only the shares of yes are known.
    """

    slope: float = Field(gt=0)
    shift: float
    samples: int = Field(ge=1)


class Calibration(_Strict):
    """How a logit becomes a probability: ``sigmoid(logit / temperature + shift)``, then a curve.

    `yes_share` is the share of yes among the pairs the temperature was fitted on, and
    `candidate_yes_share` that among touching segments of an automatic segmentation in
    the training block. Yes is much rarer among the latter, and a verdict on a candidate
    takes that into account (Saerens et al. 2002, doi:10.1162/089976602753284446).
    """

    id: str
    method: str = "temperature"
    temperature: float = Field(gt=0)
    shift: float = 0.0
    samples: int = Field(ge=1)
    held_out: str
    isotonic: Isotonic | None = None
    yes_share: float = Field(gt=0, lt=1)
    candidate_yes_share: float = Field(gt=0, lt=1)
    candidates: CandidateLine | None = None


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


class Block(_Strict):
    """A box in nm of the dataset's own grid, xyz; low end included, high end not."""

    low_nm: tuple[float, float, float]
    high_nm: tuple[float, float, float]

    def holds(self, point_nm: tuple[float, float, float]) -> bool:
        """Tell whether a point lies in the box."""
        inside = zip(self.low_nm, point_nm, self.high_nm, strict=True)
        return all(low <= value < high for low, value, high in inside)


class TrainingRecord(_Strict):
    """What the weights were made of.

    Inside `held_out_blocks` of the dataset of this hash (and of no other part of it) an
    answer is an honest test. Where the whole dataset was trained on, there are none.
    """

    dataset: str
    dataset_sha256: str
    fold: str
    trained_on: str
    must_not_be_tested_on: str
    held_out_blocks: tuple[Block, ...] = ()
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

    schema_version: int = Field(default=2, ge=1, le=2)
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    task: Task
    file: str = "model.onnx"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    onnx_opset: int
    parameters: int
    input: Annotated[
        InputContract | FeaturesContract | MembersContract | LanguageContract,
        Field(discriminator="kind"),
    ]
    pictures: PictureSpec | None
    labels: tuple[str, ...]
    calibration: Calibration
    out_of_distribution: OutOfDistribution | None = None
    training: TrainingRecord
    metrics: dict[str, float] = Field(default_factory=dict)
    licence: str
    code_version: str

    @model_validator(mode="before")
    @classmethod
    def _version_1_took_pictures(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and isinstance(fields.get("input"), dict):
            return {**fields, "input": {"kind": "pictures", **fields["input"]}}
        return fields

    @model_validator(mode="after")
    def _pictures_are_stated(self) -> Self:
        if isinstance(self.input, LanguageContract):
            return self  # It may be asked with slices or without them.
        slices = isinstance(self.input, InputContract) and bool(self.input.channels)
        if slices != (self.pictures is not None):
            msg = "a model of slices states their EMSpec, and no other model does"
            raise ValueError(msg)
        return self

    @property
    def picture_spec(self) -> PictureSpec:
        """The pictures that the model takes.

        Raises
        ------
        ModelError
            If it takes none.
        """
        if self.pictures is None:
            raise ModelError(
                f"The model {self.id} does not look at slices.",
                "Name a model whose manifest states an EMSpec.",
            )
        return self.pictures

    @property
    def input_hash(self) -> str:
        """What stands in a verdict's provenance for the input: EMSpec or feature spec."""
        if isinstance(self.input, FeaturesContract):
            return self.input.spec_hash
        if isinstance(self.input, MembersContract):
            return "+".join(member.sha256[:8] for member in self.input.members)
        hashes = [] if self.pictures is None else [self.pictures.em_hash]
        if isinstance(self.input, LanguageContract):
            return "+".join([self.input.render_hash, *hashes])
        if self.input.geometry is not None:
            hashes.append(self.input.geometry.geometry_hash)
        return "+".join(hashes)


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
