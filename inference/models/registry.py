"""Which models there are, and which of them a name, a task or a path means.

Bundled models are folders of ``assets/models``; the folder named after a task holds
its default. A name that fits two models is refused, never guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from connectome.errors import ModelError
from inference.models.manifest import MANIFEST_NAME, ModelManifest, read_manifest
from proofreading.verdicts import Task

__all__ = ["ModelFolder", "bundled_folder", "default_model", "find_model", "list_models"]


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk whose weights were verified against its manifest."""

    path: Path
    manifest: ModelManifest

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.path / self.manifest.file


def bundled_folder() -> Path:
    """Return the folder with the bundled models."""
    # The packages are installed as plain folders, so a resource is a file.
    return Path(str(files("assets"))) / "models"


def list_models(folder: Path | None = None) -> list[tuple[Path, ModelManifest]]:
    """Return every model folder below ``folder`` (the bundled ones if None) with its manifest."""
    root = bundled_folder() if folder is None else folder
    paths = sorted(path.parent for path in root.glob(f"*/{MANIFEST_NAME}"))
    return [(path, read_manifest(path)) for path in paths]


def default_model(task: Task, folder: Path | None = None) -> ModelFolder:
    """Return the bundled model that answers a task.

    Raises
    ------
    ModelError
        If none is bundled, or if its weights do not match its manifest.
    """
    path = (bundled_folder() if folder is None else folder) / task.value
    if not (path / MANIFEST_NAME).is_file():
        raise ModelError(
            f"No model for {task.value} is installed.",
            "Train one with `proofdesk train split-error-correction`, or name its folder.",
        )
    return _verified(path, read_manifest(path))


def find_model(name: str, folder: Path | None = None) -> ModelFolder:
    """Return the model that a task, an id (or its unique beginning) or a folder's path means.

    Raises
    ------
    ModelError
        If nothing fits, if several models fit, or if the weights do not match.
    """
    if name in set(Task):
        return default_model(Task(name), folder)
    if (Path(name) / MANIFEST_NAME).is_file():
        path = Path(name)
        return _verified(path, read_manifest(path))
    known = list_models(folder)
    exact = [entry for entry in known if entry[1].id == name]
    fitting = exact or [entry for entry in known if entry[1].id.startswith(name)]
    if len(fitting) != 1:
        raise _no_single_model(name, fitting, known)
    return _verified(*fitting[0])


def _no_single_model(
    name: str,
    fitting: Iterable[tuple[Path, ModelManifest]],
    known: Iterable[tuple[Path, ModelManifest]],
) -> ModelError:
    several = ", ".join(sorted(manifest.id for _, manifest in fitting))
    if several:
        return ModelError(f"The name {name!r} fits several models.", f"Name one of: {several}.")
    names = ", ".join(sorted(manifest.id for _, manifest in known)) or "none"
    return ModelError(
        f"No model is called {name!r}.", f"Known models: {names}; or give a folder's path."
    )


def _verified(path: Path, manifest: ModelManifest) -> ModelFolder:
    weights = path / manifest.file
    try:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"The weights {weights} cannot be read.",
            "Restore the model folder from where it came, or train the model again.",
        ) from error
    if digest != manifest.sha256:
        raise ModelError(
            f"The weights {weights} are not those that their manifest describes.",
            "Restore the model folder from where it came, or train the model again.",
        )
    return ModelFolder(path, manifest)
