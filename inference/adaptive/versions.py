"""The versions of an adaptive judge, in a folder: ``v1.json``, ``v2.json`` … and which is in use.

Every version is written once and never changed, and ``current.json`` names the one in use, so
going back to any of them is writing one small file.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectome.errors import InputError, ModelError
from inference.adaptive.model import AdaptiveModel, Scaling
from inference.adaptive.refit import Candidate
from proofreading.files import create_atomically, storage_errors, write_atomically

__all__ = ["Version", "Versions"]

_NAME = re.compile(r"^v(\d+)\.json$")
_CURRENT = "current.json"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Version(_Strict):
    """One version: its correction and what it came from.

    `base` names the models whose answers it corrects; on answers of others it means nothing.
    """

    schema_version: int = Field(default=1, ge=1, le=1)
    number: int = Field(ge=1)
    created: datetime
    base: tuple[str, ...]
    decisions_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    fitted_to: int
    compared_on: int
    loss: float | None
    previous_loss: float | None
    features: tuple[str, ...]
    middle: tuple[float, ...]
    spread: tuple[float, ...]
    slope: float
    shift: float
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _columns_agree(self) -> Version:
        if not len(self.features) == len(self.middle) == len(self.spread) == len(self.weights):
            msg = "features, their scale and their weights differ in number"
            raise ValueError(msg)
        return self

    @property
    def model(self) -> AdaptiveModel:
        """The correction itself."""
        scaling = Scaling(self.features, self.middle, self.spread)
        return AdaptiveModel(scaling, self.slope, self.shift, self.weights)


class _Current(_Strict):
    """The number of the version in use; 0 is the base, without any correction."""

    version: int = Field(ge=0)


class Versions:
    """The versions in a folder, which is made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self) -> list[int]:
        """Return the numbers of all versions, rising."""
        if not self._folder.is_dir():
            return []
        found = (_NAME.match(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def current(self) -> int:
        """Return the number of the version in use; 0 is the base.

        Raises
        ------
        ModelError
            If the file that names it cannot be read.
        """
        path = self._folder / _CURRENT
        return _read(path, _Current).version if path.exists() else 0

    def read(self, number: int) -> Version:
        """Return a version.

        Raises
        ------
        InputError
            If there is no such version.
        ModelError
            If its file cannot be read.
        """
        path = self._folder / f"v{number}.json"
        if not path.exists():
            raise InputError(
                f"The adaptive judge has no version {number}.",
                f"There are: {', '.join(map(str, self.numbers())) or 'none'}; 0 is the base.",
            )
        return _read(path, Version)

    def add(self, candidate: Candidate, base: tuple[str, ...], created: datetime) -> Version:
        """Write a promoted candidate as the next version and use it from now on.

        Raises
        ------
        StorageError
            If the folder cannot be written; the version in use stays.
        """
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        number = max(self.numbers(), default=0) + 1
        version = _version(candidate, number, base, created)
        while not create_atomically(self._folder / f"v{number}.json", _text(version)):
            number += 1
            version = _version(candidate, number, base, created)
        self.use(number)
        return version

    def use(self, number: int) -> None:
        """Use another version from now on; 0 goes back to the base.

        Raises
        ------
        InputError
            If there is no such version.
        StorageError
            If the folder cannot be written.
        """
        if number:
            self.read(number)
        with storage_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / _CURRENT, _text(_Current(version=number)))


Model = TypeVar("Model", bound=BaseModel)


def _version(
    candidate: Candidate, number: int, base: tuple[str, ...], created: datetime
) -> Version:
    model = candidate.model
    return Version(
        number=number,
        created=created,
        base=base,
        decisions_sha256=candidate.decisions_sha256,
        fitted_to=candidate.fitted_to,
        compared_on=candidate.compared_on,
        loss=candidate.loss,
        previous_loss=candidate.previous_loss,
        features=model.scaling.names,
        middle=model.scaling.middle,
        spread=model.scaling.spread,
        slope=model.slope,
        shift=model.shift,
        weights=model.weights,
    )


def _text(value: BaseModel) -> str:
    return value.model_dump_json(indent=1) + "\n"


def _read(path: Path, kind: type[Model]) -> Model:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} is no version of an adaptive judge that this program can read.",
            "Go back to another version, or delete the folder to start from the base.",
        ) from error
