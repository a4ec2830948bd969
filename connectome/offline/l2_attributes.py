"""What the level-2 cache tells of a node, computed from the voxels of its chunk.

The definitions are those of the production's cache: everything is measured inside one
chunk, so an area does not count the chunk's own faces, a distance does not see beyond
them, and `Shapes.faces` counts the voxels of a node that lie on each face. Two things
differ: the principal axes come from all voxels instead of a sample of 10,000, and every
node has them, not only large ones. https://github.com/seung-lab/PCGL2Cache
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Depths", "Shapes", "measure_depths", "measure_shapes"]

_PCA_SAMPLE = 10_000
"""Singular values grow with the root of the sample; the production's has this many voxels."""

Labels = NDArray[np.uint32]
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Shapes:
    """What takes one pass over the voxels, for k nodes of one chunk.

    Parameters
    ----------
    voxels : ndarray, shape (k,), int64
        How many voxels each node has.
    area_nm2 : ndarray, shape (k,), float64
        Faces of voxels towards anything else in the chunk.
    faces : ndarray, shape (k, 2, 3), int64
        Voxels on the lower and upper face of the chunk along x, y and z.
    pca : ndarray, shape (k, 3, 3), float32
        Principal axes (x, y, z), the longest first; the largest component is positive.
    pca_val : ndarray, shape (k, 3), float32
        Their singular values in nm.
    """

    voxels: Counts
    area_nm2: Floats
    faces: Counts
    pca: NDArray[np.float32]
    pca_val: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Depths:
    """What needs a distance transform, for k nodes of one chunk.

    Parameters
    ----------
    max_dt_nm, mean_dt_nm : ndarray, shape (k,), float64
        Largest and mean distance of a node's voxels to anything else in the chunk.
    rep_voxel : ndarray, shape (k, 3), int64
        Index (x, y, z) of a voxel deep inside the node and near its centre.
    """

    max_dt_nm: Floats
    mean_dt_nm: Floats
    rep_voxel: Counts


def measure_shapes(labels: Labels, count: int, voxel_nm: tuple[float, float, float]) -> Shapes:
    """Measure the nodes of a chunk.

    Runs of equal voxels along x stand for the voxels: there are some twenty times fewer.

    Parameters
    ----------
    labels : ndarray, shape (z, y, x), uint32
        Numbers 1 to `count`, 0 for what is no node.
    count : int
        How many nodes there are.
    voxel_nm : tuple of float
        Edge lengths (x, y, z) of a voxel.
    """
    nz, ny, nx = labels.shape
    flat = labels.reshape(-1, nx)
    first = np.ones(flat.shape, dtype=np.bool_)
    first[:, 1:] = flat[:, 1:] != flat[:, :-1]
    start = np.flatnonzero(first)
    length = np.diff(start, append=flat.size)
    label = flat.ravel()[start]
    kept = label != 0
    start, length, label = start[kept], length[kept], label[kept].astype(np.int64) - 1
    row, x = np.divmod(start, nx)
    z, y = np.divmod(row, ny)
    runs = _Runs(label, length, x, y, z, count)
    faces = np.stack(
        [
            np.stack([runs.total(x == 0), runs.voxels(y == 0), runs.voxels(z == 0)], 1),
            np.stack(
                [runs.total(x + length == nx), runs.voxels(y == ny - 1), runs.voxels(z == nz - 1)],
                1,
            ),
        ],
        axis=1,
    )
    across = runs.total(x > 0) + runs.total(x + length < nx)
    sx, sy, sz = voxel_nm
    area = across * (sy * sz)
    area = area + _borders(labels, 1, count) * (sx * sz) + _borders(labels, 0, count) * (sx * sy)
    pca, values = runs.axes(np.asarray(voxel_nm))
    return Shapes(runs.voxels(), area, faces, pca, values)


class _Runs:
    """Runs of voxels along x, and sums over them for each node."""

    def __init__(
        self, label: Counts, length: Counts, x: Counts, y: Counts, z: Counts, count: int
    ) -> None:
        self._label, self._length, self._count = label, length, count
        self._x, self._y, self._z = x, y, z

    def total(self, chosen: NDArray[np.bool_]) -> Counts:
        """Return how many of the chosen runs each node has."""
        return np.bincount(self._label[chosen], minlength=self._count).astype(np.int64)

    def voxels(self, chosen: NDArray[np.bool_] | None = None) -> Counts:
        """Return how many voxels each node has in the chosen runs, in all of them if None."""
        weights = self._length if chosen is None else self._length * chosen
        return self._sum(weights).astype(np.int64)

    def axes(self, voxel_nm: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return principal axes (k, 3, 3) and singular values (k, 3) of each node."""
        n = np.maximum(self.voxels(), 1)
        length, x, y, z = self._length, self._x, self._y, self._z
        last = x + length - 1
        along = (x + last) * length // 2
        squares = (_squares(last) - _squares(x - 1)).astype(np.float64)
        mean = np.stack([self._sum(along), self._sum(y * length), self._sum(z * length)], 1)
        mean /= n[:, None]
        second = np.empty((self._count, 3, 3))
        pairs = {
            (0, 0): squares,
            (1, 1): y * y * length,
            (2, 2): z * z * length,
            (0, 1): y * along,
            (0, 2): z * along,
            (1, 2): y * z * length,
        }
        for (i, j), weights in pairs.items():
            second[:, i, j] = second[:, j, i] = self._sum(weights) / n
        spread = (second - mean[:, :, None] * mean[:, None, :]) * np.outer(voxel_nm, voxel_nm)
        values, vectors = np.linalg.eigh(spread)
        axes = np.swapaxes(vectors, 1, 2)[:, ::-1]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(2)[:, :, None], 2)
        sample = np.minimum(n, _PCA_SAMPLE)[:, None]
        singular = np.sqrt(np.maximum(values[:, ::-1], 0) * sample)
        return (axes * np.sign(largest)).astype(np.float32), singular.astype(np.float32)

    def _sum(self, weights: NDArray[np.generic]) -> Floats:
        found = np.bincount(self._label, weights, minlength=self._count)
        return found.astype(np.float64, copy=False)


def _squares(last: Counts) -> Counts:
    """Return 0 + 1 + 4 + ... + last * last."""
    return last * (last + 1) * (2 * last + 1) // 6


def _borders(labels: Labels, axis: int, count: int) -> Counts:
    """Return how many pairs of unlike neighbours along an axis each node is in."""
    low, high = labels.swapaxes(0, axis)[:-1], labels.swapaxes(0, axis)[1:]
    unlike = low != high
    found = np.bincount(low[unlike], minlength=count + 1)
    found += np.bincount(high[unlike], minlength=count + 1)
    return found[1:].astype(np.int64)


def measure_depths(labels: Labels, count: int, voxel_nm: tuple[float, float, float]) -> Depths:
    """Measure how deep the nodes of a chunk are; parameters as of `measure_shapes`.

    The representative voxel is the one with the largest product of its depth and a weight
    that falls from 1 at the node's centre of mass to 0 at its farthest voxel.
    """
    import edt

    size = np.asarray(voxel_nm, dtype=np.float32)
    depth = edt.edt(
        np.ascontiguousarray(labels), anisotropy=voxel_nm[::-1], black_border=False, parallel=1
    )
    # A chunk that is all one node has no boundary to be far from.
    farthest = max(s * v for s, v in zip(labels.shape, voxel_nm[::-1], strict=True))
    z, y, x = np.nonzero(labels)
    label = labels[z, y, x].astype(np.int64) - 1
    deep = np.minimum(depth[z, y, x], farthest).astype(np.float64)
    voxels = np.maximum(np.bincount(label, minlength=count), 1)
    from_center = np.zeros(len(label))
    for index, length in ((x, size[0]), (y, size[1]), (z, size[2])):
        mean = np.bincount(label, index, minlength=count) / voxels
        from_center += ((index - mean[label]) * float(length)) ** 2
    reach = _largest(label, from_center, count)
    reach[reach == 0] = math.inf  # one voxel, which is its own centre
    score = deep * (1 - np.sqrt(from_center / reach[label]))
    best = np.flatnonzero(score == _largest(label, score, count)[label])
    found, place = np.unique(label[best], return_index=True)
    chosen = best[place]
    rep = np.zeros((count, 3), dtype=np.int64)
    rep[found] = np.stack([x[chosen], y[chosen], z[chosen]], axis=1)
    mean_depth = np.bincount(label, deep, minlength=count) / voxels
    return Depths(_largest(label, deep, count), mean_depth, rep)


def _largest(label: Counts, values: Floats, count: int) -> Floats:
    """Return the largest value of each label, 0 where it has none."""
    out = np.zeros(count)
    np.maximum.at(out, label, values)
    return out
