"""Pictures of a labelled question as data sets of others keep them: npz and PNG."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import VolumeError
from connectome.space import PointNm

__all__ = [
    "OURS",
    "UNSTATED",
    "PictureFrame",
    "SamplePictures",
    "em_png",
    "pack_geometry",
    "unpack_geometry",
    "upright",
]

OURS = "neuroglancer"
"""xy: x right, y down; xz: x right, z down; yz: -z right, y down (Neuroglancer's panels)."""
UNSTATED = "not stated"
_CHANNELS = 7
_KEY = "arr_0"

Half = NDArray[np.float16]


@dataclass(frozen=True)
class PictureFrame:
    """Where pictures look; None where the file does not say it, or says it wrongly.

    Parameters
    ----------
    center_nm : tuple of float or None
        Middle of the views of meshes.
    half_extent_nm : float or None
        Half the width of the views of meshes.
    em_center_nm : tuple of float or None
        Middle of the slices.
    em_half_extent_nm : float or None
        Half the width of the slices.
    em_orientation : str
        `OURS` or `UNSTATED`.
    depth : str
        What the depth channel is measured in.
    """

    center_nm: PointNm | None = None
    half_extent_nm: float | None = None
    em_center_nm: PointNm | None = None
    em_half_extent_nm: float | None = None
    em_orientation: str = UNSTATED
    depth: str = UNSTATED


@dataclass(frozen=True, eq=False)
class SamplePictures:
    """The pictures of one question, packed.

    Parameters
    ----------
    geometry_npz : bytes or None
        Views of meshes, packed by `pack_geometry`: (views, 7, size, size), float16.
    em : mapping of str to bytes
        ``xy``, ``xz``, ``yz`` and ``best``: PNG with microscopy in red, the first
        segment in green, the second in blue.
    split_masks : mapping of str to bytes
        ``front``, ``side`` and ``top``: PNG, 0 where the first piece is, 128 the second,
        255 neither.
    frame : PictureFrame
        Where they look.
    """

    geometry_npz: bytes | None = None
    em: Mapping[str, bytes] = field(default_factory=dict)
    split_masks: Mapping[str, bytes] = field(default_factory=dict)
    frame: PictureFrame = PictureFrame()

    def geometry(self) -> Half | None:
        """Return the views of meshes, shape (views, 7, size, size), or None.

        Raises
        ------
        VolumeError
            If they are damaged.
        """
        return None if self.geometry_npz is None else unpack_geometry(self.geometry_npz)


def pack_geometry(tensor: NDArray[Any]) -> bytes:
    """Return a tensor (views, 7, size, size) as a compressed npz file, float16.

    Raises
    ------
    VolumeError
        If it has another shape.
    """
    _check(tensor)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, np.asarray(tensor, np.float16))
    return buffer.getvalue()


def unpack_geometry(packed: bytes) -> Half:
    """Return the tensor (views, 7, size, size) of an npz file.

    Raises
    ------
    VolumeError
        If it is damaged or holds something else.
    """
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as content:
            tensor = content[_KEY]
    except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise VolumeError("The views of meshes are damaged: they cannot be unpacked.") from error
    _check(tensor)
    return np.asarray(tensor, np.float16)


def em_png(grey: NDArray[np.uint8], a: NDArray[np.bool_], b: NDArray[np.bool_]) -> bytes:
    """Return a slice (height, width) and the masks of its segments as PNG."""
    masks = [np.where(mask, np.uint8(255), np.uint8(0)) for mask in (a, b)]
    return _png(np.stack([grey, *masks], axis=-1))


def upright(png: bytes, plane: str) -> bytes:
    """Return a slice as Neuroglancer shows it, from one of the published sets.

    Published slices are indexed [x, y], [x, z] and [y, z]: the first two are transposed,
    the third is mirrored. Their masks, blurred by resizing, are made sharp again. The
    axes of ``best`` are not recorded, so that it stays as it is.

    Raises
    ------
    VolumeError
        If it is no picture of three colours.
    """
    pixels = _pixels(png)
    if plane in ("xy", "xz"):
        pixels = pixels.swapaxes(0, 1)
    elif plane == "yz":
        pixels = pixels[:, ::-1]
    sharp = pixels.copy()
    sharp[..., 1:] = np.where(pixels[..., 1:] >= 128, 255, 0)
    return _png(sharp)


def _pixels(png: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png)) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise VolumeError("A slice is damaged: it is no picture.") from error
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise VolumeError("A slice has other than the three colours of microscopy and two masks.")
    return pixels


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
    return buffer.getvalue()


def _check(tensor: NDArray[Any]) -> None:
    square = (
        tensor.ndim == 4 and tensor.shape[1] == _CHANNELS and tensor.shape[2] == tensor.shape[3]
    )
    if not square or tensor.dtype.kind != "f":
        raise VolumeError(
            f"Views of meshes have the shape {tensor.shape} and type {tensor.dtype}.",
            "They have to be fractions of the shape (views, 7, size, size).",
        )
