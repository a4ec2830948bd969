"""The surface in which two segments touch, as evenly spread spots with their normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import Contacts
from inference.features.block import Block
from inference.features.spec import FeatureSpec
from inference.features.table import unit

__all__ = ["Surface", "ball_offsets", "surfaces"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """Spots of n contacts, k each; a contact with fewer faces repeats some.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2)
        The labels a and b.
    voxels : ndarray, shape (n, k, 3)
        The voxel before the face of each spot, zyx.
    onto_nm : ndarray, shape (n, k, 3)
        From that voxel's centre to the face, zyx in nm.
    place_nm : ndarray, shape (n, k, 3)
        The face, from the centre of the contact's middle voxel, zyx in nm.
    normals : ndarray, shape (n, k, 3)
        Unit vectors from a to b; zero where they cannot be told.
    area_nm2 : ndarray, shape (n,)
        Area of the contact within the spec's radius, stairs of voxel faces made flat.
    """

    pairs: NDArray[np.int64]
    centers: NDArray[np.int64]
    voxels: NDArray[np.int64]
    onto_nm: Floats
    place_nm: Floats
    normals: Floats
    area_nm2: Floats

    @property
    def normal(self) -> Floats:
        """The mean of the normals, not of unit length, shape (n, 3)."""
        return np.asarray(self.normals.mean(axis=1))

    def indices(self, block: Block, along_nm: Floats) -> NDArray[np.int32]:
        """Return the voxels at distances (m,) along each normal, shape (n, k, m)."""
        away = self.normals[:, :, None, :] * along_nm[:, None]
        away += self.onto_nm[:, :, None, :]
        return block.flat(self.voxels)[:, :, None] + block.steps(away)

    def around(self, block: Block, offsets_nm: Floats) -> NDArray[np.int32]:
        """Return the voxels at offsets (m, 3) from the contacts' middles, shape (n, m)."""
        return block.flat(self.centers)[:, None] + block.steps(offsets_nm)


def surfaces(
    block: Block, contacts: Contacts, rows: NDArray[np.int64], spec: FeatureSpec
) -> Surface:
    """Return the spots of some contacts (rows of ``contacts``)."""
    chosen, counts = _chosen_faces(contacts, rows, block.voxel_nm, spec)
    voxels = contacts.faces[chosen].astype(np.int64)
    pairs, centers = contacts.pairs[rows], contacts.center[rows]
    onto, area = _faces(block, voxels, pairs)
    normals = _normals(block, voxels, onto, pairs, spec.normal_nm)
    place = (voxels - centers[:, None, :]) * block.voxel_nm + onto
    # A face's share of the smooth surface is its area times the cosine to the normal;
    # summed over the stairs of an oblique surface this gives the oblique area.
    flat = (area * np.abs(normals)).sum(axis=2)
    flat[~normals.any(axis=2)] = area[~normals.any(axis=2)].max(axis=-1)
    return Surface(pairs, centers, voxels, onto, place, normals, flat.mean(axis=1) * counts)


def ball_offsets(radius_nm: float, steps: int) -> Floats:
    """Return the places (m, 3) of a cubic lattice inside a ball, in nm."""
    line = np.linspace(-radius_nm, radius_nm, 2 * steps + 1)
    cube = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(cube[(cube**2).sum(axis=1) <= radius_nm**2 * (1 + 1e-9)])


def _chosen_faces(
    contacts: Contacts, rows: NDArray[np.int64], voxel_nm: Floats, spec: FeatureSpec
) -> tuple[NDArray[np.int64], Floats]:
    """Return face rows (n, k) within reach of the middle, and how many there are (n,)."""
    chosen = np.zeros((len(rows), spec.spots), np.int64)
    counts = np.zeros(len(rows))
    for position, row in enumerate(rows):
        begin, end = contacts.first[row], contacts.first[row + 1]
        away = (contacts.faces[begin:end] - contacts.center[row]) * voxel_nm
        near = np.flatnonzero((away**2).sum(axis=1) <= spec.contact_nm**2)
        spread = np.linspace(0, len(near) - 1, spec.spots).round().astype(np.int64)
        chosen[position] = begin + near[spread]
        counts[position] = len(near)
    return chosen, counts


def _faces(
    block: Block, voxels: NDArray[np.int64], pairs: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return offsets to the faces and areas of the faces per axis, both (n, k, 3).

    A voxel with several faces stands once for each; all of them get the mean.
    """
    steps = np.concatenate([np.zeros((1, 3)), np.eye(3)]) * block.voxel_nm
    labels = block.labels_at(block.flat(voxels)[:, :, None] + block.steps(steps))
    a, b = pairs[:, 0, None, None], pairs[:, 1, None, None]
    here, there = labels[..., :1], labels[..., 1:]
    shared = ((here == a) & (there == b)) | ((here == b) & (there == a))
    weight = shared / np.maximum(shared.sum(axis=2, keepdims=True), 1)
    size = block.voxel_nm
    return weight * size / 2, weight * (size.prod() / size)


def _normals(
    block: Block,
    voxels: NDArray[np.int64],
    onto_nm: Floats,
    pairs: NDArray[np.int64],
    radius_nm: float,
) -> Floats:
    """Return unit vectors from the mean place of a around each spot to that of b."""
    offsets = ball_offsets(radius_nm, 3)
    labels = block.labels_at(_near(block, voxels, onto_nm, offsets))
    a, b = pairs[:, 0, None, None], pairs[:, 1, None, None]
    return unit(_mean_place(labels == b, offsets) - _mean_place(labels == a, offsets))


def _mean_place(mask: NDArray[np.bool_], offsets: Floats) -> Floats:
    """Return the mean (n, k, 3) of the offsets (m, 3) that lie in a mask (n, k, m)."""
    table = np.concatenate([offsets, np.ones((len(offsets), 1))], axis=1).astype(np.float32)
    sums = (mask.astype(np.float32) @ table).astype(np.float64)
    return np.asarray(sums[..., :3] / np.maximum(sums[..., 3:], 1))


def _near(
    block: Block, voxels: NDArray[np.int64], onto_nm: Floats, offsets: Floats
) -> NDArray[np.int32]:
    """Return the voxels (n, k, m) at offsets (m, 3) from the spots, on the voxels' grid."""
    # A face lies half a voxel off the centre; nudging the voxel keeps the offsets fixed.
    nudged = block.flat(voxels) + block.steps(onto_nm)
    return nudged[:, :, None] + block.steps(offsets)
