"""Pictures of a data set's questions on disk: drawn once, read one question at a time."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import InputError, NotFoundError, OutsideVolumeError, StorageError
from inference.datasets.samples import Part, Sample
from inference.datasets.store import Dataset
from inference.judges.vlm.folder import LanguageSpec
from inference.judges.vlm.seeing import QuestionPictures
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.verdicts import Task
from rendering.backend import ViewBackend
from rendering.meshes import MeshFetcher

__all__ = ["Showing", "Shown", "StoredPictures", "show_samples"]

Pictures = tuple[NDArray[np.uint8], ...]
Say = Callable[[str], None]
PIECES = "questions about supervoxels, which have no surface of their own"


@dataclass(frozen=True)
class Showing:
    """How the questions of a data set are shown.

    Parameters
    ----------
    spec : LanguageSpec
        Task and pictures.
    cache : Path
        Folder in which pictures are kept.
    most : int or None
        So many questions of a part at most, by their ids, which are hashes; all if None.
    views : ViewBackend or None
        What draws meshes; octarine if None.
    """

    spec: LanguageSpec
    cache: Path
    most: int | None = None
    views: ViewBackend | None = None


@dataclass(frozen=True)
class Shown:
    """Samples that have pictures.

    Parameters
    ----------
    read : callable
        Returns the pictures of one of them.
    left_out : Counter
        Samples that cannot be shown, by the reason.
    """

    samples: list[Sample]
    read: Callable[[Sample], Pictures]
    left_out: Counter[str]


def show_samples(
    dataset: Dataset, part: Part, datastack: Datastack, showing: Showing, say: Say
) -> Shown:
    """Return the questions of a part; pictures are on disk afterwards, and read when needed.

    Raises
    ------
    InputError
        If the data set is about another datastack, or the task has no pictures.
    ServiceError
        If a server did not answer.
    StorageError
        If pictures cannot be kept.
    """
    spec = showing.spec
    asked = _asked(dataset, spec.task, part)
    _require_same(asked, datastack)
    samples = [sample for sample in asked if not _of_supervoxels(sample)]
    pieces = len(asked) - len(samples)
    samples = samples[: showing.most]
    maker = QuestionPictures(datastack, spec.render, spec.em, showing.views)
    stored = StoredPictures(_folder(showing, datastack), maker, slices=spec.em is not None)
    shown = Shown([], stored.read, Counter({PIECES: pieces} if pieces else {}))
    for number, sample in enumerate(samples):
        if number % 100 == 0:
            say(f"pictures of {part.value}: {number} of {len(samples)}")
        try:
            stored.draw(sample)
        except OutsideVolumeError:
            shown.left_out["outside of the volume"] += 1
        except (InputError, NotFoundError) as error:
            shown.left_out[error.message.replace(sample.id, "…")] += 1
        else:
            shown.samples.append(sample)
    return shown


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


def _asked(dataset: Dataset, task: Task, part: Part) -> list[Sample]:
    """Return the samples of a part, in the order of their ids."""
    if task is Task.SPLIT_ACTION_EVALUATION:
        raise InputError(
            "A proposed cut cannot be shown to a language model yet.", "Choose another task."
        )
    return sorted(dataset.samples(task, part), key=lambda sample: sample.id)


def _of_supervoxels(sample: Sample) -> bool:
    """Tell whether a question is about supervoxels: those have no surface of their own."""
    return sample.notes.get("segmentation") == "watershed"


def _require_same(samples: list[Sample], datastack: Datastack) -> None:
    if samples and not any(sample.dataset == datastack.name for sample in samples):
        raise InputError(
            f"The data set is about {samples[0].dataset}, not about {datastack.name}.",
            "Name the datastack that it was built from.",
        )


def _folder(showing: Showing, datastack: Datastack) -> Path:
    """Return where pictures of these specs and this datastack lie, and no others."""
    spec = showing.spec
    content = [datastack.address, spec.render.hash, None if spec.em is None else spec.em.hash]
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return showing.cache / name
