"""From centrelines to a volume filled with bodies that touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.offline.synthetic.growth import Forest
from connectome.offline.synthetic.recipe import DemoRecipe

__all__ = ["Tissue", "fill", "smooth_field"]

_SMALLEST_BODY = 600
"""Pieces of fewer voxels are given to their neighbours."""
_SMALLEST_SUPERVOXEL = 250


@dataclass(frozen=True)
class Tissue:
    """Bodies and supervoxels (z, y, x), numbered from 1 without gaps, and the membranes.

    Parameters
    ----------
    bodies, supervoxels : ndarray of uint32
        A supervoxel is connected and lies inside one body.
    depth : ndarray of float32
        Distance in voxels from the nearest voxel of another body.
    """

    bodies: NDArray[np.uint32]
    supervoxels: NDArray[np.uint32]
    depth: NDArray[np.float32]


def fill(forest: Forest, recipe: DemoRecipe, rng: np.random.Generator) -> Tissue:
    """Let every voxel belong to the nearest core, seen through a wavy glass."""
    import cc3d
    import edt

    nearest = ndimage.distance_transform_edt(
        forest.painted == 0, return_distances=False, return_indices=True
    )
    nodes = forest.painted[tuple(nearest)] - 1
    del nearest
    nodes = nodes[_wavy(recipe, rng)]
    neurites = np.asarray(forest.neurites, np.uint32) + 1
    bodies = cc3d.connected_components(neurites[nodes], connectivity=6).astype(np.uint32)
    _absorb(bodies, _SMALLEST_BODY)
    sections = np.asarray(forest.sections, np.uint32)[nodes]
    both: NDArray[Any] = (bodies.astype(np.uint64) << np.uint64(32)) | sections
    supervoxels = cc3d.connected_components(both, connectivity=6)
    _absorb(supervoxels, _SMALLEST_SUPERVOXEL, within=bodies)
    depth = edt.edt(bodies, black_border=False, parallel=1)
    return Tissue(_numbered(bodies), _numbered(supervoxels), depth)


def smooth_field(
    shape: tuple[int, ...], spacing: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return random values of standard deviation 1 that vary over `spacing` voxels."""
    values = rng.normal(size=[size // spacing + 4 for size in shape]).astype(np.float32)
    for axis, size in enumerate(shape):
        knots = np.arange(values.shape[axis]) - 1.5
        apart = np.arange(size)[:, None] / spacing - knots[None, :]
        weights = np.exp(-2.0 * apart**2).astype(np.float32)
        values = np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values / values.std())


def _wavy(recipe: DemoRecipe, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
    """Return for every voxel the voxel a little aside that it shows."""
    sources = []
    for axis, size in enumerate(recipe.shape):
        shift = smooth_field(recipe.shape, 9, rng) * recipe.waviness_voxels
        along = np.arange(size, dtype=np.float32).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
        sources.append(np.clip(np.rint(shift + along), 0, size - 1).astype(np.int16))
    return tuple(sources)


def _absorb(labels: NDArray[Any], smallest: int, within: NDArray[Any] | None = None) -> None:
    """Give pieces of fewer voxels to a neighbour, in place; to one `within` the same body."""
    small = np.bincount(labels.ravel()) < smallest
    left = np.argwhere(small[labels])
    # Every round reaches a voxel further into the pieces; they are a few voxels thick.
    for _ in range(50):
        before = len(left)
        for axis in range(3):
            for way in (-1, 1):
                there = left.copy()
                there[:, axis] = np.clip(there[:, axis] + way, 0, labels.shape[axis] - 1)
                new = labels[tuple(there.T)]
                taken = ~small[new]
                if within is not None:
                    taken &= within[tuple(there.T)] == within[tuple(left.T)]
                labels[tuple(left[taken].T)] = new[taken]
                left = left[~taken]
        if len(left) in (0, before):
            return


def _numbered(labels: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the labels numbered from 1 without gaps."""
    present = np.flatnonzero(np.bincount(labels.ravel()))
    names = np.zeros(int(present.max()) + 1, np.uint32)
    names[present] = np.arange(1, len(present) + 1, dtype=np.uint32)
    return np.asarray(names[labels])
