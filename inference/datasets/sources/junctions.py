"""Labelled branch points: whether two bodies meet here inside one segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import dist
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.datastack import Skeleton
from connectome.errors import InputError
from connectome.space import PointNm
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.sources.synthetic import Variant, skeletons_of
from inference.datasets.volumes import TruthVolume
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import SkeletonPoint, branch_points
from proofreading.verdicts import Task

__all__ = ["BRANCH_POINT", "JunctionSource", "Mixture", "well_inside"]

BRANCH_POINT = "branch point"
_TASK = Task.MERGE_ERROR_IDENTIFICATION
_REACH_NM = 300.0
_PURE_NM = 400.0
_ENOUGH_NM3 = 300_000.0
"""A second body well inside the segment of at least this volume is a merge error."""
_TRACE_NM3 = 20_000.0
"""Less than this is the slack of a border."""
_SHARE_IN_REACH = 0.03
_ALONG_NM = 400.0
_WIDTH = 5
"""Voxels of the window in which a truth voxel must see one body only to be well inside."""


class JunctionSource:
    """Branch points of several segmentations of one truth volume; a `SampleSource`.

    *Yes* when at least 3e5 nm³ (and 3 %) of the segment within 300 nm lie well inside a
    second body; *no* when less than 2e4 nm³ within 400 nm do. `left_out` counts the rest.
    Merges are rare at branch points, so places along the neurites between them are asked
    about too; `notes["place"]` tells which is which.
    """

    tasks = frozenset({_TASK})

    def __init__(
        self, volume: TruthVolume, variants: Sequence[Variant], cache: Path | None = None
    ) -> None:
        self.volume = volume
        self.variants = {variant.name: variant for variant in variants}
        self.left_out: Counter[str] = Counter()
        self._cache = cache
        self._inside = well_inside(volume.groundtruth)

    @property
    def dataset(self) -> str:
        """Name of the volume."""
        return self.volume.name

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the segmentation (zyx) that a sample is about."""
        return self.variants[sample.notes["segmentation"]].labels

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled branch points, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        """
        if task is not _TASK:
            raise InputError(f"Branch points do not answer {task.value}.", f"Ask for {_TASK}.")
        self.left_out.clear()
        same_nm = DetectionSettings().same_tip_nm
        for variant in self.variants.values():
            made = {merge.label for merge in variant.merges}
            # What was not merged is asked about where the variant's base is.
            roots = tuple(sorted(made)) if made else None
            for skeleton in skeletons_of(self.volume, variant.labels, self._cache, roots):
                for place, name in _places(skeleton, same_nm):
                    found = self._answer(variant, skeleton.root, place)
                    if isinstance(found, str):
                        self.left_out[found] += 1
                    else:
                        sample = self._sample(variant, skeleton.root, place, found, made)
                        yield replace(sample, notes={**sample.notes, "place": name})

    def _answer(self, variant: Variant, root: int, place: SkeletonPoint) -> Mixture | str:
        mixture = Mixture.around(self.volume, self._inside, variant.labels, root, place.point_nm)
        if mixture.excluded:
            return "in a body that is no single neuron"
        if not mixture.bodies:
            return "no body known"
        if mixture.fused is None:
            return "a little of a second body"
        return mixture

    def _sample(
        self,
        variant: Variant,
        root: int,
        place: SkeletonPoint,
        mixture: Mixture,
        made: set[int],
    ) -> Sample:
        fused = bool(mixture.fused)
        ours = fused and root in made
        strategy = "whole neurite" if not fused else "synthetic merge" if ours else "merge error"
        name = f"{self.dataset}/{variant.name}"
        return Sample(
            id=sample_id(_TASK, name, (root,), place.point_nm, strategy),
            task=_TASK,
            dataset=self.dataset,
            origin=Origin.TRUTH,
            strategy=strategy,
            label=fused,
            synthetic=ours,
            point_nm=place.point_nm,
            segments=(root,),
            bodies=mixture.bodies,
            notes={"segmentation": variant.name},
        )


def _places(skeleton: Skeleton, same_nm: float) -> Iterator[tuple[SkeletonPoint, str]]:
    """Yield the branch points, then vertices at some distance from them and each other."""
    taken: list[PointNm] = []
    for place in branch_points(skeleton, same_nm):
        taken.append(place.point_nm)
        yield place, BRANCH_POINT
    for vertex, radius in zip(skeleton.vertices_nm, skeleton.radii_nm, strict=True):
        point = (float(vertex[0]), float(vertex[1]), float(vertex[2]))
        if all(dist(point, other) >= _ALONG_NM for other in taken):
            taken.append(point)
            yield SkeletonPoint(point, float(radius)), "along a neurite"


class Mixture:
    """Which bodies a segment holds around a point.

    Parameters
    ----------
    bodies : tuple of int
        The largest first, those with more than a trace.
    fused : bool or None
        Whether two bodies meet here; None where it is neither a yes nor a no.
    excluded : bool
        Whether a body that is no single neuron is among them.
    """

    def __init__(self, bodies: tuple[int, ...], fused: bool | None, excluded: bool) -> None:
        self.bodies = bodies
        self.fused = fused
        self.excluded = excluded

    @classmethod
    def around(
        cls,
        volume: TruthVolume,
        inside: NDArray[np.bool_],
        labels: NDArray[Any],
        root: int,
        point_nm: PointNm,
    ) -> Mixture:
        """Count the bodies of a segment around a point."""
        near = _counts(volume, inside, labels, root, point_nm, _REACH_NM)
        wide = _counts(volume, inside, labels, root, point_nm, _PURE_NM)
        each = float(np.prod(volume.voxel_nm))
        bodies = tuple(body for body, count in wide.most_common() if count * each >= _TRACE_NM3)
        second = near.most_common(2)[1][1] if len(near) > 1 else 0
        share = second / max(1, sum(near.values()))
        fused: bool | None = None
        if second * each >= _ENOUGH_NM3 and share >= _SHARE_IN_REACH:
            fused = True
        elif len(bodies) == 1:
            fused = False
        return cls(bodies, fused, any(b in volume.excluded_bodies for b in bodies))


def _counts(
    volume: TruthVolume,
    inside: NDArray[np.bool_],
    labels: NDArray[Any],
    root: int,
    point_nm: PointNm,
    reach_nm: float,
) -> Counter[int]:
    """Return voxels of each body that lie well inside it and in the segment's part here."""
    voxel = np.asarray(volume.scale.voxel_at(point_nm))[::-1]
    reach = [int(reach_nm / v) for v in volume.voxel_nm[::-1]]
    window = tuple(slice(max(0, v - r), v + r + 1) for v, r in zip(voxel, reach, strict=True))
    own = labels[window] == root
    parts, _ = ndimage.label(own)
    here = parts[tuple(np.minimum(voxel, reach))]
    chosen = inside[window] & (parts == here if here else own)
    names, counts = np.unique(volume.groundtruth[window][chosen], return_counts=True)
    return Counter({int(n): int(c) for n, c in zip(names, counts, strict=True) if n != 0})


def well_inside(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell for each voxel whether all truth within two voxels is of its own body."""
    low = ndimage.minimum_filter(truth, _WIDTH)
    high = ndimage.maximum_filter(truth, _WIDTH)
    return np.asarray((low == high) & (truth != 0))
