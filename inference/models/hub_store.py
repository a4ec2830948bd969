"""Models that were pulled: one folder each, with a plan that says what belongs in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from connectome.errors import InputError, ModelError, StorageError

__all__ = [
    "HubFile",
    "Plan",
    "Pulled",
    "models_folder",
    "pulled_folder",
    "pulled_models",
    "remove_model",
    "require_id",
    "verify_model",
]

PLAN = "pulled.json"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_CHUNK = 1 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubFile(_Strict):
    """One file of a model.

    Parameters
    ----------
    name : str
        Relative to the model's folder.
    size : int
        In bytes.
    sha256 : str
        Of its content, where the hub states it (large files); else empty.
    git_sha1 : str
        As git hashes a file, where the hub states that (small files); else empty.
    """

    name: str
    size: int = Field(ge=0)
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    git_sha1: str = Field(default="", pattern=r"^([0-9a-f]{40})?$")

    @field_validator("name")
    @classmethod
    def _stays_in_its_folder(cls, name: str) -> str:
        path = PurePosixPath(name)
        strange = not name or "\\" in name or ":" in name or "\0" in name
        if strange or path.is_absolute() or ".." in path.parts or path.name == PLAN:
            msg = f"{name!r} is no name of a file within a model"
            raise ValueError(msg)
        return name


class Plan(_Strict):
    """What belongs into a model's folder.

    Parameters
    ----------
    id : str
        ``OWNER/NAME``.
    revision : str
        The commit, so that a pull that goes on never mixes two versions.
    licence : str
        As the model's page states it.
    """

    id: str
    revision: str
    endpoint: str
    licence: str
    files: tuple[HubFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class Pulled(_Strict):
    """A model's folder, and which of its files are not there yet."""

    folder: Path
    plan: Plan
    missing: tuple[str, ...]


def models_folder() -> Path:
    """Return where pulled models lie; ``PROOFDESK_HOME`` overrides the platform's cache."""
    home = os.environ.get("PROOFDESK_HOME")
    cache = Path(home) if home else user_cache_path("proofdesk", appauthor=False)
    return cache / "language-models"


def require_id(name: str) -> str:
    """Return a hub's id.

    Raises
    ------
    InputError
        If it is none.
    """
    if _ID.fullmatch(name) is None or ".." in name:
        raise InputError(
            f"{name!r} is no id of a model.", "Give OWNER/NAME, as on the model's page."
        )
    return name


def folder_of(name: str, root: Path | None = None) -> Path:
    """Return the folder that a model has, pulled or not."""
    return (root or models_folder()) / require_id(name).replace("/", "--")


def pulled_folder(name: str, root: Path | None = None) -> Path | None:
    """Return the folder of a model that is complete, None where there is none."""
    if _ID.fullmatch(name) is None:
        return None
    folder = folder_of(name, root)
    found = read_pulled(folder) if (folder / PLAN).is_file() else None
    return folder if found is not None and not found.missing else None


def pulled_models(root: Path | None = None) -> list[Pulled]:
    """Return every model that a pull was begun for, by its folder's name."""
    return [
        read_pulled(path.parent) for path in sorted((root or models_folder()).glob(f"*/{PLAN}"))
    ]


def read_pulled(folder: Path) -> Pulled:
    """Return what belongs into a folder, and what of it is missing.

    Raises
    ------
    ModelError
        If its plan cannot be read.
    """
    try:
        plan = Plan.model_validate_json((folder / PLAN).read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"The folder {folder} holds no model that can be read.",
            "Remove that folder and pull the model again.",
        ) from error
    return Pulled(folder=folder, plan=plan, missing=tuple(_missing(folder, plan)))


def verify_model(
    name: str, report: Callable[[str, float], None], root: Path | None = None
) -> list[str]:
    """Hash every file of a model; return what is wrong, one sentence each.

    Raises
    ------
    ModelError
        If the model was never pulled.
    """
    pulled = _known(name, root)
    wrong = [f"{file} is missing" for file in pulled.missing]
    done = 0
    for file in pulled.plan.files:
        report(file.name, done / max(pulled.plan.size, 1))
        done += file.size
        if file.name not in pulled.missing and not matches(pulled.folder / file.name, file):
            wrong.append(f"{file.name} is not what it was when its model was published")
    return wrong


def remove_model(name: str, root: Path | None = None) -> int:
    """Remove a model's folder; return how many bytes that gave back.

    Raises
    ------
    ModelError
        If the model was never pulled.
    StorageError
        If it cannot be removed.
    """
    folder = _known(name, root).folder
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be removed: {error.strerror}.", "Check its rights."
        ) from error
    return size


def matches(path: Path, file: HubFile) -> bool:
    """Tell whether a file on disk has the size and hash of its plan."""
    if path.stat().st_size != file.size:
        return False
    if not file.sha256 and not file.git_sha1:
        return True
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {file.size}\0".encode())
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest() == (file.sha256 or file.git_sha1)


def _known(name: str, root: Path | None) -> Pulled:
    folder = folder_of(name, root)
    if not (folder / PLAN).is_file():
        raise ModelError(
            f"The model {name} was not pulled.", f"Pull it: proofdesk models pull {name}"
        )
    return read_pulled(folder)


def _missing(folder: Path, plan: Plan) -> Iterator[str]:
    for file in plan.files:
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            yield file.name
