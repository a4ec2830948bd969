"""Labelled tips: whether a neurite ends here or its body goes on in another segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from connectome.errors import InputError
from connectome.space import PointNm
from inference.datasets.contacts import gaps_filled
from inference.datasets.pairs import GAP_VOXELS
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.sources.synthetic import Variant, skeletons_of
from inference.datasets.volumes import TruthVolume
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import SkeletonPoint, tips
from proofreading.verdicts import Task

__all__ = ["TipSource"]

_TASK = Task.SPLIT_ERROR_IDENTIFICATION
_NEAR_NM = 100.0
"""A split error this near to the surface of a tip is the tip's."""
_FAR_NM = 250.0
"""A split error beyond this is not; between the two nothing is claimed."""
_SMALLEST_PARTNER = 1_000
"""Voxels below which a segment is a crumb and no continuation."""
_UNKNOWN_VOXELS = 200
"""Unassigned voxels of the same body near a tip from which on it may go on there."""
_UNKNOWN_NM = 200.0
_UNCLEAR_SHARE = 0.15
"""Share of the tissue around a tip whose body is not known, beyond which nothing is claimed."""
_IN_MIXED_NM3 = 50_000.0
"""Volume of the same body, around a tip, in segments that belong to no single body."""


class TipSource:
    """Tips of several segmentations of one truth volume; a `SampleSource`.

    A tip is a *yes* when its segment touches another segment of the same body within the
    tip's radius plus 100 nm, and a *no* when there is none within the radius plus 250 nm.
    `left_out` counts tips by the reason for which nothing is claimed.
    """

    tasks = frozenset({_TASK})

    def __init__(
        self, volume: TruthVolume, variants: Sequence[Variant], cache: Path | None = None
    ) -> None:
        self.volume = volume
        self.variants = {variant.name: variant for variant in variants}
        self.left_out: Counter[str] = Counter()
        self._cache = cache

    @property
    def dataset(self) -> str:
        """Name of the volume."""
        return self.volume.name

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the segmentation (zyx) that a sample is about."""
        return self.variants[sample.notes["segmentation"]].labels

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled tips, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        """
        if task is not _TASK:
            raise InputError(f"Tips do not answer {task.value}.", f"Ask for {_TASK.value}.")
        self.left_out.clear()
        for variant in self.variants.values():
            yield from self._of(variant)

    def _of(self, variant: Variant) -> Iterator[Sample]:
        settings = DetectionSettings()
        known = _Known(self.volume, variant)
        for skeleton in skeletons_of(self.volume, variant.labels, self._cache):
            for tip in tips(skeleton, settings.tangent_nm, settings.same_tip_nm):
                label = self._label(known, skeleton.root, tip, settings.face_nm)
                if isinstance(label, str):
                    self.left_out[label] += 1
                else:
                    yield self._sample(variant, known, skeleton.root, tip, label)

    def _label(self, known: _Known, root: int, tip: SkeletonPoint, face_nm: float) -> bool | str:
        """Return the answer, or why there is none."""
        if self.room(tip.point_nm) <= tip.radius_nm + face_nm:
            return "at a face of the volume"
        if root not in known.body_of:
            return "segment of no single body"
        around = known.around(root, tip.point_nm, tip.radius_nm + _NEAR_NM)
        if around.unclear > _UNCLEAR_SHARE:
            return "touches what is no single body"
        apart = known.to_split_error(root, tip.point_nm) - tip.radius_nm
        if apart <= _NEAR_NM:
            return True
        if around.in_mixed > _IN_MIXED_NM3:
            return "goes on in a segment of several bodies"
        if apart <= _FAR_NM:
            return "a split error at some distance"
        if known.unassigned(root, tip.point_nm) > _UNKNOWN_VOXELS:
            return "goes on where nothing is assigned"
        return False

    def room(self, point_nm: PointNm) -> float:
        """Return the distance in nm to the nearest face of the volume."""
        bounds = self.volume.scale.bounds_nm
        return min(
            min(p - low, high - p)
            for low, p, high in zip(bounds.lower, point_nm, bounds.upper, strict=True)
        )

    def _sample(
        self, variant: Variant, known: _Known, root: int, tip: SkeletonPoint, label: bool
    ) -> Sample:
        strategy = "split error at a tip" if label else "error-free tip"
        return Sample(
            id=sample_id(_TASK, f"{self.dataset}/{variant.name}", (root,), tip.point_nm, strategy),
            task=_TASK,
            dataset=self.dataset,
            origin=Origin.TRUTH,
            strategy=strategy,
            label=label,
            synthetic=label and variant.name != "automatic",
            point_nm=tip.point_nm,
            segments=(root,),
            bodies=(known.body_of[root],),
            notes={"segmentation": variant.name, "radius_nm": f"{tip.radius_nm:.1f}"},
        )


@dataclass(frozen=True)
class _Around:
    """What lies around a tip: share without a known body, and its body in mixed segments (nm³)."""

    unclear: float
    in_mixed: float


class _Known:
    """What the truth says about the segments of a variant."""

    def __init__(self, volume: TruthVolume, variant: Variant) -> None:
        contacts, same = variant.pairs.contacts, variant.pairs.same
        self.volume = volume
        self._labels = variant.labels
        self.body_of = {
            int(label): int(body)
            for label, body in zip(
                contacts.pairs.ravel(), variant.pairs.bodies.ravel(), strict=True
            )
        }
        sizes = np.bincount(variant.labels.ravel())
        large = (sizes[contacts.pairs] >= _SMALLEST_PARTNER).all(axis=1)
        self._rows: dict[int, list[int]] = {}
        for row in np.flatnonzero(same & large).tolist():
            for label in contacts.pairs[row].tolist():
                self._rows.setdefault(label, []).append(row)
        self._contacts = contacts
        self._trees: dict[int, cKDTree] = {}
        filled = gaps_filled(variant.labels, GAP_VOXELS) if (variant.labels == 0).any() else None
        self._free = None if filled is None else filled == 0

    def to_split_error(self, root: int, point_nm: PointNm) -> float:
        """Return the distance in nm to the nearest contact with another part of the body."""
        if root not in self._rows:
            return float("inf")
        if root not in self._trees:
            first, faces = self._contacts.first, self._contacts.faces
            voxels = np.concatenate([faces[first[r] : first[r + 1]] for r in self._rows[root]])
            places = (voxels[:, ::-1] + 0.5) * np.asarray(self.volume.voxel_nm)
            self._trees[root] = cKDTree(places)
        distance, _ = self._trees[root].query(point_nm)
        return float(distance)

    def around(self, root: int, point_nm: PointNm, reach_nm: float) -> _Around:
        """Return what the truth says about other segments in the ball around a tip."""
        window, ball = self._ball(point_nm, reach_nm)
        labels, truth = self._labels[window], self.volume.groundtruth[window]
        others = ball & (labels != root) & (labels != 0)
        unclear = others & np.isin(truth, [0, *self.volume.excluded_bodies])
        names = labels[others & (truth == self.body_of[root])]
        mixed = [n for n in np.unique(names).tolist() if n not in self.body_of]
        count = int(np.isin(names, mixed).sum())
        each = float(np.prod(self.volume.voxel_nm))
        return _Around(float(unclear.sum()) / max(1, int(others.sum())), count * each)

    def _ball(
        self, point_nm: PointNm, reach_nm: float
    ) -> tuple[tuple[slice, ...], NDArray[np.bool_]]:
        size = np.asarray(self.volume.voxel_nm[::-1])
        voxel = np.asarray(self.volume.scale.voxel_at(point_nm))[::-1]
        reach = (reach_nm / size).astype(np.int64)
        low = np.maximum(voxel - reach, 0)
        high = np.minimum(voxel + reach + 1, self._labels.shape)
        window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        axes = [
            (np.arange(a, b) - v) * s for a, b, v, s in zip(low, high, voxel, size, strict=True)
        ]
        squared = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
        return window, np.asarray(squared <= reach_nm**2)

    def unassigned(self, root: int, point_nm: PointNm) -> int:
        """Return how many voxels of the body near a point belong to no segment."""
        if self._free is None:
            return 0
        voxel = np.asarray(self.volume.scale.voxel_at(point_nm))[::-1]
        reach = [int(_UNKNOWN_NM / v) for v in self.volume.voxel_nm[::-1]]
        window = tuple(slice(max(0, v - r), v + r + 1) for v, r in zip(voxel, reach, strict=True))
        body = self.volume.groundtruth[window] == self.body_of[root]
        return int((body & self._free[window]).sum())
