"""From labelled questions and a datastack to a table of pictures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import InputError, ProofdeskError, StorageError
from inference.datasets.samples import Part, Sample
from inference.pictures import pack_pair
from inference.training.tables import PARTS, PictureTable, TableCard, write_table
from inference.training.zoo.heads import UNKNOWN
from proofreading.verdicts import Task
from rendering.em import Slices
from rendering.geometry import CHANNELS
from rendering.pictures import PictureMaker

__all__ = ["make_table"]

Say = Callable[[str], None]
NOBODY = 0
_EVERY = 500
"""Pictures between two lines of progress."""


def make_table(
    labelled: Sequence[tuple[Sample, Part]],
    datastack: Datastack,
    folder: Path,
    card: TableCard,
    say: Say | None = None,
) -> PictureTable:
    """Make the pictures of questions about one segment or a pair.

    What has no pictures (a mesh that is missing, a place outside the volume, a segment
    that was replaced) keeps its row, without a label and in no part, and is counted on
    the card by its reason.

    Parameters
    ----------
    card : TableCard
        What to make: slices if it names an EMSpec, views of meshes if a GeometrySpec.
        `tasks` decides the order of labels; questions of other tasks are left out.

    Raises
    ------
    InputError
        If there is no question, or if a task is about a cut, which pictures of whole
        segments do not show.
    StorageError
        If the folder cannot be written.
    """
    chosen = [(sample, part) for sample, part in labelled if sample.task in card.tasks]
    _check(chosen, card)
    maker = PictureMaker(datastack, em=card.em)
    writer = _Writer.create(folder, len(chosen), card)
    for row, (sample, part) in enumerate(chosen):
        try:
            writer.put(row, sample, part, maker)
        except ProofdeskError as error:
            writer.leave_out(error)
        if say is not None and row % _EVERY == _EVERY - 1:
            say(f"{row + 1} of {len(chosen)} pictures")
    return writer.close()


@dataclass
class _Writer:
    """The arrays of a table while they are filled."""

    folder: Path
    card: TableCard
    labels: NDArray[np.int8]
    groups: NDArray[np.int64]
    part: NDArray[np.uint8]
    pictures: NDArray[np.uint8] | None
    geometry: NDArray[np.float16] | None
    left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def create(cls, folder: Path, count: int, card: TableCard) -> _Writer:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pictures, geometry = _files(folder, count, card)
        except OSError as error:
            raise StorageError(
                f"The folder {folder} cannot be written.", "Make room, or name another folder."
            ) from error
        return cls(
            folder=folder,
            card=card,
            labels=np.full((count, len(card.tasks)), UNKNOWN, np.int8),
            groups=np.zeros(count, np.int64),
            part=np.full(count, PARTS.index(Part.BUFFER), np.uint8),
            pictures=pictures,
            geometry=geometry,
        )

    def put(self, row: int, sample: Sample, part: Part, maker: PictureMaker) -> None:
        own, other = _segments(sample)
        if self.pictures is not None:
            pair = [own] if other is None else [own, other]
            slices = maker.judge_slices(sample.point_nm, pair)
            self.pictures[row] = _packed(slices, own, other)
        if self.geometry is not None:
            drawn = maker.geometry(sample.point_nm, own, other, self.card.geometry)
            self.geometry[row] = drawn.data
        self.labels[row, self.card.tasks.index(sample.task)] = sample.label
        self.groups[row] = _group(sample)
        self.part[row] = PARTS.index(part)

    def leave_out(self, error: ProofdeskError) -> None:
        self.left_out[type(error).__name__] += 1

    def close(self) -> PictureTable:
        for array in (self.pictures, self.geometry):
            if isinstance(array, np.memmap):
                array.flush()
        card = replace(self.card, left_out=dict(self.left_out))
        return write_table(self.folder, card, self.labels, self.groups, self.part)


def _check(chosen: Sequence[tuple[Sample, Part]], card: TableCard) -> None:
    if not chosen:
        raise InputError(
            "There is no question of these tasks to make pictures of.",
            "Build the dataset with these tasks first.",
        )
    if Task.SPLIT_ACTION_EVALUATION in card.tasks:
        raise InputError(
            "Pictures of whole segments do not show where a cut would run.",
            "Train the features judge for split_action_evaluation.",
        )
    if card.em is None and card.geometry is None:
        raise InputError("No pictures were asked for.", "Name `em`, `geometry` or both.")


def _files(
    folder: Path, count: int, card: TableCard
) -> tuple[NDArray[np.uint8] | None, NDArray[np.float16] | None]:
    pictures: NDArray[np.uint8] | None = None
    geometry: NDArray[np.float16] | None = None
    if card.em is not None:
        size = card.em.size_px
        pictures = np.lib.format.open_memmap(
            folder / "pictures.npy", "w+", np.uint8, (count, len(card.em.planes), 2, size, size)
        )
    if card.geometry is not None:
        size = card.geometry.size_px
        shape = (count, len(card.geometry.views), len(CHANNELS), size, size)
        geometry = np.lib.format.open_memmap(folder / "geometry.npy", "w+", np.float16, shape)
    return pictures, geometry


def _segments(sample: Sample) -> tuple[int, int | None]:
    if len(sample.segments) > 2 or not sample.segments:
        raise InputError(
            f"The question {sample.id} is about {len(sample.segments)} segments.",
            "Pictures show one segment or a pair.",
        )
    return sample.segments[0], sample.segments[1] if len(sample.segments) == 2 else None


def _packed(slices: Slices, own: int, other: int | None) -> NDArray[np.uint8]:
    if other is not None:
        return pack_pair(slices, own, other)
    packed = pack_pair(slices, own, own)
    # One segment is A; a pair's second mask would have been written over it.
    packed[:, 1] = slices.mask(own)
    return packed


def _group(sample: Sample) -> int:
    """Return a number that questions about the same bodies (or segments) share."""
    named = sorted(body for body in sample.bodies if body != NOBODY) or sorted(sample.segments)
    text = ",".join(str(body) for body in [sample.dataset, *named])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
