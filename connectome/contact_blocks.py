"""Where the segments of a whole volume touch, read block by block.

Gaps up to a width count as touching, as in `connectome.contacts`. What is found does not
depend on the blocks: every face is counted in the block of its first voxel, background is
given away by distance and then by a fixed order of directions, and sums are whole numbers.
Memory grows with the number of contacts and their areas, not with the volume.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import BoxNm, Cutout, Scale

__all__ = [
    "Block",
    "Patches",
    "Touching",
    "TouchingPart",
    "blocks",
    "blocks_of",
    "find_touching",
    "numbered",
    "touching_of",
    "touching_part",
]

_CELL_NM = 40.0
"""Faces of one pair within a cell of this edge are remembered as one."""

Voxels = tuple[int, int, int]


@dataclass(frozen=True)
class Block:
    """Voxels ``first`` to ``last`` (past the end), x y z, in the volume's grid."""

    first: Voxels
    last: Voxels

    def box(self, scale: Scale, halo: Voxels = (0, 0, 0)) -> BoxNm:
        """Return the box in nm, grown by so many voxels (x, y, z)."""
        low = [(f - h) * v for f, h, v in zip(self.first, halo, scale.voxel_nm, strict=True)]
        high = [(e + h) * v for e, h, v in zip(self.last, halo, scale.voxel_nm, strict=True)]
        return BoxNm((low[0], low[1], low[2]), (high[0], high[1], high[2]))


@dataclass(frozen=True)
class Touching:
    """Pairs of labels that touch.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2), uint64
        The smaller label first; sorted.
    area_nm2 : ndarray, shape (n,)
        Area of the voxel faces between the two, gaps filled.
    middle_nm : ndarray, shape (n, 3)
        The middle (xyz) of a face near the centroid of the contact.
    volume_nm3 : ndarray, shape (n, 2)
        Volume of both labels inside what was read.
    openness : ndarray, shape (n,)
        Mean over the faces of what `find_touching` was given to measure, 0 to 1; 1 if nothing.
    """

    pairs: NDArray[np.uint64]
    area_nm2: NDArray[np.float64]
    middle_nm: NDArray[np.float64]
    volume_nm3: NDArray[np.float64]
    openness: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Touching:
        """Return some of the pairs."""
        return Touching(
            self.pairs[rows],
            self.area_nm2[rows],
            self.middle_nm[rows],
            self.volume_nm3[rows],
            self.openness[rows],
        )


@dataclass(frozen=True)
class Patches:
    """Faces of one pair in one cell, in n cells.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2), uint64
    faces : ndarray, shape (n, 3)
        Their number by axis (zyx).
    measured : ndarray, shape (n,)
        The sum of what was measured on both sides.
    sums, middle : ndarray, shape (n, 3)
        The sum of their positions and the one in the middle, in half voxels (zyx).
    """

    pairs: NDArray[np.uint64]
    faces: NDArray[np.int64]
    measured: NDArray[np.int64]
    sums: NDArray[np.int64]
    middle: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> Patches:
        """Return some of the patches."""
        return Patches(
            self.pairs[rows],
            self.faces[rows],
            self.measured[rows],
            self.sums[rows],
            self.middle[rows],
        )


@dataclass(frozen=True)
class TouchingPart:
    """What some blocks hold of the pairs that touch.

    Parameters
    ----------
    patches : Patches
        The faces whose first voxel lies in one of the blocks.
    labels, voxels : ndarray, shape (k,)
        The labels (0 included) seen in the blocks or just around them, sorted, and how
        many voxels of each lie inside.
    """

    patches: Patches
    labels: NDArray[np.uint64]
    voxels: NDArray[np.int64]


def find_touching(
    read: Callable[[BoxNm], Cutout],
    scale: Scale,
    *,
    gap_nm: float,
    measure: Callable[[BoxNm], Cutout] | None = None,
    box: BoxNm | None = None,
    block_voxels: int = 128,
    progress: Callable[[float], None] | None = None,
) -> Touching:
    """Return every pair of labels that touch in a box (the whole volume if None).

    Parameters
    ----------
    read : callable
        Returns the labels of a box at `scale`, cut at the volume's faces.
    gap_nm : float
        Background no further than this from a label is given to the nearest one.
    measure : callable, optional
        Returns uint8 values of a box on the same grid, to be averaged over every contact.
    progress : callable, optional
        Called with the share of blocks that were read.

    Raises
    ------
    OutsideVolumeError
        If the box holds no voxel.
    """
    todo = blocks(scale, block_voxels, box)
    part = touching_part(read, scale, todo, gap_nm=gap_nm, measure=measure, progress=progress)
    return touching_of([part], scale)


def touching_part(
    read: Callable[[BoxNm], Cutout],
    scale: Scale,
    todo: Sequence[Block],
    *,
    gap_nm: float,
    measure: Callable[[BoxNm], Cutout] | None = None,
    progress: Callable[[float], None] | None = None,
) -> TouchingPart:
    """Return what these blocks hold of the pairs that touch; see `find_touching`."""
    offsets = _offsets(scale, gap_nm)
    reach = np.abs(offsets).max(axis=0, initial=0)
    halo = (int(reach[2]) + 1, int(reach[1]) + 1, int(reach[0]) + 1)
    patches: list[Patches] = []
    counts: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []
    for done, block in enumerate(todo, 1):
        cutout = read(block.box(scale, halo))
        core = _core(cutout, block)
        names, small = numbered(cutout.data)
        counts.append((names, np.bincount(small[core].ravel(), minlength=len(names))))
        filled = _filled(small, core, offsets)
        first = (block.first[2], block.first[1], block.first[0])
        values = None if measure is None else measure(block.box(scale, halo)).data
        patches.append(_patches(names, filled, values, core, first, _cell(scale)))
        if progress is not None:
            progress(done / len(todo))
    return TouchingPart(_joined(patches), *_counted(counts))


def touching_of(parts: Sequence[TouchingPart], scale: Scale) -> Touching:
    """Return the pairs of which the parts, of different blocks, hold all patches."""
    counted = _counted([(part.labels, part.voxels) for part in parts])
    return _together(_joined([part.patches for part in parts]), counted, scale)


def blocks(scale: Scale, size: int, box: BoxNm | None = None) -> list[Block]:
    """Return the blocks of about ``size`` voxels a side that fill a box, z slowest.

    They lie on a grid of the volume's own, whole cells each, and end at the box.

    Raises
    ------
    OutsideVolumeError
        If the box holds no voxel.
    """
    first, last = scale.clip(scale.bounds_nm if box is None else box)
    spans = []
    for axis in (2, 1, 0):
        cell = _cell(scale)[2 - axis]
        edge = max(1, math.ceil(size / cell)) * cell
        starts = range(first[axis] // edge * edge, last[axis], edge)
        spans.append([(max(a, first[axis]), min(a + edge, last[axis])) for a in starts])
    return [Block((x[0], y[0], z[0]), (x[1], y[1], z[1])) for z, y, x in itertools.product(*spans)]


def numbered(labels: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Return the labels that occur, 0 first, and the array of their places among them."""
    flat = labels.ravel()
    # Labels come in runs, and sorting runs is many times quicker than sorting voxels.
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    names, small = np.unique(np.append(flat[starts], np.uint64(0)), return_inverse=True)
    runs = np.diff(np.append(starts, flat.size))
    return names, np.repeat(small[:-1].astype(np.int32), runs).reshape(labels.shape)


def _cell(scale: Scale) -> Voxels:
    """Return the edges of a cell in voxels (z, y, x)."""
    x, y, z = (max(1, round(_CELL_NM / voxel)) for voxel in scale.voxel_nm)
    return (z, y, x)


def _offsets(scale: Scale, gap_nm: float) -> NDArray[np.int64]:
    """Return the steps (n, 3) zyx to voxels no further than the gap, nearest first."""
    x, y, z = scale.voxel_nm
    reach = [int(gap_nm / v + 1e-9) for v in (z, y, x)]
    steps = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))), np.int64)
    apart = ((steps * np.array([z, y, x])) ** 2).sum(axis=1)
    order = np.lexsort((*steps.T[::-1], apart))
    near = order[(apart[order] > 0) & (apart[order] <= gap_nm**2 * (1 + 1e-9))]
    return np.asarray(steps[near])


def _core(cutout: Cutout, block: Block) -> tuple[slice, slice, slice]:
    x, y, z = (
        slice(f - c, e - c)
        for f, e, c in zip(block.first, block.last, cutout.first_voxel, strict=True)
    )
    return (z, y, x)


def _filled(
    small: NDArray[np.int32], core: tuple[slice, ...], offsets: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Give background in and just beyond the core to the nearest label within reach."""
    if not len(offsets):
        return small
    reach = np.abs(offsets).max(axis=0)
    padded = np.pad(small, [(int(r), int(r)) for r in reach])
    flat, filled = padded.ravel(), padded.copy()
    out = filled.ravel()
    wanted = np.zeros(padded.shape, np.bool_)
    inner = tuple(slice(p.start + r, p.stop + r + 1) for p, r in zip(core, reach, strict=True))
    wanted[inner] = padded[inner] == 0
    # The padding is no part of the volume.
    inside = tuple(slice(int(r), int(r) + n) for r, n in zip(reach, small.shape, strict=True))
    rest = np.zeros_like(wanted)
    rest[inside] = wanted[inside]
    places = np.flatnonzero(rest)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    for step in (offsets @ strides).tolist():
        found = flat[places + step]
        hit = found != 0
        out[places[hit]] = found[hit]
        places = places[~hit]
    return filled[inside]


def _patches(
    names: NDArray[np.uint64],
    labels: NDArray[np.int32],
    values: NDArray[np.uint8] | None,
    core: tuple[slice, ...],
    first: Voxels,
    cell: Voxels,
) -> Patches:
    """Return the contacts of a block, cell by cell."""
    parts = [_faces(labels, core, axis) for axis in range(3)]
    low, high = (np.concatenate([part[i] for part in parts]).astype(np.int64) for i in (0, 1))
    voxels = np.concatenate([part[2] for part in parts])
    axes = np.repeat(np.arange(3), [len(part[0]) for part in parts])
    turn = np.eye(3, dtype=np.int64)[axes]
    measured = _measured(values, core, voxels, turn)
    voxels += np.array(first)
    cells = voxels // np.array(cell)
    cells -= np.array(first) // np.array(cell)
    span = cells.max(axis=0, initial=0) + 1
    key = ((low * len(names) + high) * span[0] + cells[:, 0]) * span[1] + cells[:, 1]
    key = key * span[2] + cells[:, 2]
    order = np.argsort(key, kind="stable")
    begin, group = _groups(key[order])
    # The middle of a face, in half voxels from the middle of voxel 0.
    places = (2 * voxels + turn)[order]
    faces, sums = _sums(turn[order], begin), _sums(places, begin)
    pick = _nearest(places, sums, faces.sum(axis=1), group)
    ends = names[np.stack([low, high], axis=1)[order[begin]]]
    total = _sums(measured[order, None], begin)[:, 0]
    return Patches(ends.reshape(-1, 2), faces, total, sums, places[pick])


def _measured(
    values: NDArray[np.uint8] | None,
    core: tuple[slice, ...],
    voxels: NDArray[np.int64],
    turn: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the sum of the values on both sides of each face, the highest if there are none."""
    if values is None:
        return np.full(len(voxels), 2 * 255, np.int64)
    one = voxels + np.array([part.start for part in core])
    near, far = (values[tuple(place.T)].astype(np.int64) for place in (one, one + turn))
    return np.asarray(near + far)


def _faces(
    labels: NDArray[np.int32], core: tuple[slice, ...], axis: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return both labels and the first voxel (zyx, from the core's first) of each face."""
    end = min(core[axis].stop, labels.shape[axis] - 1)
    before, after = list(core), list(core)
    before[axis] = slice(core[axis].start, end)
    after[axis] = slice(core[axis].start + 1, end + 1)
    one, other = labels[tuple(before)], labels[tuple(after)]
    where = np.nonzero((one != other) & (one != 0) & (other != 0))
    a, b = one[where], other[where]
    return np.minimum(a, b), np.maximum(a, b), np.stack(where, axis=1).astype(np.int64)


def _groups(key: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where equal neighbours begin, and the number of each one's group."""
    starts = np.ones(len(key), np.bool_)
    starts[1:] = key[1:] != key[:-1]
    return np.flatnonzero(starts), np.cumsum(starts) - 1


def _sums(values: NDArray[np.int64], begin: NDArray[np.intp]) -> NDArray[np.int64]:
    if not len(begin):
        return np.zeros((0, values.shape[1]), np.int64)
    return np.asarray(np.add.reduceat(values, begin, axis=0), np.int64)


def _nearest(
    places: NDArray[np.int64],
    sums: NDArray[np.int64],
    count: NDArray[np.int64],
    group: NDArray[np.intp],
) -> NDArray[np.intp]:
    """Return for each group the place nearest to its centroid, the first of equals."""
    center = sums / np.maximum(count, 1)[:, None]
    apart = ((places - center[group]) ** 2).sum(axis=1)
    order = np.lexsort((*places.T[::-1], apart, group))
    return order[_groups(group[order])[0]]


def _joined(patches: list[Patches]) -> Patches:
    return Patches(
        np.concatenate([part.pairs for part in patches]),
        np.concatenate([part.faces for part in patches]),
        np.concatenate([part.measured for part in patches]),
        np.concatenate([part.sums for part in patches]),
        np.concatenate([part.middle for part in patches]),
    )


def _counted(
    counts: list[tuple[NDArray[np.uint64], NDArray[np.int64]]],
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    names, place = np.unique(np.concatenate([each[0] for each in counts]), return_inverse=True)
    total = np.zeros(len(names), np.int64)
    np.add.at(total, place, np.concatenate([each[1] for each in counts]))
    return names, total


def _together(
    patches: Patches, counted: tuple[NDArray[np.uint64], NDArray[np.int64]], scale: Scale
) -> Touching:
    """Join the patches of each pair."""
    names, sizes = counted
    rows = np.searchsorted(names, patches.pairs).astype(np.int64)
    # Sorting by labels, not by their places, would be the same order.
    key = rows[:, 0] * len(names) + rows[:, 1]
    order = np.argsort(key, kind="stable")
    begin, group = _groups(key[order])
    faces, sums = _sums(patches.faces[order], begin), _sums(patches.sums[order], begin)
    pick = _nearest(patches.middle[order], sums, faces.sum(axis=1), group)
    x, y, z = scale.voxel_nm
    middle = (patches.middle[order][pick][:, ::-1] + 1) / 2 * np.array([x, y, z])
    ends = rows[order[begin]].reshape(-1, 2)
    volumes = np.asarray(sizes[ends] * math.prod(scale.voxel_nm), np.float64)
    total = _sums(patches.measured[order, None], begin)[:, 0]
    openness = total / (2 * 255 * np.maximum(faces.sum(axis=1), 1))
    area = faces @ np.array([x * y, x * z, y * z])
    return Touching(names[ends], area, middle, volumes, openness)


def blocks_of(
    scale: Scale, size: int, points_nm: NDArray[np.float64], box: BoxNm | None = None
) -> Iterator[tuple[Block, NDArray[np.intp]]]:
    """Yield the blocks that hold points (n, 3) xyz in nm, with the rows of these.

    A point on the far face of the volume counts to the last voxel.
    """
    voxel = np.floor(points_nm / np.array(scale.voxel_nm)).astype(np.int64)
    for block in blocks(scale, size, box):
        held = ((voxel >= block.first) & (voxel < block.last)).all(axis=1)
        if held.any():
            yield block, np.flatnonzero(held)
