"""True merge errors of a segmentation: segments that hold more than one true body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from connectome.contact_blocks import numbered
from connectome.contacts import find_contacts, gaps_filled
from connectome.errors import VolumeError
from connectome.space import PointNm

__all__ = ["TrueMergeError", "true_merge_errors"]

_CORE_STEPS = 2
"""Bodies are eroded by this many voxels: borders drawn a little differently are no errors."""
_GAP_VOXELS = 3


@dataclass(frozen=True)
class TrueMergeError:
    """Two bodies in one segment, and where they meet: (n, 3) xyz in nm."""

    root: int
    bodies: frozenset[int]
    contact_nm: NDArray[np.float64]


def true_merge_errors(
    roots: NDArray[np.uint64],
    bodies: NDArray[np.uint64],
    voxel_nm: tuple[float, float, float],
    origin_nm: PointNm = (0.0, 0.0, 0.0),
    *,
    ignore: Iterable[int] = (),
    overlap_voxels: int = 1000,
) -> list[TrueMergeError]:
    """Return where a segment joins two bodies that both overlap it, from zyx arrays.

    Overlaps are counted as `connectome.offline.scoring` does: from so many voxels of the
    eroded body, bodies 0 and `ignore` left out. Two bodies meet where they touch inside the
    segment; bodies of a segment that hang together nowhere, at their nearest approach.

    Raises
    ------
    VolumeError
        If the arrays differ in shape.
    """
    if roots.shape != bodies.shape:
        raise VolumeError(
            f"Segmentation {roots.shape} and ground truth {bodies.shape} differ in shape.",
            "Give volumes of one shape.",
        )
    parts, owners = _mixed_parts(roots, bodies, set(ignore), overlap_voxels)
    places = _meetings(parts, owners)
    places |= _approaches(parts, owners, places)
    step, origin = np.asarray(voxel_nm), np.asarray(origin_nm)
    return [
        TrueMergeError(
            owners[a][0],
            frozenset({owners[a][1], owners[b][1]}),
            (voxels[:, ::-1] + 0.5) * step + origin,
        )
        for (a, b), voxels in sorted(places.items())
    ]


def _mixed_parts(
    roots: NDArray[np.uint64], bodies: NDArray[np.uint64], ignore: set[int], overlap: int
) -> tuple[NDArray[np.int32], dict[int, tuple[int, int]]]:
    """Return the parts of segments with several bodies, numbered, and whose each one is."""
    root_names, root_of = numbered(roots)
    body_names, body_of = numbered(bodies)
    joint = root_of.astype(np.int64) * len(body_names) + body_of
    names, small = numbered(np.where(_core(body_of), joint, 0).astype(np.uint64))
    keys, counts = names.astype(np.int64), np.bincount(small.ravel(), minlength=len(names))
    root, body = np.divmod(keys, len(body_names))
    kept = (counts >= overlap) & (root != 0) & (body != 0)
    kept &= ~np.isin(body_names[body], np.array(sorted(ignore), np.uint64))
    root, body, keys = root[kept], body[kept], keys[kept]
    mixed = np.bincount(root, minlength=len(root_names))[root] > 1
    root, body, keys = root[mixed], body[mixed], keys[mixed]
    number = np.zeros(len(root_names) * len(body_names), np.int32)
    number[keys] = np.arange(1, len(keys) + 1)
    owners = {
        i: (int(root_names[r]), int(body_names[b]))
        for i, (r, b) in enumerate(zip(root, body, strict=True), 1)
    }
    return number[joint], owners


def _core(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Tell which voxels stay when every label is eroded through faces."""
    core = np.ones(labels.shape, np.bool_)
    for axis in range(3):
        line, label = np.moveaxis(core, axis, 0), np.moveaxis(labels, axis, 0)
        same = label[1:] == label[:-1]
        line[1:] &= same
        line[:-1] &= same
    for _ in range(_CORE_STEPS - 1):
        outer = core.copy()
        for axis in range(3):
            line, before = np.moveaxis(core, axis, 0), np.moveaxis(outer, axis, 0)
            line[1:] &= before[:-1]
            line[:-1] &= before[1:]
    return core


def _meetings(
    parts: NDArray[np.int32], owners: dict[int, tuple[int, int]]
) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Return the voxels (zyx) where two parts of one segment touch."""
    boxes = ndimage.find_objects(parts, max_label=len(owners))
    found: dict[tuple[int, int], NDArray[np.int64]] = {}
    for own in _by_root(owners):
        box = _around([boxes[part - 1] for part in own])
        inside = np.where(np.isin(parts[box], own), parts[box], 0)
        contacts = find_contacts(gaps_filled(inside, _GAP_VOXELS))
        first = np.array([part.start for part in box])
        for row, (a, b) in enumerate(contacts.pairs.tolist()):
            faces = contacts.faces[contacts.first[row] : contacts.first[row + 1]]
            found[a, b] = faces.astype(np.int64) + first
    return found


def _by_root(owners: dict[int, tuple[int, int]]) -> list[list[int]]:
    """Return the parts of each segment."""
    members: dict[int, list[int]] = {}
    for part, (root, _body) in owners.items():
        members.setdefault(root, []).append(part)
    return list(members.values())


def _around(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...]:
    """Return the box that holds all boxes."""
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*boxes, strict=True)
    )


def _approaches(
    parts: NDArray[np.int32], owners: dict[int, tuple[int, int]], met: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Return the nearest approach of those parts of a segment that no contact links."""
    links, found = list(met), {}
    for own in _by_root(owners):
        linked = _linked(own[0], links)
        while rest := [part for part in own if part not in linked]:
            pair, middle = _nearest(parts, sorted(linked & set(own)), rest)
            found[pair] = middle
            links.append(pair)
            linked = _linked(own[0], links)
    return found


def _linked(part: int, links: list[tuple[int, int]]) -> set[int]:
    """Return the parts that hang together with one."""
    reached, queue = {part}, [part]
    while queue:
        here = queue.pop()
        for link in links:
            if here in link:
                fresh = set(link) - reached
                reached |= fresh
                queue.extend(fresh)
    return reached


def _nearest(
    parts: NDArray[np.int32], some: list[int], rest: list[int]
) -> tuple[tuple[int, int], NDArray[np.int64]]:
    """Return the closest two parts of two groups, and the voxel (1, 3) between them."""
    one, other = (np.argwhere(np.isin(parts, group)) for group in (some, rest))
    distance, index = (np.asarray(each) for each in cKDTree(one).query(other))
    at = int(distance.argmin())
    a, b = one[int(index[at])], other[at]
    pair = sorted((int(parts[tuple(a)]), int(parts[tuple(b)])))
    return (pair[0], pair[1]), ((a + b) // 2)[None]
