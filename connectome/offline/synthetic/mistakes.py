"""An automatic segmentation with known errors: supervoxels put together not quite right."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.offline.synthetic.recipe import DemoRecipe
from connectome.offline.synthetic.tissue import Tissue

__all__ = ["Segmented", "segment"]

_SMALLEST_PIECE = 5_000
_NARROW, _WIDE = 12, 700
"""Faces of the contacts where errors happen, in voxel faces."""
_CUTS_PER_BODY = 2
_MARGIN = 20
"""Errors stay this many voxels away from the volume's faces."""


@dataclass(frozen=True)
class Segmented:
    """The segmentation and the errors that were made on purpose.

    Parameters
    ----------
    segments : ndarray of uint32, shape (z, y, x)
    scars : ndarray of float32, shape (z, y, x)
        Membrane-like artefacts at some of the split errors, 0 to 1.
    split_errors, merge_errors : tuple of (int, int)
        Two segments of one body; segment and how many bodies it joins.
    """

    segments: NDArray[np.uint32]
    scars: NDArray[np.float32]
    split_errors: tuple[tuple[int, int], ...]
    merge_errors: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Contacts:
    """Touching supervoxels: ids (n,), faces (n,), mean place (n, 3) zyx in voxels."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    faces: NDArray[np.int64]
    places: NDArray[np.float64]

    def suitable(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Tell which are narrow and well inside the volume, shape (n,)."""
        inside = (self.places >= _MARGIN) & (self.places < np.asarray(shape) - _MARGIN)
        return (self.faces >= _NARROW) & (self.faces <= _WIDE) & inside.all(axis=1)


def segment(tissue: Tissue, recipe: DemoRecipe, rng: np.random.Generator) -> Segmented:
    """Return the bodies, with some cut in two and some joined."""
    contacts = _contacts(tissue.supervoxels)
    count = int(tissue.supervoxels.max()) + 1
    body_of = np.zeros(count, np.int64)
    body_of[tissue.supervoxels.ravel()] = tissue.bodies.ravel()
    sizes = np.bincount(tissue.supervoxels.ravel(), minlength=count)
    plan = _Plan(contacts, body_of, sizes)
    suitable = rng.permutation(np.flatnonzero(contacts.suitable(tissue.bodies.shape)))
    plan.split(suitable, recipe.split_errors)
    splits = plan.split_errors()
    merges = plan.merge(suitable, recipe.merge_errors)
    scars = _scars(tissue.supervoxels, plan.segment_of, body_of, splits, rng)
    names = np.unique(plan.segment_of, return_inverse=True)[1].astype(np.uint32)
    numbers = dict(zip(plan.segment_of.tolist(), names.tolist(), strict=True))
    return Segmented(
        names[tissue.supervoxels],
        scars,
        tuple((numbers[a], numbers[b]) for a, b in splits),
        tuple((numbers[a], 2) for a in merges),
    )


class _Plan:
    """The segment of each supervoxel, while errors are being made."""

    def __init__(
        self, contacts: _Contacts, body_of: NDArray[np.int64], sizes: NDArray[np.int64]
    ) -> None:
        self._contacts, self._body_of, self._sizes = contacts, body_of, sizes
        self.segment_of = body_of.copy()
        self._cuts: dict[int, int] = defaultdict(int)
        self._near: dict[int, list[tuple[int, int]]] = defaultdict(list)
        pairs = zip(contacts.first, contacts.second, contacts.faces, strict=True)
        for a, b, faces in pairs:
            if body_of[a] == body_of[b]:
                self._near[int(a)].append((int(b), int(faces)))
                self._near[int(b)].append((int(a), int(faces)))

    def split(self, suitable: NDArray[np.int64], wanted: int) -> None:
        """Cut segments in two at narrow places."""
        made = 0
        for index in suitable:
            a, b = int(self._contacts.first[index]), int(self._contacts.second[index])
            if made >= wanted:
                return
            if self.segment_of[a] != self.segment_of[b] or self._is_full(a):
                continue
            piece = self._piece(a, b)
            if piece is not None:
                self._cuts[int(self._body_of[a])] += 1
                self.segment_of[sorted(piece)] = int(self.segment_of.max()) + 1
                made += 1

    def split_errors(self) -> list[tuple[int, int]]:
        """Return the touching segments of one body: three where two cuts lie close."""
        ends = np.stack([self._contacts.first, self._contacts.second])
        bodies, segments = self._body_of[ends], np.sort(self.segment_of[ends], axis=0)
        split = (bodies[0] == bodies[1]) & (segments[0] != segments[1])
        return sorted({(int(a), int(b)) for a, b in segments[:, split].T})

    def merge(self, suitable: NDArray[np.int64], wanted: int) -> list[int]:
        """Join touching bodies that are whole; return the joined segments."""
        made: list[int] = []
        used = {body for body, cuts in self._cuts.items() if cuts}
        for index in suitable:
            a, b = int(self._contacts.first[index]), int(self._contacts.second[index])
            pair = {int(self._body_of[a]), int(self._body_of[b])}
            if len(made) >= wanted:
                break
            if len(pair) == 2 and used.isdisjoint(pair) and self._is_large(pair):
                self.segment_of[self._body_of == max(pair)] = min(pair)
                used |= pair
                made.append(min(pair))
        return made

    def _is_full(self, supervoxel: int) -> bool:
        return self._cuts[int(self._body_of[supervoxel])] >= _CUTS_PER_BODY

    def _is_large(self, bodies: set[int]) -> bool:
        return all(
            int(self._sizes[self._body_of == body].sum()) >= 4 * _SMALLEST_PIECE for body in bodies
        )

    def _piece(self, a: int, b: int) -> set[int] | None:
        """Return the part of a segment nearer to `b` than to `a`, if the cut is a narrow one."""
        segment = self.segment_of[a]
        side, queue = {a: a, b: b}, deque([a, b])
        while queue:
            here = queue.popleft()
            for other, _ in self._near[here]:
                if other not in side and self.segment_of[other] == segment:
                    side[other] = side[here]
                    queue.append(other)
        piece = {supervoxel for supervoxel, end in side.items() if end == b}
        rest = side.keys() - piece
        cut = sum(faces for one in piece for other, faces in self._near[one] if other in rest)
        smallest = min(int(self._sizes[list(part)].sum()) for part in (piece, rest))
        return piece if cut <= _WIDE and smallest >= _SMALLEST_PIECE else None


def _contacts(supervoxels: NDArray[np.uint32]) -> _Contacts:
    count = np.int64(supervoxels.max()) + 1
    keys, places = [], []
    for axis in range(3):
        low, high, voxels = _faces(supervoxels, axis)
        keys.append(np.minimum(low, high) * count + np.maximum(low, high))
        places.append(voxels)
    unique, inverse, faces = np.unique(
        np.concatenate(keys), return_inverse=True, return_counts=True
    )
    where = np.concatenate(places)
    means = np.stack([np.bincount(inverse, where[:, axis]) for axis in range(3)], axis=1)
    return _Contacts(unique // count, unique % count, faces, means / faces[:, None])


def _faces(
    labels: NDArray[np.uint32], axis: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels on both sides, and the lower voxel, of the faces along one axis."""
    low = labels[tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))]
    high = labels[tuple(slice(1, None) if a == axis else slice(None) for a in range(3))]
    differ = low != high
    voxels = np.argwhere(differ)
    return low[differ].astype(np.int64), high[differ].astype(np.int64), voxels


def _scars(
    supervoxels: NDArray[np.uint32],
    segment_of: NDArray[np.int64],
    body_of: NDArray[np.int64],
    splits: list[tuple[int, int]],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return a faint membrane across every other cut, the excuse of the segmentation."""
    scars = np.zeros(supervoxels.shape, np.float32)
    strength = {frozenset(pair): float(rng.uniform(0.25, 0.7)) for pair in splits[::2]}
    for axis in range(3):
        low, high, voxels = _faces(supervoxels, axis)
        cut = (body_of[low] == body_of[high]) & (segment_of[low] != segment_of[high])
        ends = zip(segment_of[low[cut]], segment_of[high[cut]], strict=True)
        values = np.asarray([strength.get(frozenset(map(int, pair)), 0.0) for pair in ends])
        for shift in (0, 1):
            there = voxels[cut].copy()
            there[:, axis] += shift
            scars[tuple(there.T)] = values
    return scars
