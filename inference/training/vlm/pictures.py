"""Pictures of questions on disk: drawn once, read one example at a time."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import InputError, StorageError
from inference.datasets.samples import Sample
from inference.judges.vlm.seeing import QuestionPictures
from inference.training.vlm.examples import Pictures
from proofreading.catalogue_schema import PAIR_TASKS
from rendering.meshes import MeshFetcher

__all__ = ["StoredPictures"]


class StoredPictures:
    """Keeps the pictures of samples in a folder, so that a run that goes on draws nothing twice.

    Parameters
    ----------
    folder : Path
        Of pictures of these specs and of this datastack alone.
    maker : QuestionPictures
        Draws what is not there yet.
    slices : bool
        Whether it cuts slices. Those show the segmentation as it is now, so a segment that
        an edit has replaced has no place in them; its mesh may still be had.
    """

    def __init__(self, folder: Path, maker: QuestionPictures, *, slices: bool) -> None:
        self._folder = folder
        self._maker = maker
        self._slices = slices
        self._meshes = MeshFetcher(maker.datastack)

    def draw(self, sample: Sample) -> None:
        """Make sure that the pictures of a sample are there.

        Raises
        ------
        InputError
            If they cannot be made.
        ServiceError
            If a server did not answer.
        StorageError
            If the folder cannot be written.
        """
        path = self._path(sample.id)
        if path.is_file():
            return
        pictures: dict[str, Any] = {str(n): p for n, p in enumerate(self._made(sample))}
        partial = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                np.savez_compressed(file, **pictures)
            partial.replace(path)
        except OSError as error:
            raise StorageError(
                f"The pictures cannot be kept in {self._folder}: {error.strerror or error}.",
                "Make room on that disk, or name another folder.",
            ) from error

    def read(self, sample: Sample) -> Pictures:
        """Return the pictures of a sample that was drawn.

        Raises
        ------
        StorageError
            If the file is gone or damaged.
        """
        path = self._path(sample.id)
        try:
            with np.load(path, allow_pickle=False) as file:
                return tuple(file[str(number)] for number in range(len(file.files)))
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise StorageError(
                f"The pictures {path} cannot be read.",
                "Remove that file; going on with the run draws them again.",
            ) from error

    def _made(self, sample: Sample) -> Pictures:
        own, other = _shown(sample)
        roots = [own] if other is None else [own, other]
        if self._slices:
            self._meshes.require_current(*roots)
        return self._maker.at(sample.point_nm, own, other)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"


def _shown(sample: Sample) -> tuple[int, int | None]:
    """Return which segments a person would be shown: a pair only where the question is of one."""
    wanted = 2 if sample.task in PAIR_TASKS else 1
    if len(sample.segments) < wanted or (wanted == 1 and len(sample.segments) > 1):
        # Two pieces of a merged body, drawn as two, would give the answer away.
        raise InputError(
            f"The question {sample.id} is about {wanted} segment(s), "
            f"but {len(sample.segments)} are named."
        )
    return sample.segments[0], sample.segments[1] if wanted == 2 else None
