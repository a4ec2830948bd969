"""One picture, one file, and what is to be known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from connectome.space import PointNm
from proofreading.files import storage_errors
from rendering.geometry import CHANNELS
from rendering.picture import Picture, PictureState, png_bytes
from rendering.pictures import PictureMaker
from rendering.tensor_picture import draw_tensor
from rendering.trouble import Trouble

__all__ = ["Arrays", "Plain", "arrays_file", "geometry_arrays", "picture_file", "slice_arrays"]

Plain = dict[str, Any]
"""What JSON can hold: ``state``, ``reason`` and, of what is there, ``file`` and how it was made."""
Roots = tuple[int, int | None]


@dataclass(frozen=True)
class Arrays:
    """Arrays by their names, how they were made, ready for JSON, and a picture to look at."""

    arrays: Mapping[str, NDArray[Any]]
    record: Plain
    picture: NDArray[np.uint8] | None = None


def picture_file(path: Path, picture: Picture) -> Plain:
    """Write a picture for people; one that is not there takes an older file away.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full.
    """
    told: Plain = {"state": picture.state.value, "reason": picture.reason}
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if picture.rgb is None or picture.record is None:
            path.unlink(missing_ok=True)
            return told
        path.write_bytes(png_bytes(picture))
    more = {"file": path.name, "caption": picture.caption, "nm_per_px": picture.nm_per_px}
    return {**told, **more, **picture.record.plain()}


def arrays_file(path: Path, made: Arrays | Trouble) -> Plain:
    """Write arrays, their record among them, and a picture beside them.

    Trouble takes older files away.

    Raises
    ------
    StorageError
        If the folder cannot be written or the disk is full.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        looked_at = path.with_suffix(".png")
        looked_at.unlink(missing_ok=True)
        if isinstance(made, Trouble):
            path.unlink(missing_ok=True)
            return {"state": made.state.value, "reason": made.reason}
        record: NDArray[Any] = np.array(json.dumps(made.record))
        content: dict[str, Any] = {**made.arrays, "record": record}
        np.savez_compressed(path, **content)
        if made.picture is not None:
            Image.fromarray(made.picture).save(looked_at)
    told: Plain = {"state": PictureState.READY.value, "reason": "", "file": path.name}
    shapes = {
        name: {"shape": list(array.shape), "type": str(array.dtype)}
        for name, array in made.arrays.items()
    }
    if made.picture is not None:
        told["picture"] = looked_at.name
    return {**told, "arrays": shapes, **made.record}


def geometry_arrays(maker: PictureMaker, center_nm: PointNm, roots: Roots) -> Arrays:
    """Return the tensor of a site; for errors see `PictureMaker.geometry`."""
    tensor = maker.geometry(center_nm, *roots)
    spec = tensor.spec
    record = {
        "center_nm": list(tensor.center_nm),
        "nm_per_px": spec.nm_per_px,
        "channels": list(CHANNELS),
        "cameras": dict(zip(spec.views, spec.cameras().tolist(), strict=True)),
        "spec": {"type": type(spec).__name__, **asdict(spec), "hash": spec.hash},
    }
    arrays: dict[str, NDArray[Any]] = {"data": tensor.data, "owner": tensor.owner}
    return Arrays(arrays, record, draw_tensor(tensor))


def slice_arrays(maker: PictureMaker, center_nm: PointNm, roots: Roots) -> Arrays:
    """Return a judge's slices of a site; for errors see `PictureMaker.judge_slices`."""
    slices = maker.judge_slices(center_nm, [root for root in roots if root is not None])
    arrays: dict[str, NDArray[Any]] = {
        "em": slices.em,
        "ids": slices.ids,
        "present": slices.present,
    }
    return Arrays(arrays, {"planes": list(slices.spec.planes), **slices.record()})
