"""Pictures of labelled questions, in files that are mapped and never read whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError, StorageError
from inference.datasets.samples import Part
from inference.models.manifest import Block
from proofreading.verdicts import Task
from rendering.geometry import GeometrySpec
from rendering.spec import EMSpec

__all__ = ["PARTS", "PictureTable", "TableCard", "write_table"]

PARTS = tuple(Part)
"""The parts in the order of their numbers in `PictureTable.part`."""
CARD = "table.json"
_ARRAYS = ("labels", "groups", "part")


@dataclass(frozen=True)
class TableCard:
    """What the pictures show and how they were made.

    Parameters
    ----------
    dataset, dataset_sha256, licence : str
        What the questions were taken from.
    em : EMSpec or None
        How slices were cut; None where the table holds none.
    geometry : GeometrySpec or None
        How the views of meshes were drawn; None where the table holds none.
    held_out_blocks : tuple of Block
        Boxes that hold the test part and nothing of the others.
    candidate_yes_share : dict of str to float
        For a task, the share of yes among the candidates a judge will be asked about.
    left_out : dict of str to int
        How many questions have no pictures, by the reason.
    """

    dataset: str
    dataset_sha256: str
    licence: str
    tasks: tuple[Task, ...]
    em: EMSpec | None
    geometry: GeometrySpec | None
    held_out_blocks: tuple[Block, ...] = ()
    candidate_yes_share: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            **asdict(self),
            "tasks": [task.value for task in self.tasks],
            "held_out_blocks": [block.model_dump() for block in self.held_out_blocks],
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> TableCard:
        """Return a card from `as_json`."""
        em, geometry = found["em"], found["geometry"]
        return cls(
            dataset=found["dataset"],
            dataset_sha256=found["dataset_sha256"],
            licence=found["licence"],
            tasks=tuple(Task(task) for task in found["tasks"]),
            em=None if em is None else EMSpec(**_tuples(em)),
            geometry=None if geometry is None else GeometrySpec(**_tuples(geometry)),
            held_out_blocks=tuple(Block(**block) for block in found["held_out_blocks"]),
            candidate_yes_share=found["candidate_yes_share"],
            left_out=found["left_out"],
        )


@dataclass(frozen=True, eq=False)
class PictureTable:
    """Pictures with their labels, groups and parts.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n, planes, 2, size, size), or None
        Slices as `inference.pictures.pack_pair` makes them.
    geometry : ndarray of float16, shape (n, views, 7, size, size), or None
        `rendering.geometry.GeometryTensor.data` of every question.
    labels : ndarray of int8, shape (n, tasks)
        1, 0, or -1 where the answer to a task is not known.
    groups : ndarray of int64, shape (n,)
        Questions about the same bodies share a number.
    part : ndarray of uint8, shape (n,)
        Index into `PARTS`.
    """

    card: TableCard
    labels: NDArray[np.int8]
    groups: NDArray[np.int64]
    part: NDArray[np.uint8]
    pictures: NDArray[np.uint8] | None = None
    geometry: NDArray[np.float16] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.labels), len(self.groups), len(self.part)}
        lengths.update(len(a) for a in (self.pictures, self.geometry) if a is not None)
        if len(lengths) != 1 or self.labels.shape[1:] != (len(self.card.tasks),):
            raise InputError(
                "The pictures, labels and parts of a table are not equally many.",
                "Make the table again from its dataset.",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, part: Part) -> NDArray[np.int64]:
        """Return the rows of a part, in order."""
        return np.flatnonzero(self.part == PARTS.index(part)).astype(np.int64)

    @property
    def sha256(self) -> str:
        """Hash over every array and the card: equal tables train equal networks."""
        digest = hashlib.sha256(json.dumps(self.card.as_json(), sort_keys=True).encode())
        for array in (self.labels, self.groups, self.part, self.pictures, self.geometry):
            if array is not None:
                digest.update(f"{array.dtype}{array.shape}".encode())
                for begin in range(0, len(array), 256):
                    digest.update(np.ascontiguousarray(array[begin : begin + 256]).data)
        return digest.hexdigest()

    @classmethod
    def open(cls, folder: Path) -> PictureTable:
        """Map the table of a folder.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        try:
            card = TableCard.of_json(json.loads((folder / CARD).read_text(encoding="utf-8")))
            arrays = {name: np.load(folder / f"{name}.npy") for name in _ARRAYS}
            pictures, geometry = (_mapped(folder, name) for name in ("pictures", "geometry"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The folder {folder} holds no table of pictures that can be read.",
                "Make one with `proofdesk dataset pictures`.",
            ) from error
        return cls(card=card, pictures=pictures, geometry=geometry, **arrays)


def write_table(
    folder: Path,
    card: TableCard,
    labels: NDArray[np.int8],
    groups: NDArray[np.int64],
    part: NDArray[np.uint8],
) -> PictureTable:
    """Write what belongs to pictures that lie in ``folder`` already, and open the table.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        arrays: tuple[NDArray[Any], ...] = (labels, groups, part)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)
        text = json.dumps(card.as_json(), indent=1) + "\n"
        (folder / CARD).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be written.", "Name a folder that can be written."
        ) from error
    return PictureTable.open(folder)


def _mapped(folder: Path, name: str) -> NDArray[Any] | None:
    path = folder / f"{name}.npy"
    if not path.exists():
        return None
    mapped: NDArray[Any] = np.load(path, mmap_mode="r")
    return mapped


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
