"""Labelled cuts: proposals on merged segments, cut by the graph and judged by the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.offline.multicut import MulticutError, split_components
from connectome.space import PointNm
from inference.datasets.contacts import Contacts, find_contacts
from inference.datasets.cut_labels import CutRule, judge_cut
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.sources.synthetic import Variant, contact_openness
from inference.datasets.volumes import TruthVolume
from proofreading.verdicts import Task

__all__ = ["CutSettings", "CutSource", "Graph", "supervoxel_graph"]

_TASK = Task.SPLIT_ACTION_EVALUATION
_LOWEST_AFFINITY = 1e-3
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class CutSettings:
    """How proposals are drawn.

    Parameters
    ----------
    each : int
        Proposals drawn in each segment.
    near_nm : float
        Points are drawn within this distance of a place of the segment.
    apart_nm : float
        Sources and sinks are at least this far apart.
    pure_segments : int
        Segments of one body, in each of which ``each // 2`` proposals are drawn.
    seed : int
    """

    each: int = 10
    near_nm: float = 700.0
    apart_nm: float = 100.0
    pure_segments: int = 60
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Graph:
    """The supervoxels of some segments of a volume and where they touch.

    Parameters
    ----------
    nodes : ndarray (z, y, x)
        Number of the supervoxel of each voxel, from 1; 0 elsewhere.
    segment : ndarray, shape (n + 1,)
        Segment of each supervoxel.
    contacts : Contacts
        Between supervoxels of one segment.
    affinity : ndarray of float32, shape (m,)
        Share of each contact without a membrane.
    bodies : ndarray, shape (k, 3)
        Rows of supervoxel, true body and voxels that both share.
    """

    nodes: NDArray[np.int32]
    segment: Ids
    contacts: Contacts
    affinity: NDArray[np.float32]
    bodies: Ids


def supervoxel_graph(volume: TruthVolume, labels: NDArray[Any], segments: Ids) -> Graph:
    """Return the supervoxel graph of some segments, with the affinities of an ingest."""
    wanted = np.zeros(int(labels.max()) + 1, np.bool_)
    wanted[segments] = True
    span = int(volume.supervoxels.max()) + 1
    keys = np.where(
        wanted[labels] & (volume.supervoxels != 0),
        labels.astype(np.int64) * span + volume.supervoxels,
        0,
    )
    names, nodes = np.unique(keys, return_inverse=True)
    numbers = (nodes.reshape(labels.shape) + int(names[0] != 0)).astype(np.int32)
    names = names if names[0] == 0 else np.concatenate([[0], names])
    segment = names // span
    contacts = _inside(find_contacts(numbers), segment)
    affinity = np.clip(contact_openness(volume, contacts), _LOWEST_AFFINITY, 1.0)
    bodies = int(volume.groundtruth.max()) + 1
    rows, counts = np.unique(
        numbers.astype(np.int64).ravel() * bodies + volume.groundtruth.ravel(), return_counts=True
    )
    overlap = np.stack([rows // bodies, rows % bodies, counts], axis=1)
    overlap = overlap[(overlap[:, 0] > 0) & (overlap[:, 1] > 0)]
    return Graph(numbers, segment, contacts, affinity.astype(np.float32), overlap)


def _inside(contacts: Contacts, segment: Ids) -> Contacts:
    """Keep the contacts whose two sides belong to one segment."""
    kept = segment[contacts.pairs[:, 0]] == segment[contacts.pairs[:, 1]]
    area = contacts.area[kept]
    return Contacts(
        pairs=contacts.pairs[kept],
        area=area,
        center=contacts.center[kept],
        first=np.concatenate([[0], np.cumsum(area)]).astype(np.int64),
        faces=contacts.faces[np.repeat(kept, contacts.area)],
    )


@dataclass(frozen=True, eq=False)
class _Cut:
    """A proposal and what the graph made of it."""

    sources: Ids
    sinks: Ids
    ones: Ids
    twos: Ids
    middle: NDArray[np.int64]


class CutSource:
    """Cuts proposed on merged and on whole segments of a truth volume; a `SampleSource`.

    Source and sink points are drawn at random, near where two bodies touch and anywhere
    else in a segment; the cut is the graph's own (`connectome.offline.multicut`). It is
    good when it parts the bodies (`cut_labels.judge_cut`); a cut through a segment of
    one body is bad.
    """

    tasks = frozenset({_TASK})

    def __init__(
        self,
        volume: TruthVolume,
        variants: Sequence[Variant],
        settings: CutSettings | None = None,
        rule: CutRule | None = None,
    ) -> None:
        self.volume = volume
        self.variants = {variant.name: variant for variant in variants}
        self.settings = settings or CutSettings()
        self.rule = rule or CutRule()
        self.left_out: Counter[str] = Counter()
        self._graphs: dict[str, Graph] = {}
        self._cuts: dict[str, _Cut] = {}

    @property
    def dataset(self) -> str:
        """Name of the volume."""
        return self.volume.name

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the segmentation (zyx) that a sample is about."""
        return self.variants[sample.notes["segmentation"]].labels

    def sides(self, sample: Sample) -> NDArray[np.uint8]:
        """Return the sides (zyx) of a sample's cut: 1 sources', 2 sinks', 0 elsewhere.

        Raises
        ------
        KeyError
            If `samples` has not yielded this sample.
        """
        graph, cut = self._graphs[sample.notes["segmentation"]], self._cuts[sample.id]
        side = np.zeros(len(graph.segment), np.uint8)
        side[cut.ones], side[cut.twos] = 1, 2
        return np.asarray(side[graph.nodes])

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled cuts, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        """
        if task is not _TASK:
            raise InputError(f"Cuts do not answer {task.value}.", f"Ask for {_TASK.value}.")
        self.left_out.clear()
        for number, variant in enumerate(self.variants.values()):
            rng = np.random.default_rng([self.settings.seed, number])
            merged, whole = self._segments(variant, rng)
            graph = self._graph(variant, np.concatenate([merged, whole]))
            for segment in merged.tolist():
                yield from self._of(variant, graph, segment, self.settings.each, rng)
            for segment in whole.tolist():
                yield from self._of(variant, graph, segment, self.settings.each // 2, rng)

    def _segments(self, variant: Variant, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """Return segments of several bodies and a draw of segments of one, none too small."""
        sizes = np.bincount(variant.labels.ravel())
        held = bodies_of(self.volume, variant.labels, self.rule.smallest_body)
        excluded = set(self.volume.excluded_bodies)
        fit = [
            label
            for label in sorted(held)
            if sizes[label] >= 5_000 and not excluded & set(held[label])
        ]
        merged = [label for label in fit if len(held[label]) > 1]
        single = [label for label in fit if len(held[label]) == 1]
        drawn = rng.permutation(single)[: self.settings.pure_segments]
        return np.array(merged, np.int64), np.sort(drawn).astype(np.int64)

    def _graph(self, variant: Variant, segments: Ids) -> Graph:
        if variant.name not in self._graphs:
            self._graphs[variant.name] = supervoxel_graph(self.volume, variant.labels, segments)
        return self._graphs[variant.name]

    def _of(
        self, variant: Variant, graph: Graph, segment: int, count: int, rng: np.random.Generator
    ) -> Iterator[Sample]:
        local = _Local.of(self.volume, graph, segment)
        if len(local.nodes) < 4:
            self.left_out["too few supervoxels"] += 1
            return
        seen: set[bytes] = set()
        for index in range(count):
            cut = local.propose(self.settings, index, rng)
            if isinstance(cut, str):
                self.left_out[cut] += 1
            elif (key := np.sort(cut.ones).tobytes()) not in seen:
                seen.add(key)
                yield self._sample(variant, graph, segment, cut)

    def _sample(self, variant: Variant, graph: Graph, segment: int, cut: _Cut) -> Sample:
        label = separates(graph, cut.ones, cut.twos, self.rule)
        made = any(segment == merge.label for merge in variant.merges)
        nodes = np.concatenate([cut.ones, cut.twos])
        rows = graph.bodies[np.isin(graph.bodies[:, 0], nodes)]
        totals: Counter[int] = Counter()
        for _, body, voxels in rows.tolist():
            totals[body] += voxels
        large = [b for b, v in totals.most_common() if v >= self.rule.smallest_body]
        one_body = len(large) < 2
        strategy = "cut of one body" if one_body else "synthetic merge" if made else "merge error"
        middle = self._point(cut.middle)
        points = [self._places(graph, side) for side in (cut.sources, cut.sinks)]
        name = f"{self.dataset}/{variant.name}/{points}"
        sample = Sample(
            id=sample_id(_TASK, name, (segment,), middle, strategy),
            task=_TASK,
            dataset=self.dataset,
            origin=Origin.TRUTH,
            strategy=strategy,
            label=label,
            synthetic=made,
            point_nm=middle,
            segments=(segment,),
            bodies=tuple(large),
            sources_nm=points[0],
            sinks_nm=points[1],
            notes={"segmentation": variant.name},
        )
        self._cuts[sample.id] = cut
        return sample

    def _point(self, voxel: NDArray[np.int64]) -> PointNm:
        z, y, x = (int(v) for v in voxel)
        return self.volume.scale.center_of((x, y, z))

    def _places(self, graph: Graph, nodes: Ids) -> tuple[PointNm, ...]:
        """Return a voxel inside each supervoxel, near its middle."""
        found = []
        for node in nodes.tolist():
            rows = (graph.contacts.pairs == node).any(axis=1)
            box = graph.contacts.center[rows]
            low, high = box.min(axis=0), box.max(axis=0) + 1
            window = tuple(
                slice(int(a) - 1 if a else 0, int(b) + 1) for a, b in zip(low, high, strict=True)
            )
            voxels = np.argwhere(graph.nodes[window] == node) + [s.start for s in window]
            apart = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1)
            found.append(self._point(voxels[int(apart.argmin())]))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class _Local:
    """One segment's supervoxels, their middles in nm (zyx) and their edges."""

    nodes: Ids
    middles: NDArray[np.float64]
    main_body: Ids
    edges: Ids
    rows: Ids
    graph: Graph

    @classmethod
    def of(cls, volume: TruthVolume, graph: Graph, segment: int) -> _Local:
        contacts = graph.contacts
        rows = np.flatnonzero(graph.segment[contacts.pairs[:, 0]] == segment)
        nodes = np.unique(contacts.pairs[rows])
        ends = contacts.pairs[rows].ravel()
        step = np.asarray(volume.voxel_nm[::-1])
        middles = np.zeros((len(nodes), 3))
        slot = np.searchsorted(nodes, ends)
        np.add.at(middles, slot, np.repeat(contacts.center[rows], 2, axis=0) * step)
        middles /= np.bincount(slot, minlength=len(nodes))[:, None]
        main = np.zeros(len(graph.segment), np.int64)
        order = np.argsort(graph.bodies[:, 2], kind="stable")
        main[graph.bodies[order, 0]] = graph.bodies[order, 1]
        return cls(nodes, middles, main[nodes], contacts.pairs[rows], rows, graph)

    def propose(self, settings: CutSettings, index: int, rng: np.random.Generator) -> _Cut | str:
        """Return one cut, or why there is none.

        Two proposals of three are made as a person would: points on two bodies near
        where they touch. Every third one draws its points anywhere.
        """
        middle = self.middles[rng.integers(len(self.nodes))]
        across = np.flatnonzero(self._across())
        aimed = index % 3 != 2 and len(across) > 0
        if aimed:
            edge = self.edges[across[rng.integers(len(across))]]
            middle = self.middles[np.searchsorted(self.nodes, edge)].mean(axis=0)
        near = np.flatnonzero(np.linalg.norm(self.middles - middle, axis=1) <= settings.near_nm)
        count = int(rng.integers(1, 4))
        chosen = self._points(near, aimed, count, settings.apart_nm, rng)
        return chosen if isinstance(chosen, str) else self._cut(*chosen)

    def _across(self) -> NDArray[np.bool_]:
        one, other = (self.main_body[np.searchsorted(self.nodes, self.edges[:, k])] for k in (0, 1))
        return np.asarray((one != other) & (one > 0) & (other > 0))

    def _points(
        self, near: Ids, aimed: bool, count: int, apart_nm: float, rng: np.random.Generator
    ) -> tuple[Ids, Ids] | str:
        if len(near) < 2:
            return "too few supervoxels near a place"
        first = int(near[rng.integers(len(near))])
        apart = np.linalg.norm(self.middles[near] - self.middles[first], axis=1)
        others = near[apart >= apart_nm]
        if aimed:
            others = others[self.main_body[others] != self.main_body[first]]
        if not len(others):
            return "no second place far enough"
        second = int(others[rng.integers(len(others))])
        return self._grown(first, second, near, aimed, count, rng)

    def _grown(
        self, first: int, second: int, near: Ids, aimed: bool, count: int, rng: np.random.Generator
    ) -> tuple[Ids, Ids]:
        """Add further points to each side: nearer to its first, or of its body."""
        to_first = np.linalg.norm(self.middles[near] - self.middles[first], axis=1)
        to_second = np.linalg.norm(self.middles[near] - self.middles[second], axis=1)
        ones, twos = to_first < to_second, to_second < to_first
        if aimed:
            ones = self.main_body[near] == self.main_body[first]
            twos = self.main_body[near] == self.main_body[second]
        sides = []
        for start, allowed, barred in ((first, ones, second), (second, twos, first)):
            pool = near[allowed & (near != start) & (near != barred)]
            more = rng.permutation(pool)[: count - 1]
            sides.append(np.unique(np.concatenate([[start], more]).astype(np.int64)))
        return sides[0], np.setdiff1d(sides[1], sides[0])

    def _cut(self, sources: Ids, sinks: Ids) -> _Cut | str:
        graph = self.graph
        try:
            parts, illegal = split_components(
                self.edges, graph.affinity[self.rows], self.nodes[sources], self.nodes[sinks]
            )
        except MulticutError:
            return "refused by the graph"
        if illegal:
            return "refused by the graph"
        ones, twos = (part.astype(np.int64) for part in parts[:2])
        a, b = self.edges[:, 0], self.edges[:, 1]
        crossed = (np.isin(a, ones) & np.isin(b, twos)) | (np.isin(a, twos) & np.isin(b, ones))
        first = graph.contacts.first
        rows = self.rows[crossed]
        if not len(rows):
            return "nothing between the sides"
        faces = np.concatenate([graph.contacts.faces[first[r] : first[r + 1]] for r in rows])
        faces = faces.astype(np.int64)
        apart = ((faces - faces.mean(axis=0)) ** 2).sum(axis=1)
        middle = faces[int(apart.argmin())]
        return _Cut(self.nodes[sources], self.nodes[sinks], ones, twos, middle)


def separates(graph: Graph, ones: Ids, twos: Ids, rule: CutRule) -> bool:
    """Tell whether a cut parts the bodies of a segment (`judge_cut`)."""
    sides = {**dict.fromkeys(ones.tolist(), 1), **dict.fromkeys(twos.tolist(), 2)}
    overlaps: dict[int, dict[int, int]] = {}
    for node, body, voxels in graph.bodies.tolist():
        if node in sides:
            overlaps.setdefault(node, {})[body] = voxels
    return judge_cut(sides, overlaps, rule).good


def bodies_of(volume: TruthVolume, labels: NDArray[Any], smallest: int) -> dict[int, list[int]]:
    """Return the bodies of each segment with more than `smallest` voxels, well inside them."""
    from inference.datasets.sources.junctions import well_inside

    inside = well_inside(volume.groundtruth) & (labels != 0)
    span = int(volume.groundtruth.max()) + 1
    keys = labels[inside].astype(np.int64) * span + volume.groundtruth[inside]
    rows, counts = np.unique(keys, return_counts=True)
    held: dict[int, list[int]] = {}
    for key in rows[counts > smallest].tolist():
        held.setdefault(key // span, []).append(key % span)
    return held
