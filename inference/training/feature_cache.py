"""What a frozen encoder saw, kept on disk: each picture is shown to it once.

The file is named by the hash of the encoder's weights and holds a row for each picture,
found by the picture's own hash, so that other tables with the same pictures use it too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from connectome.errors import StorageError
from inference.training.batches import Feeder
from inference.training.devices import autocast
from inference.training.zoo.trunk import Trunk

__all__ = ["cached_features"]

_BATCH = 32
_HASH_BYTES = 16


def cached_features(trunk: Trunk, feeder: Feeder, folder: Path) -> NDArray[np.float32]:
    """Return the vectors (n, width) of every row of a table, from the cache where they are.

    Raises
    ------
    StorageError
        If the cache cannot be written.
    """
    names = [feeder.picture_hash(row, _HASH_BYTES) for row in range(len(feeder.table))]
    path = folder / f"{_weights_hash(trunk)}.npz"
    known = _read(path)
    missing = [row for row, name in enumerate(names) if name not in known]
    if missing:
        known.update(
            zip([names[row] for row in missing], _seen(trunk, feeder, missing), strict=True)
        )
        _write(path, known)
    return np.stack([known[name] for name in names])


def _seen(trunk: Trunk, feeder: Feeder, rows: list[int]) -> NDArray[np.float32]:
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(rows), _BATCH):
            batch = feeder.read(np.array(rows[begin : begin + _BATCH], np.int64))
            with autocast(feeder.device):
                vectors = trunk(batch.pictures, batch.geometry)
            parts.append(vectors.float().cpu().numpy())
    return np.concatenate(parts)


def _weights_hash(trunk: Trunk) -> str:
    digest = hashlib.sha256()
    for name, value in trunk.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()[:32]


def _read(path: Path) -> dict[bytes, NDArray[np.float32]]:
    if not path.exists():
        return {}
    with np.load(path) as stored:
        names, vectors = stored["names"], stored["vectors"]
    return {name.tobytes(): vector for name, vector in zip(names, vectors, strict=True)}


def _write(path: Path, known: dict[bytes, NDArray[np.float32]]) -> None:
    names = np.frombuffer(b"".join(known), np.uint8).reshape(-1, _HASH_BYTES)
    partial = path.with_suffix(".part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(partial, names=names, vectors=np.stack(list(known.values())))
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"The cache {path} cannot be written.", "Make room, or name another folder."
        ) from error
