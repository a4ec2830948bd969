"""Cuts proposed in a datastack with truth, computed by its own graph and judged by the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.errors import EditRejectedError, InputError
from connectome.graph import GraphPoint, SplitRequest
from connectome.offline.datastack import OfflineDatastack
from connectome.space import BoxNm, Cutout, PointNm
from inference.datasets.cut_labels import CutLabel, CutRule, judge_cut, sides_of, truth_overlaps
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.sources.corrections import middle
from proofreading.verdicts import Task

__all__ = ["GraphCutSettings", "GraphCutSource"]

_TASK = Task.SPLIT_ACTION_EVALUATION
_LARGEST = 1_000_000_000
Voxels = NDArray[np.int64]


@dataclass(frozen=True)
class GraphCutSettings:
    """How cuts are proposed.

    Parameters
    ----------
    each : int
        Proposals in each segment.
    points : int
        Points on each side, at most.
    near_nm : float
        The points of a proposal lie within this distance of a random place of the segment.
    apart_nm : float
        Sources and sinks are at least this far apart.
    single : int
        Segments of one body that are asked about, at most.
    seed : int
    """

    each: int = 8
    points: int = 3
    near_nm: float = 700.0
    apart_nm: float = 150.0
    single: int = 40
    seed: int = 0


class GraphCutSource:
    """Proposed cuts of a datastack's segments; a `SampleSource`.

    Every other proposal in a segment of several bodies puts its points on two of them, as
    a person would; the others put them anywhere.

    Parameters
    ----------
    datastack : OfflineDatastack
        With a ground truth. Nothing in it is changed: cuts are only previewed.

    Raises
    ------
    InputError
        If there is no ground truth, or more than 1e9 voxels would be read.
    """

    tasks = frozenset({_TASK})

    def __init__(
        self,
        datastack: OfflineDatastack,
        settings: GraphCutSettings | None = None,
        rule: CutRule | None = None,
        excluded_bodies: tuple[int, ...] = (),
    ) -> None:
        truth = datastack.groundtruth
        if truth is None:
            raise InputError(
                f"The datastack {datastack.name} has no ground truth.",
                "Ingest it with --groundtruth, or use its edit history.",
            )
        scale = datastack.segmentation.scales[0]
        if np.prod(scale.shape, dtype=float) > _LARGEST:
            raise InputError(f"The datastack {datastack.name} is too large to be read at once.")
        self.settings = settings or GraphCutSettings()
        self.rule = rule or CutRule()
        self.left_out: Counter[str] = Counter()
        self._datastack = datastack
        self._excluded = excluded_bodies
        self._supervoxels = datastack.segmentation.read_supervoxels(scale.bounds_nm)
        self._roots = datastack.segmentation.read_roots(scale.bounds_nm).data
        self._truth = truth.read_roots(scale.bounds_nm).data

    @property
    def dataset(self) -> str:
        """Name of the datastack."""
        return self._datastack.name

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the judged cuts, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        ServiceError
            If the graph cannot be asked.
        """
        if task is not _TASK:
            raise InputError(f"Cuts do not answer {task.value}.", f"Ask for {_TASK}.")
        self.left_out.clear()
        for root, bodies in self._segments():
            # A segment's own draws: what is asked of one does not depend on the others.
            rng = np.random.default_rng([self.settings.seed, root % 2**32, root >> 32])
            voxels = np.argwhere(self._roots == np.uint64(root))
            seen: set[frozenset[int]] = set()
            for index in range(self.settings.each):
                made = self._proposal(root, voxels, bodies, index, rng, seen)
                if isinstance(made, str):
                    self.left_out[made] += 1
                else:
                    yield made

    def _segments(self) -> list[tuple[int, list[int]]]:
        """Return the segments with their relevant bodies: all merged ones, some of one body."""
        known = (self._roots != 0) & (self._truth != 0)
        pairs, counts = np.unique(
            np.stack([self._roots[known], self._truth[known].astype(np.uint64)]),
            axis=1,
            return_counts=True,
        )
        held: dict[int, list[int]] = {}
        for (root, body), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            if count > self.rule.smallest_body:
                held.setdefault(root, []).append(body)
        fit = {r: b for r, b in held.items() if not set(b) & set(self._excluded)}
        merged = [root for root in sorted(fit) if len(fit[root]) > 1]
        whole = [root for root in sorted(fit) if len(fit[root]) == 1]
        rng = np.random.default_rng(self.settings.seed)
        drawn = sorted(rng.permutation(len(whole))[: self.settings.single].tolist())
        return [(root, fit[root]) for root in [*merged, *(whole[i] for i in drawn)]]

    def _proposal(
        self,
        root: int,
        voxels: Voxels,
        bodies: list[int],
        index: int,
        rng: np.random.Generator,
        seen: set[frozenset[int]],
    ) -> Sample | str:
        """Return one judged cut, or why there is none."""
        sides = self._points(voxels, bodies, rng, aimed=len(bodies) > 1 and index % 2 == 0)
        if sides is None:
            return "proposal without room for points"
        sources, sinks = sides
        shared = {p.supervoxel for p in sources} & {p.supervoxel for p in sinks}
        if shared:
            return "proposal with both sides in one supervoxel"
        graph = self._datastack.graph
        try:
            preview = graph.preview_split(SplitRequest(sources, sinks))
        except EditRejectedError:
            return "cut refused by the graph"
        if preview.illegal:
            return "cut that does not separate its points"
        parts = sides_of(preview)
        key = frozenset(name for name, side in parts.items() if side == 1)
        if key in seen:
            return "cut proposed twice"
        seen.add(key)
        point = middle([p.position_nm for p in sources], [p.position_nm for p in sinks])
        assert point is not None, "both sides have a point"
        return self._sample(root, point, sources, sinks, self._judged(parts, point, voxels))

    def _points(
        self, voxels: Voxels, bodies: list[int], rng: np.random.Generator, *, aimed: bool
    ) -> tuple[tuple[GraphPoint, ...], tuple[GraphPoint, ...]] | None:
        """Draw points of both sides: on two bodies if aimed, else nearer to one of two places."""
        step = np.asarray(self._supervoxels.scale.voxel_nm[::-1])
        center = voxels[rng.integers(len(voxels))]
        near = voxels[np.linalg.norm((voxels - center) * step, axis=1) <= self.settings.near_nm]
        owner = self._truth[tuple(near.T)]
        one, other = near[rng.integers(len(near), size=2)]
        if aimed:
            here = [body for body in bodies if (owner == body).any()]
            if len(here) < 2:
                return None
            a, b = rng.permutation(here)[:2].tolist()
            pools = near[owner == a], near[owner == b]
        else:
            nearer = np.linalg.norm((near - one) * step, axis=1)
            farther = np.linalg.norm((near - other) * step, axis=1)
            pools = near[nearer < farther], near[farther < nearer]
        count = int(rng.integers(1, self.settings.points + 1))
        if not all(len(pool) for pool in pools):
            return None
        chosen = [pool[rng.integers(len(pool), size=count)] for pool in pools]
        gaps = np.linalg.norm((chosen[0][:, None] - chosen[1][None]) * step, axis=2)
        if gaps.min() < self.settings.apart_nm:
            return None
        sources, sinks = (tuple(self._point(v) for v in side) for side in chosen)
        return sources, sinks

    def _point(self, voxel: Voxels) -> GraphPoint:
        z, y, x = (int(v) for v in voxel)
        supervoxel = int(self._supervoxels.data[z, y, x])
        return GraphPoint(supervoxel, _position(self._supervoxels, (x, y, z)))

    def _judged(self, parts: dict[int, int], point: PointNm, voxels: Voxels) -> CutLabel:
        """Judge a cut by the truth inside the rule's cutout; only the segment's voxels count."""
        first, last = self._supervoxels.scale.clip(BoxNm.around(point, self.rule.cutout_nm / 2))
        low = np.asarray(self._supervoxels.first_voxel)
        lower, upper = (np.asarray(corner) - low for corner in (first, last))
        inside = ((voxels >= lower[::-1]) & (voxels < upper[::-1])).all(axis=1)
        where = tuple(voxels[inside].T)
        overlaps = truth_overlaps(self._supervoxels.data[where], self._truth[where], parts)
        sides = {name: side for name, side in parts.items() if name in overlaps}
        return judge_cut(sides, overlaps, self.rule)

    def _sample(
        self,
        root: int,
        point: PointNm,
        sources: tuple[GraphPoint, ...],
        sinks: tuple[GraphPoint, ...],
        label: CutLabel,
    ) -> Sample:
        points = [tuple(p.position_nm for p in side) for side in (sources, sinks)]
        strategy = "cut of several bodies" if len(label.bodies) > 1 else "cut of one body"
        return Sample(
            # Two proposals can have one middle: the points tell them apart.
            id=sample_id(_TASK, f"{self.dataset}/{points}", (root,), point, strategy),
            task=_TASK,
            dataset=self.dataset,
            origin=Origin.TRUTH,
            strategy=strategy,
            label=label.good,
            synthetic=False,
            point_nm=point,
            segments=(root,),
            supervoxels=(sources[0].supervoxel, sinks[0].supervoxel),
            bodies=tuple(body.body for body in label.bodies),
            sources_nm=points[0],
            sinks_nm=points[1],
        )


def _position(cutout: Cutout, voxel: tuple[int, int, int]) -> PointNm:
    (x, y, z), (ox, oy, oz) = voxel, cutout.first_voxel
    return cutout.scale.center_of((x + ox, y + oy, z + oz))
