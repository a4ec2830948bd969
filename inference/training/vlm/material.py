"""From a data set in a folder to questions with pictures, words and answers."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from connectome.datastack import Datastack
from connectome.errors import InputError, NotFoundError, OutsideVolumeError
from inference.datasets.samples import Part, Sample
from inference.datasets.store import Dataset, Row
from inference.judges.vlm.folder import LanguageSpec
from inference.judges.vlm.seeing import QuestionPictures
from inference.training.vlm.examples import Example
from inference.training.vlm.pictures import StoredPictures
from proofreading.verdicts import Task
from rendering.backend import ViewBackend

__all__ = ["Asking", "Material", "asked_samples", "examples_of", "read_rationales", "rows_of_test"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asking:
    """How the questions of a data set are put to a model.

    Parameters
    ----------
    spec : LanguageSpec
        Task, pictures and prompt.
    cache : Path
        Folder in which pictures are kept.
    most : int or None
        So many questions of a part at most, by their ids, which are hashes; all if None.
    rationales : mapping
        Reasons for answers, by the id of the sample.
    rationales_sha256 : str
        Hash of the file that they were read from.
    views : ViewBackend or None
        What draws meshes; octarine if None.
    """

    spec: LanguageSpec
    cache: Path
    most: int | None = None
    rationales: Mapping[str, str] = field(default_factory=dict)
    rationales_sha256: str = ""
    views: ViewBackend | None = None

    @property
    def sha256(self) -> str:
        """Hash over all that decides what a model is shown and told of a data set."""
        spec = self.spec
        told = [spec.prompt().sha256, spec.render.hash, "" if spec.em is None else spec.em.hash]
        told += [str(self.most), self.rationales_sha256]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


@dataclass(frozen=True)
class Material:
    """Questions with pictures, and the samples that they were made of.

    Parameters
    ----------
    left_out : Counter
        Samples that cannot be shown, by the reason.
    """

    examples: list[Example]
    samples: list[Sample]
    left_out: Counter[str]


def asked_samples(dataset: Dataset, task: Task, part: Part, most: int | None) -> list[Sample]:
    """Return the samples of a part, in the order of their ids.

    Raises
    ------
    InputError
        If the task is one that no pictures are made for.
    """
    if task is Task.SPLIT_ACTION_EVALUATION:
        raise InputError(
            "A proposed cut cannot be shown to a language model yet.", "Choose another task."
        )
    found = sorted(dataset.samples(task, part), key=lambda sample: sample.id)
    return found[:most]


def examples_of(
    dataset: Dataset, part: Part, datastack: Datastack, asking: Asking, say: Say
) -> Material:
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
    spec = asking.spec
    samples = asked_samples(dataset, spec.task, part, asking.most)
    _require_same(samples, datastack)
    maker = QuestionPictures(datastack, spec.render, spec.em, asking.views)
    stored = StoredPictures(_folder(asking, datastack), maker, slices=spec.em is not None)
    found = Material([], [], Counter())
    prompt = spec.prompt()
    for number, sample in enumerate(samples):
        if number % 100 == 0:
            say(f"pictures of {part.value}: {number} of {len(samples)}")
        try:
            stored.draw(sample)
        except OutsideVolumeError:
            found.left_out["outside of the volume"] += 1
            continue
        except (InputError, NotFoundError) as error:
            found.left_out[error.message.replace(sample.id, "…")] += 1
            continue
        reasons = asking.rationales.get(sample.id, sample.notes.get("rationale", ""))
        pictures = partial(stored.read, sample)
        found.examples.append(Example(prompt, pictures, sample.label, reasons))
        found.samples.append(sample)
    return found


def read_rationales(path: Path) -> tuple[dict[str, str], str]:
    """Read JSON lines with ``id`` and ``rationale``; return them and the file's sha256.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        content = path.read_bytes()
        lines = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
        found = {str(line["id"]): str(line["rationale"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The reasons in {path} cannot be read.",
            'Write one JSON object a line: {"id": "SAMPLE", "rationale": "TEXT"}.',
        ) from error
    return found, hashlib.sha256(content).hexdigest()


def rows_of_test(dataset: Dataset, task: Task) -> tuple[int, ...]:
    """Return the rows of the data set that are the test of a task."""

    def tested(row: Row) -> bool:
        return row.part is Part.TEST and row.sample.task is task

    return tuple(index for index, row in enumerate(dataset.rows) if tested(row))


def _require_same(samples: list[Sample], datastack: Datastack) -> None:
    others = {sample.dataset for sample in samples} - {datastack.name}
    if others and not any(sample.dataset == datastack.name for sample in samples):
        raise InputError(
            f"The data set is about {sorted(others)[0]}, not about {datastack.name}.",
            "Name the datastack that it was built from.",
        )


def _folder(asking: Asking, datastack: Datastack) -> Path:
    """Return where pictures of these specs and this datastack lie, and no others."""
    spec = asking.spec
    content = [datastack.address, spec.render.hash, None if spec.em is None else spec.em.hash]
    name = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
    return asking.cache / name
