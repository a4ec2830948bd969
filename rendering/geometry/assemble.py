"""Steps that every backend shares: what it is given, and who is nearer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import PointNm
from rendering.geometry.tensor import CHANNELS, GeometrySpec, GeometryTensor
from rendering.surfaces import BrokenMeshError, Surface

__all__ = ["EMPTY", "Layer", "View", "assembled", "checked", "nearest", "packed"]

N = TypeVar("N", np.float32, np.int32)
Singles = NDArray[np.float32]
Flags = NDArray[np.uint8]

EMPTY = -1e9
"""Depth where there is no surface."""
SAME_PLACE = 1e-5
"""Depths, in half extents, that differ by rounding only."""


class Layer(NamedTuple):
    """One surface in one view: depth, and 1 where it is seen from its outside."""

    depth: Singles
    outside: Flags


class View(NamedTuple):
    """One view of every surface.

    Parameters
    ----------
    owner, depth : ndarray, shape (rows, columns)
        What `nearest` made.
    normals : ndarray, shape (3, rows, columns), float32
        Of the nearest surface; anything where there is none.
    masks : list of ndarray, shape (rows, columns), bool
        The full silhouette of each surface.
    contact : list of ndarray, shape (rows, columns), bool
        Silhouettes of what touches.
    """

    owner: Flags
    depth: Singles
    normals: Singles
    masks: list[NDArray[np.bool_]]
    contact: list[NDArray[np.bool_]]


def checked(surfaces: Sequence[Surface]) -> list[Surface]:
    """Return the surfaces as a backend needs them: packed arrays that nobody writes to.

    Raises
    ------
    InputError
        If there are no surfaces, or more than two.
    BrokenMeshError
        If a face names a vertex that does not exist, or vertices lack normals.
    """
    if not 1 <= len(surfaces) <= 2:
        raise InputError(
            f"A geometry tensor shows one surface or two, not {len(surfaces)}.",
            "Merge the surfaces of one body first.",
        )
    return [packed(surface) for surface in surfaces]


def packed(surface: Surface) -> Surface:
    """Return a surface with packed arrays that nobody writes to.

    Raises
    ------
    BrokenMeshError
        See `checked`.
    """
    faces, count = surface.faces, len(surface.positions)
    hint = "The mesh has to be made again."
    if len(faces) and (int(faces.max()) >= count or int(faces.min()) < 0):
        raise BrokenMeshError("The mesh names vertices that it does not have.", hint)
    if len(surface.normals) != count:
        raise BrokenMeshError("The mesh has not one normal for each vertex.", hint)
    return replace(
        surface,
        positions=_rows_of_three(surface.positions, np.float32),
        normals=_rows_of_three(surface.normals, np.float32),
        faces=_rows_of_three(faces, np.int32),
    )


def _rows_of_three(values: NDArray[N], dtype: type[N]) -> NDArray[N]:
    # Compiled code is made for one kind of array; others would be compiled for again.
    rows = np.ascontiguousarray(values, dtype).reshape(-1, 3).view()
    rows.flags.writeable = False
    return rows


def nearest(layers: Sequence[Layer]) -> tuple[Flags, Singles]:
    """Return whose surface is nearest, 0 for nobody's, and its depth, each (rows, columns).

    Faces in one place (two segments that share a border) differ by rounding only: the one
    seen from its outside wins, in whatever order the surfaces come.
    """
    a = layers[0]
    owner = (a.depth > EMPTY).astype(np.uint8)
    if len(layers) == 1:
        return owner, a.depth
    b = layers[1]
    ahead = b.depth - a.depth
    second = ahead > 0
    shared = (np.abs(ahead) < SAME_PLACE) & (a.outside != b.outside)
    np.copyto(second, b.outside > 0, where=shared & (owner > 0))
    owner[second] = 2
    return owner, np.where(second, b.depth, a.depth)


def assembled(views: Sequence[View], spec: GeometrySpec, center_nm: PointNm) -> GeometryTensor:
    """Return the tensor of views that were drawn."""
    size = spec.size_px
    data = np.zeros((len(views), len(CHANNELS), size, size), np.float16)
    contact = np.zeros((len(views), size, size), np.uint8) if spec.contact_nm > 0 else None
    for index, view in enumerate(views):
        seen = view.owner > 0
        channels = data[index]
        channels[0] = seen
        np.copyto(channels[1], view.depth, where=seen, casting="same_kind")
        np.copyto(channels[2:5], view.normals, where=seen, casting="same_kind")
        for number, mask in enumerate(view.masks):
            channels[5 + number] = mask
        if contact is not None:
            contact[index] = np.any(view.contact, axis=0) if view.contact else 0
    owner = np.stack([view.owner for view in views])
    return GeometryTensor(data, owner, contact, spec, center_nm)
