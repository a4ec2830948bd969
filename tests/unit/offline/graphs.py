"""Small graphs made without voxels, and a model of them in plain networkx."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from connectome.graph import GraphPoint
from connectome.offline.base import BaseGraph
from connectome.offline.engine import GraphEngine
from connectome.offline.ids import ChunkLayout
from connectome.offline.layout import DatastackFolder, Manifest
from connectome.offline.store import EditStore

VOXEL = 16.0
"""Nanometres; a chunk of 64 voxels is 1,024 nm wide."""
REACH = 60
"""Voxels: 960 nm."""
LAYOUT = ChunkLayout((64, 64, 64), (256, 128, 64))


@dataclass(frozen=True, order=True)
class Edge:
    """An edge of the ingested graph between supervoxels ``a`` < ``b``."""

    a: int
    b: int
    affinity: float
    active: bool


def chunk(supervoxel: int) -> tuple[int, int, int]:
    x, y, z = LAYOUT.chunk_of([supervoxel], 1)[0].tolist()
    return x, y, z


def point(supervoxel: int) -> GraphPoint:
    """Return the supervoxel at the middle of its chunk."""
    x, y, z = ((c + 0.5) * 64 * VOXEL for c in chunk(supervoxel))
    return GraphPoint(supervoxel, (x, y, z))


def random_graph(rng: np.random.Generator) -> tuple[list[int], list[Edge]]:
    """Return supervoxels in eight chunks and edges in and between neighbouring ones."""
    supervoxels: list[int] = []
    for x, y in np.ndindex(4, 2):
        numbers = np.arange(1, int(rng.integers(2, 5)))
        supervoxels += LAYOUT.pack(1, np.tile((x, y, 0), (len(numbers), 1)), numbers).tolist()
    edges = []
    for i, a in enumerate(supervoxels):
        for b in supervoxels[i + 1 :]:
            apart = np.abs(np.subtract(chunk(a), chunk(b))).sum()
            if apart > 1 or rng.random() > (0.9 if apart == 0 else 0.25):
                continue
            # Coarse values: cuts and paths of equal weight must be no trouble.
            affinity = float(np.float32(rng.choice([0.1, 0.25, 0.5, 0.75, 1.0])))
            rigid = apart == 1 and rng.random() < 0.1
            active = bool(rigid or rng.random() < 0.6)
            edges.append(Edge(a, b, float("inf") if rigid else affinity, active))
    return supervoxels, edges


def parts(nodes: Iterable[int], pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """Return the connected components, by smallest member."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(pairs)
    return sorted(nx.connected_components(graph), key=min)


def write_graph(path: Path, supervoxels: list[int], edges: list[Edge]) -> DatastackFolder:
    """Write a datastack that has a graph and no volumes."""
    folder = DatastackFolder(path)
    active = [(e.a, e.b) for e in edges if e.active]
    inside = [(a, b) for a, b in active if chunk(a) == chunk(b)]
    nodes = sorted(parts(supervoxels, inside), key=lambda part: (chunk(min(part)), min(part)))
    roots = parts(supervoxels, active)
    taken: dict[tuple[int, int, int], int] = {}
    l2_ids, l2_root = [], []
    for node in nodes:
        here = chunk(min(node))
        taken[here] = taken.get(here, 0) + 1
        l2_ids.append(int(LAYOUT.pack(2, here, taken[here])))
        number = next(k for k, root in enumerate(roots, start=1) if node <= root)
        l2_root.append(int(LAYOUT.pack(LAYOUT.n_layers, (0, 0, 0), number)))
    place = {supervoxel: k for k, supervoxel in enumerate(supervoxels)}
    BaseGraph(
        layout=LAYOUT,
        created_ms=1_600_000_000_000,
        sv_ids=np.asarray(supervoxels, np.uint64),
        sv_sizes=np.ones(len(supervoxels), np.int64),
        sv_centers_nm=np.zeros((len(supervoxels), 3), np.float32),
        sv_l2=np.asarray(
            [next(k for k, node in enumerate(nodes) if sv in node) for sv in supervoxels], np.int32
        ),
        l2_ids=np.asarray(l2_ids, np.uint64),
        l2_root=np.asarray(l2_root, np.uint64),
        root_labels=np.arange(1, len(roots) + 1, dtype=np.uint64),
        edge_a=np.asarray([place[e.a] for e in edges], np.int32),
        edge_b=np.asarray([place[e.b] for e in edges], np.int32),
        edge_affinity=np.asarray([e.affinity for e in edges], np.float32),
        edge_area_nm2=np.ones(len(edges), np.float32),
        edge_active=np.asarray([e.active for e in edges], np.bool_),
    ).save(folder.base_graph)
    EditStore.create(folder.graph_db)
    manifest = Manifest(
        name="offline_model",
        resolution_nm=(VOXEL, VOXEL, VOXEL),
        shape=LAYOUT.shape,
        chunk_size=LAYOUT.chunk_size,
        has_groundtruth=False,
        fingerprint="",
        created_ms=1_600_000_000_000,
    )
    folder.write_manifest(manifest, complete=True)
    return DatastackFolder.open(path)


@dataclass
class Model:
    """What the graph must be, edge by edge; edges are known by their place in the list."""

    supervoxels: list[int]
    edges: list[Edge]
    active: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.active = [edge.active for edge in self.edges]

    def objects(self) -> list[set[int]]:
        """Return the components of the active edges."""
        pairs = [(e.a, e.b) for e, on in zip(self.edges, self.active, strict=True) if on]
        return parts(self.supervoxels, pairs)

    def object_of(self, supervoxel: int) -> set[int]:
        return next(part for part in self.objects() if supervoxel in part)

    def near(self, supervoxels: Iterable[int]) -> list[int]:
        """Return the edges whose ends lie in chunks that the box of the points meets."""
        middles = np.asarray([chunk(sv) for sv in supervoxels]) * 64 + 32
        first = np.floor_divide(middles.min(axis=0) - REACH, 64)
        last = np.floor_divide(middles.max(axis=0) + REACH, 64)

        def inside(sv: int) -> bool:
            return bool(((chunk(sv) >= first) & (chunk(sv) <= last)).all())

        return [k for k, e in enumerate(self.edges) if inside(e.a) and inside(e.b)]

    def merge(self, a: int, b: int) -> list[int]:
        """Activate what a merge must activate, and return it."""
        one, other = self.object_of(a), self.object_of(b)
        joins = [
            k
            for k in self.near((a, b))
            if not self.active[k]
            and bool({self.edges[k].a, self.edges[k].b} & one)
            and bool({self.edges[k].a, self.edges[k].b} & other)
        ]
        if not joins:
            tiny = float(np.finfo(np.float32).tiny)
            self.edges = [*self.edges, Edge(min(a, b), max(a, b), tiny, False)]
            self.active.append(False)
            joins = [len(self.edges) - 1]
        self.switch(joins, on=True)
        return joins

    def local(self, labels: Iterable[int]) -> list[int]:
        """Return the edges that a split with these labels may cut."""
        labels = list(labels)
        whole = self.object_of(labels[0])
        return [k for k in self.near(labels) if self.active[k] and self.edges[k].a in whole]

    def switch(self, places: Iterable[int], *, on: bool) -> None:
        for k in places:
            self.active[k] = on


def agrees(engine: GraphEngine, model: Model) -> None:
    """Check that roots and L2 nodes are the components of the model's active edges."""
    supervoxels = np.asarray(model.supervoxels, np.uint64)
    assert engine.state.edge_active.tolist() == model.active
    assert grouped(supervoxels, engine.roots(supervoxels)) == model.objects()
    inside = [
        (e.a, e.b)
        for e, on in zip(model.edges, model.active, strict=True)
        if on and chunk(e.a) == chunk(e.b)
    ]
    l2 = engine.roots(supervoxels, stop_layer=2)
    assert grouped(supervoxels, l2) == parts(model.supervoxels, inside)
    leaves = [engine.leaves(int(root)).tolist() for root in engine.current_roots()]
    assert sorted(sv for some in leaves for sv in some) == model.supervoxels
    assert sorted(map(set, leaves), key=min) == model.objects()


def grouped(items: NDArray[Any], names: NDArray[Any]) -> list[set[int]]:
    """Return the items that share a name, by smallest member."""
    return sorted((set(items[names == name].tolist()) for name in np.unique(names)), key=min)
