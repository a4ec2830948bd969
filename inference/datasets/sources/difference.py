"""Labelled questions made of two segmentations of one volume, before and after proofreading.

Voxels that the earlier segmentation holds apart and the later one together show a split
error, voxels that it holds together and the later one apart a merge error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from connectome.datastack import Datastack, Skeleton
from connectome.errors import InputError, VolumeError
from connectome.skeletonize import skeletonize
from connectome.space import BoxNm, PointNm
from inference.datasets.contacts import Contacts, find_contacts, gaps_filled
from inference.datasets.numbering import renumbered
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.volumes import TruthVolume, content_hash
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import branch_points, tips
from proofreading.verdicts import Task

__all__ = ["DifferenceSettings", "DifferenceSource", "difference_of", "two_times"]

_SPLIT, _MERGE = Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION
_PAIR = Task.SPLIT_ERROR_CORRECTION


@dataclass(frozen=True)
class DifferenceSettings:
    """What counts as a difference.

    Parameters
    ----------
    smallest : int
        Voxels that a piece has at least; a piece is what both segmentations hold together.
    gap_voxels : int
        Pieces touch when no more than this much background lies on either side.
    purity : float
        Share of a segment that lies in one later segment for it to count as a part of it.
    untouched_nm : float
        A tip or branch point is free of errors when no difference of its segment is so near.
    touched_only : bool
        Whether only segments that differ somewhere give a *no*. Set it where most of the
        volume was never proofread: what nobody looked at is not known to be right.
    """

    smallest: int = 1000
    gap_voxels: int = 3
    purity: float = 0.9
    untouched_nm: float = 500.0
    touched_only: bool = False


class DifferenceSource:
    """The differences of two segmentations; a `SampleSource`.

    Parameters
    ----------
    volume : TruthVolume
        `segmentation` is the earlier and `groundtruth` the later one; see `difference_of`.
    names : tuple of ndarray
        The id of each label of the earlier and of the later one.
    settings : DifferenceSettings, optional
        What counts.
    """

    tasks = frozenset({_SPLIT, _PAIR, _MERGE})

    def __init__(
        self,
        volume: TruthVolume,
        names: tuple[NDArray[np.uint64], NDArray[np.uint64]],
        settings: DifferenceSettings | None = None,
    ) -> None:
        self.volume = volume
        self.settings = settings or DifferenceSettings()
        self.left_out: Counter[str] = Counter()
        self._names = names
        self._pieces = _Pieces.of(volume, self.settings)
        self._named: NDArray[np.uint64] | None = None

    @property
    def dataset(self) -> str:
        """Name of the volume."""
        return self.volume.name

    def labels(self, sample: Sample) -> NDArray[Any]:  # noqa: ARG002
        """Return the earlier segmentation (zyx), which every sample is about."""
        if self._named is None:
            self._named = self._names[0][self.volume.segmentation]
        return self._named

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled questions of a task, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        """
        if task not in self.tasks:
            raise InputError(
                f"A difference does not answer {task.value}.",
                f"Ask for one of {', '.join(sorted(self.tasks))}.",
            )
        self.left_out.clear()
        if task is _PAIR:
            yield from self._pairs()
        else:
            yield from self._errors(task)
            yield from self._error_free(task)

    def _pairs(self) -> Iterator[Sample]:
        """Yield touching segments: *yes* if the later segmentation joins them there."""
        pieces = self._pieces
        done: set[tuple[int, int]] = set()
        joined = pieces.rows(same_before=False, same_after=True)
        for row in joined:
            pair = pieces.before_of(row)
            if pair not in done:
                done.add(pair)
                yield self._sample(_PAIR, "joined later", True, pair, row)
        for row in pieces.rows(same_before=False, same_after=False):
            pair = pieces.before_of(row)
            if pair in done:
                continue
            if pieces.share_a_body(*pair):
                self.left_out["apart here and joined elsewhere"] += 1
            elif not all(pieces.is_pure(label, self.settings.purity) for label in pair):
                self.left_out["apart, and one of them changed"] += 1
            elif self.settings.touched_only and not pieces.touched & set(pair):
                self.left_out["apart, and neither was touched"] += 1
            else:
                done.add(pair)
                yield self._sample(_PAIR, "apart later", False, pair, row)

    def _errors(self, task: Task) -> Iterator[Sample]:
        split = task is _SPLIT
        for row in self._pieces.rows(same_before=not split, same_after=split):
            segments = dict.fromkeys(self._pieces.before_of(row))
            for segment in segments:
                name = "joined later" if split else "parted later"
                yield self._sample(task, name, True, (segment,), row)

    def _error_free(self, task: Task) -> Iterator[Sample]:
        """Yield tips or branch points far from every difference of their segment."""
        split = task is _SPLIT
        places = self._pieces.places(same_before=not split, same_after=split)
        settings = DetectionSettings()
        bounds = self.volume.scale.bounds_nm
        for skeleton in self._skeletons():
            if self.settings.touched_only and skeleton.root not in self._pieces.touched:
                continue
            found = (
                tips(skeleton, settings.tangent_nm, settings.same_tip_nm)
                if split
                else branch_points(skeleton, settings.same_tip_nm)
            )
            for place in found:
                if not bounds.grown(-settings.face_nm - place.radius_nm).contains(place.point_nm):
                    self.left_out["place at a face of the volume"] += 1
                elif self._near(places.get(skeleton.root), place.point_nm):
                    self.left_out["place near a difference"] += 1
                else:
                    name = "error-free tip" if split else "error-free branch point"
                    yield self._made(task, name, False, (skeleton.root,), place.point_nm)

    def _skeletons(self) -> Iterator[Skeleton]:
        low = self.volume.scale.bounds_nm.lower
        for found in skeletonize(self.volume.segmentation, self.volume.voxel_nm):
            yield Skeleton(
                found.root,
                found.vertices_nm + np.asarray(low, np.float32),
                found.edges,
                found.radii_nm,
            )

    def _near(self, places: list[PointNm] | None, point: PointNm) -> bool:
        if not places:
            return False
        apart, _ = cKDTree(places).query(point)
        return bool(apart <= self.settings.untouched_nm)

    def _sample(
        self, task: Task, strategy: str, label: bool, segments: tuple[int, ...], row: int
    ) -> Sample:
        return self._made(task, strategy, label, segments, self._pieces.point(row))

    def _made(
        self, task: Task, strategy: str, label: bool, segments: tuple[int, ...], point: PointNm
    ) -> Sample:
        """Return a sample; `segments` are labels of the volume."""
        before, after = self._names
        ids = tuple(int(before[segment]) for segment in segments)
        bodies = {int(after[b]) for segment in segments for b in self._pieces.bodies_of(segment)}
        return Sample(
            id=sample_id(task, self.dataset, ids, point, strategy),
            task=task,
            dataset=self.dataset,
            origin=Origin.DIFFERENCE,
            strategy=strategy,
            label=label,
            synthetic=False,
            point_nm=point,
            segments=ids,
            bodies=tuple(sorted(bodies)),
        )


@dataclass(frozen=True, eq=False)
class _Pieces:
    """What both segmentations hold together, and where such pieces touch.

    Parameters
    ----------
    before, after : ndarray, shape (n + 1,)
        The two segments of each piece.
    voxels : ndarray, shape (n + 1,)
        Its size.
    contacts : Contacts
        Between pieces.
    touched : frozenset of int
        Earlier segments that the later segmentation changed.
    """

    volume: TruthVolume
    smallest: int
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    voxels: NDArray[np.int64]
    contacts: Contacts
    touched: frozenset[int]

    @classmethod
    def of(cls, volume: TruthVolume, settings: DifferenceSettings) -> _Pieces:
        span = int(volume.groundtruth.max()) + 1
        keys = volume.segmentation.astype(np.uint64) * np.uint64(span) + volume.groundtruth
        keys[(volume.segmentation == 0) | (volume.groundtruth == 0)] = 0
        labels, names = renumbered(keys)
        before, after = (part.astype(np.int64) for part in np.divmod(names, np.uint64(span)))
        voxels = np.bincount(labels.ravel(), minlength=len(names))
        contacts = find_contacts(gaps_filled(labels, settings.gap_voxels))
        large = voxels >= settings.smallest
        kept = large[1:]
        parted = _twice(before[1:][kept])
        joined = _twice(after[1:][kept])
        touched = {
            int(b)
            for b, a in zip(before[1:][kept], after[1:][kept], strict=True)
            if b in parted or a in joined
        }
        return cls(volume, settings.smallest, before, after, voxels, contacts, frozenset(touched))

    def rows(self, *, same_before: bool, same_after: bool) -> list[int]:
        """Return the contacts of two large pieces that are one, or two, before and after."""
        one, other = self.contacts.pairs.T
        large = self.voxels >= self.smallest
        wanted = large[one] & large[other]
        wanted &= (self.before[one] == self.before[other]) == same_before
        wanted &= (self.after[one] == self.after[other]) == same_after
        return [int(row) for row in np.flatnonzero(wanted)]

    def before_of(self, row: int) -> tuple[int, int]:
        """Return the earlier segments of a contact, the smaller label first."""
        a, b = sorted(int(self.before[piece]) for piece in self.contacts.pairs[row])
        return a, b

    def point(self, row: int) -> PointNm:
        """Return the middle of a contact."""
        z, y, x = (int(v) for v in self.contacts.center[row])
        ox, oy, oz = self.volume.first_voxel
        return self.volume.scale.center_of((x + ox, y + oy, z + oz))

    def places(self, *, same_before: bool, same_after: bool) -> dict[int, list[PointNm]]:
        """Return for each earlier segment where it differs."""
        found: dict[int, list[PointNm]] = {}
        for row in self.rows(same_before=same_before, same_after=same_after):
            for segment in set(self.before_of(row)):
                found.setdefault(segment, []).append(self.point(row))
        return found

    def bodies_of(self, segment: int) -> list[int]:
        """Return the later segments that hold a large piece of an earlier one."""
        mine = (self.before == segment) & (self.voxels >= self.smallest) & (self.after > 0)
        return sorted({int(body) for body in self.after[mine]})

    def share_a_body(self, a: int, b: int) -> bool:
        """Tell whether one later segment holds large pieces of both."""
        return bool(set(self.bodies_of(a)) & set(self.bodies_of(b)))

    def is_pure(self, segment: int, purity: float) -> bool:
        """Tell whether so much of a segment lies in one later segment."""
        voxels = self.voxels[(self.before == segment) & (self.after > 0)]
        return bool(voxels.max() >= purity * voxels.sum())


def difference_of(
    dataset: str,
    before: NDArray[Any],
    after: NDArray[Any],
    voxel_nm: tuple[float, float, float],
    *,
    em: NDArray[np.uint8] | None = None,
    first_voxel: tuple[int, int, int] = (0, 0, 0),
    settings: DifferenceSettings | None = None,
    licence: str = "",
) -> DifferenceSource:
    """Return the differences of two label arrays (zyx).

    Raises
    ------
    VolumeError
        If the shapes differ.
    """
    shapes = {array.shape for array in (before, after, em) if array is not None}
    if len(shapes) != 1:
        raise VolumeError(
            "The two segmentations do not have one shape.", "Give arrays of one volume."
        )
    (earlier, names), (later, bodies) = (
        renumbered(np.asarray(labels, np.uint64)) for labels in (before, after)
    )
    arrays: dict[str, NDArray[Any]] = {
        "em": np.zeros(before.shape, np.uint8) if em is None else em,
        "groundtruth": later.astype(np.uint32),
        "supervoxels": earlier.astype(np.uint32),
        "segmentation": earlier.astype(np.uint32),
    }
    volume = TruthVolume(
        name=dataset,
        **arrays,
        voxel_nm=voxel_nm,
        excluded_bodies=(),
        sha256=content_hash(arrays),
        licence=licence,
        first_voxel=first_voxel,
    )
    return DifferenceSource(volume, (names, bodies), settings)


def two_times(
    datastack: Datastack,
    box: BoxNm,
    before: datetime,
    after: datetime | None = None,
    settings: DifferenceSettings | None = None,
) -> DifferenceSource:
    """Return the differences of a box of a datastack between two times.

    Raises
    ------
    InputError
        If the datastack has no graph.
    OutsideVolumeError
        If the box holds no voxel.
    ServiceError
        If it cannot be read.
    """
    graph = datastack.graph
    if graph is None:
        raise InputError(
            f"The datastack {datastack.name} is flat: it looks the same at all times.",
            "Give a datastack with a chunked graph.",
        )
    cutout = datastack.segmentation.read_supervoxels(box)
    small, supervoxels = renumbered(cutout.data)
    earlier, later = (graph.roots(supervoxels, time)[small] for time in (before, after))
    imagery = datastack.imagery
    grey = None if imagery is None else imagery.read(box).data
    return difference_of(
        datastack.name,
        earlier,
        later,
        cutout.scale.voxel_nm,
        em=grey if grey is not None and grey.shape == earlier.shape else None,
        first_voxel=cutout.first_voxel,
        settings=settings,
    )


def _twice(values: NDArray[np.int64]) -> set[int]:
    names, counts = np.unique(values, return_counts=True)
    return {int(name) for name in names[counts > 1]}
