"""Which pictures an epoch shows, and how they get from a table to a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from connectome.errors import InputError
from inference.pictures import unpack_pairs
from inference.training.augment import augmented
from inference.training.geometry_augment import augmented_geometry, erased, exchanged
from inference.training.run_config import AugmentSettings, RunConfig
from inference.training.tables import PictureTable
from inference.training.zoo.settings import PictureShapes

__all__ = ["Batch", "Feeder", "batches", "epoch_rows", "shapes_of"]

Ints = NDArray[np.int64]
_PLANES = 3


@dataclass(frozen=True)
class Batch:
    """What a network is shown at once.

    Parameters
    ----------
    pictures : Tensor of float32, shape (n, planes * 3, h, w), or None
    geometry : Tensor of float32, shape (n, views, channels, h, w), or None
    """

    pictures: Tensor | None
    geometry: Tensor | None


class Feeder:
    """Reads rows of a table onto a device."""

    def __init__(self, table: PictureTable, config: RunConfig, device: torch.device) -> None:
        missing = [t.value for t in config.tasks if t not in table.card.tasks]
        if missing:
            raise InputError(
                f"The pictures know no answer to {', '.join(missing)}.",
                f"They answer {', '.join(task.value for task in table.card.tasks)}.",
            )
        self._columns = [table.card.tasks.index(task) for task in config.tasks]
        self.table = table
        self._em = _needed(table.pictures, "em", config)
        self._geometry = _needed(table.geometry, "geometry", config)
        self.device = device
        if self._em is not None and self._em.shape[1] != _PLANES:
            found = self._em.shape[1]
            raise InputError(
                f"Networks look at three slices of a site, and these pictures have {found}.",
                "Make the pictures with the planes xy, xz and yz.",
            )

    def picture_hash(self, row: int, length: int) -> bytes:
        """Return a hash of what the network is shown of a row."""
        digest = hashlib.blake2b(digest_size=length)
        for array in (self._em, self._geometry):
            if array is not None:
                digest.update(np.ascontiguousarray(array[row]).data)
        return digest.digest()

    def labels(self, rows: Ints) -> NDArray[np.int8]:
        """Return the answers (n, tasks) of rows."""
        return self.table.labels[rows][:, self._columns]

    def read(self, rows: Ints) -> Batch:
        """Return rows as they are."""
        pictures = geometry = None
        if self._em is not None:
            pictures = torch.from_numpy(unpack_pairs(self._em[rows])).to(self.device)
        if self._geometry is not None:
            stored = torch.from_numpy(np.asarray(self._geometry[rows]))
            geometry = stored.to(self.device).float()
        return Batch(pictures, geometry)

    def changed(self, rows: Ints, how: AugmentSettings, rng: torch.Generator) -> Batch:
        """Return rows changed in ways that leave their answers alone."""
        batch = self.read(rows)
        if not how.on:
            return batch
        swap = torch.rand(len(rows), generator=rng, device=rng.device) < 0.5 * how.exchange
        pictures, geometry = batch.pictures, batch.geometry
        if pictures is not None:
            pictures = erased(_other_way_round(augmented(pictures, rng), swap), how.erase, rng)
        if geometry is not None:
            geometry = augmented_geometry(
                exchanged(geometry, swap), rng, drop_channel=how.drop_channel, erase=how.erase
            )
        return Batch(pictures, geometry)


def shapes_of(table: PictureTable, config: RunConfig) -> PictureShapes:
    """Return the shapes that a network has to take."""
    em = _needed(table.pictures, "em", config)
    geometry = _needed(table.geometry, "geometry", config)
    return PictureShapes(
        planes=0 if em is None else em.shape[1],
        em_px=0 if em is None else em.shape[-1],
        views=0 if geometry is None else geometry.shape[1],
        channels=0 if geometry is None else geometry.shape[2],
        geometry_px=0 if geometry is None else geometry.shape[-1],
    )


def epoch_rows(
    rows: Ints, labels: NDArray[np.int8], balance: str, rng: np.random.Generator
) -> Ints:
    """Return the rows of one epoch in random order, as many as there are.

    With the balance ``classes``, every answer of every task is there equally often. A
    frequent answer shows another part of its rows in every epoch; a rare one repeats.
    """
    if balance == "natural":
        return rng.permutation(rows)
    cells = [
        rows[labels[:, task] == answer] for task in range(labels.shape[1]) for answer in (0, 1)
    ]
    filled = [cell for cell in cells if len(cell)]
    if not filled:
        raise InputError(
            "No picture of the training part has an answer.", "Make the table of pictures again."
        )
    share = -(-len(rows) // len(filled))
    drawn = np.concatenate([_drawn(cell, share, rng) for cell in filled])
    return rng.permutation(drawn)[: len(rows)]


def batches(rows: Ints, size: int) -> Iterator[Ints]:
    """Yield rows in batches; a last one of a single row joins the one before it."""
    count = max(-(-len(rows) // size), 1)
    yield from np.array_split(rows, count)


def _drawn(cell: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Return so many rows of a cell, each as often as any other up to one."""
    whole, rest = divmod(count, len(cell))
    return np.concatenate([np.tile(cell, whole), rng.choice(cell, rest, replace=False)])


def _other_way_round(pictures: Tensor, swap: Tensor) -> Tensor:
    n, _, height, width = pictures.shape
    planes = pictures.reshape(n, -1, 3, height, width)
    swapped = planes[:, :, [0, 2, 1]].reshape(pictures.shape)
    return torch.where(swap.reshape(n, 1, 1, 1), swapped, pictures)


def _needed(array: NDArray[Any] | None, name: str, config: RunConfig) -> NDArray[Any] | None:
    if name not in config.inputs:
        return None
    if array is None:
        raise InputError(
            f"The table holds no {name} pictures.", "Make the table again with these pictures."
        )
    return array
