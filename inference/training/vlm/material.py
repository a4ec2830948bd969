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
from connectome.errors import InputError
from inference.datasets.samples import Part
from inference.datasets.store import Dataset, Row
from inference.judges.vlm.folder import LanguageSpec
from inference.judges.vlm.stored import Showing, show_samples
from inference.training.vlm.examples import Example
from proofreading.verdicts import Task

__all__ = ["Asking", "Material", "examples_of", "read_rationales", "rows_of_test"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asking:
    """How the questions of a data set are put to a model that is to learn.

    Parameters
    ----------
    showing : Showing
        Task, prompt and pictures.
    rationales : mapping
        Reasons for answers, by the id of the sample.
    rationales_sha256 : str
        Hash of the file that they were read from.
    """

    showing: Showing
    rationales: Mapping[str, str] = field(default_factory=dict)
    rationales_sha256: str = ""

    @property
    def spec(self) -> LanguageSpec:
        """Task, prompt and pictures of the model."""
        return self.showing.spec

    @property
    def sha256(self) -> str:
        """Hash over all that decides what a model is shown and told of a data set."""
        spec = self.spec
        told = [spec.prompt().sha256, spec.render.hash, "" if spec.em is None else spec.em.hash]
        told += [str(self.showing.most), self.rationales_sha256]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


@dataclass(frozen=True)
class Material:
    """Questions with pictures and answers.

    Parameters
    ----------
    left_out : Counter
        Samples that cannot be shown, by the reason.
    """

    examples: list[Example]
    left_out: Counter[str]


def examples_of(
    dataset: Dataset, part: Part, datastack: Datastack, asking: Asking, say: Say
) -> Material:
    """Return the questions of a part; for errors see `inference.judges.vlm.stored.show_samples`."""
    shown = show_samples(dataset, part, datastack, asking.showing, say)
    prompt = asking.spec.prompt()
    examples = [
        Example(
            prompt,
            partial(shown.read, sample),
            sample.label,
            asking.rationales.get(sample.id, sample.notes.get("rationale", "")),
        )
        for sample in shown.samples
    ]
    return Material(examples, shown.left_out)


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
