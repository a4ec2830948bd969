"""The multicut against a second implementation, slow and in exact arithmetic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from connectome.offline.cutting.flow import exact_integers, source_side
from connectome.offline.multicut import (
    MulticutError,
    MulticutPostconditionError,
    MulticutPreconditionError,
    multicut,
    split_components,
)

INF, TINY = math.inf, float(np.finfo(np.float32).tiny)
Edge = tuple[int, int]

# The reference: plain lists and dictionaries, one vertex or edge at a time.


class RefusedError(Exception):
    pass


@dataclass
class Reference:
    """The steps of the production's algorithm, with nothing but what each step says."""

    edges: list[Edge]
    affinities: list[float]
    sources: list[int]
    sinks: list[int]
    isolating: bool = True

    def answer(self) -> list[Edge] | str:
        """Return the cut, or a part of the sentence that refuses it."""
        try:
            return self.cut()
        except RefusedError as refused:
            return str(refused)

    def cut(self) -> list[Edge]:
        source, sink = self._contracted()
        own, other = self._paths(source, sink)
        cut_vertices = self._source_side(source, sink, own, other)
        self._check(source, sink, own, other, cut_vertices)
        cut = {
            (u, v)
            for u, v in self.edges
            if (self.name[u] in cut_vertices) != (self.name[v] in cut_vertices)
        }
        if not cut:
            raise RefusedError("Mincut failed")
        return sorted(cut)

    def _contracted(self) -> tuple[list[int], list[int]]:
        rigid: nx.Graph[int] = nx.Graph()
        rigid.add_nodes_from(itertools.chain.from_iterable(self.edges))
        rigid.add_edges_from(
            e for e, w in zip(self.edges, self.affinities, strict=True) if w == INF
        )
        self.name = {v: min(part) for part in nx.connected_components(rigid) for v in part}
        self.links = [
            (self.name[u], self.name[v], float(np.float32(w)))
            for (u, v), w in zip(self.edges, self.affinities, strict=True)
            if w != INF
        ]
        if not self.links:
            raise RefusedError("only contains cross chunk edges")
        if not {*self.sources, *self.sinks} <= set(self.name):
            raise RefusedError("not connected through the local graph")
        source = sorted({self.name[v] for v in self.sources})
        sink = sorted({self.name[v] for v in self.sinks})
        ends = {v for u, v, _ in self.links} | {u for u, v, _ in self.links}
        self.vertices = sorted(ends | set(source) | set(sink))
        return source, sink

    def _side_paths(self, labels: list[int], removed: set[int]) -> list[tuple[list[int], float]]:
        found = []
        for first, second in itertools.combinations(labels, 2):
            before = boost_search(self.vertices, self.links, removed, first)
            if removed & {first, second} or second not in before:
                raise RefusedError("no path")
            path = [second]
            while path[-1] != first:
                path.append(before[path[-1]])
            path.reverse()
            found.append(
                (path, float(np.sum([self._length(*e) for e in itertools.pairwise(path)])))
            )
        return found

    def _length(self, u: int, v: int) -> float:
        return min(1 / (w + 2.0**-52) for a, b, w in self.links if {a, b} == {u, v})

    def _paths(self, source: list[int], sink: list[int]) -> tuple[set[int], set[int]]:
        try:
            own = self._side_paths(source, set(sink))
            other = self._side_paths(sink, set(source))
        except RefusedError as refused:
            raise RefusedError("irreparably overlap other labels") from refused
        one, two = (set().union(*(path for path, _ in paths)) for paths in (own, other))
        if not one & two:
            return one, two
        source_wins = _mean(own) < _mean(other)
        for source_keeps in (source_wins, not source_wins):
            try:
                if source_keeps:
                    around = self._side_paths(sink, one)
                    return one, set().union(*(path for path, _ in around))
                around = self._side_paths(source, two)
                return set().union(*(path for path, _ in around)), two
            except RefusedError:
                continue
        raise RefusedError("overlapped irreparably")

    def _source_side(
        self, source: list[int], sink: list[int], own: set[int], other: set[int]
    ) -> set[int]:
        if set(source) & set(sink):
            return set()
        network: nx.DiGraph[int | str] = nx.DiGraph()
        network.add_nodes_from([*self.vertices, "s", "t"])
        for u, v, w in self.links:
            whole = int(Fraction(w) * 2**149)  # every 32-bit float is a multiple of 2**-149
            for a, b in ((u, v), (v, u)):
                known = network.get_edge_data(a, b, {"capacity": 0})["capacity"]
                network.add_edge(a, b, capacity=known + whole)
        network.add_edges_from(("s", v) for v in {*source, *own})
        network.add_edges_from((v, "t") for v in {*sink, *other})
        residual = nx.algorithms.flow.edmonds_karp(network, "s", "t")
        open_edges = [(u, v) for u, v, d in residual.edges(data=True) if d["flow"] < d["capacity"]]
        reach = nx.DiGraph(open_edges)
        reach.add_node("s")
        return {v for v in nx.descendants(reach, "s") if not isinstance(v, str)}

    def _check(
        self, source: list[int], sink: list[int], own: set[int], other: set[int], side: set[int]
    ) -> None:
        left: nx.Graph[int] = nx.Graph()
        left.add_nodes_from(self.vertices)
        left.add_edges_from((u, v) for u, v, _ in self.links if (u in side) == (v in side))
        for part in sorted(nx.connected_components(left), key=min):
            for name, mine, theirs, path in (
                ("Source", source, sink, own),
                ("Sink", sink, source, other),
            ):
                if not part & set(mine):
                    continue
                if not set(mine) <= part or part & set(theirs):
                    raise RefusedError("Failed to find a cut that separated")
                if self.isolating and len(path) == len(part):
                    near = {v for u, v, _ in self.links if u in part}
                    near |= {u for u, v, _ in self.links if v in part}
                    if not near <= {*source, *sink}:
                        raise RefusedError(f"only the labeled points on the {name} side")


def _mean(paths: list[tuple[list[int], float]]) -> float:
    return float(np.power(np.prod([length for _, length in paths]), 1 / len(paths)))


def boost_search(
    vertices: list[int], links: list[tuple[int, int, float]], removed: set[int], start: int
) -> dict[int, int]:
    """Dijkstra with a heap of arity 4 that swaps step by step."""
    out: dict[int, list[tuple[int, float]]] = {v: [] for v in vertices}
    for u, v, w in links:
        out[u].append((v, 1 / (w + 2.0**-52)))
    for u, v, w in links:
        out[v].append((u, 1 / (w + 2.0**-52)))
    dist, before, heap = {start: 0.0}, {start: start}, [start]

    def up(k: int) -> None:
        while k > 0 and dist[heap[k]] < dist[heap[(k - 1) // 4]]:
            heap[k], heap[(k - 1) // 4] = heap[(k - 1) // 4], heap[k]
            k = (k - 1) // 4

    def down() -> None:
        k = 0
        while 4 * k + 1 < len(heap):
            best = 4 * k + 1
            for child in range(best + 1, min(4 * k + 5, len(heap))):
                if dist[heap[child]] < dist[heap[best]]:
                    best = child
            if not dist[heap[best]] < dist[heap[k]]:
                return
            heap[k], heap[best] = heap[best], heap[k]
            k = best

    while heap:
        u = heap[0]
        last = heap.pop()
        if heap:
            heap[0] = last
            down()
        for v, w in out[u]:
            if v in removed or dist[u] + w >= dist.get(v, math.inf):
                continue
            fresh = v not in dist
            dist[v], before[v] = dist[u] + w, u
            if fresh:
                heap.append(v)
            up(heap.index(v))
    return before


# Random graphs. Ids lie beyond 2**53, as real ones do.

BASE = 2**56
TIED = st.sampled_from([0.0, 0.25, 0.5, 1.0, TINY])
FREE = st.floats(0, 1, width=32, allow_subnormal=True)
QUANTA = st.integers(0, 255).map(lambda k: k / 255)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Edge], list[float], list[int], list[int]]:
    n = draw(st.integers(2, 14))
    vertex = st.integers(BASE, BASE + n - 1)
    kind = draw(st.sampled_from(["free", "tied", "quanta", "mixed"]))
    finite = {"free": FREE, "tied": TIED, "quanta": QUANTA, "mixed": FREE | TIED}[kind]
    affinity = finite | st.just(INF) if draw(st.booleans()) else finite
    chained = draw(st.sampled_from([True, True, False]))
    chain = [(BASE + k, BASE + k + 1) for k in range(n - 1)] if chained else []
    more = draw(st.lists(st.tuples(vertex, vertex), min_size=1, max_size=34))
    edges = [*chain, *more]
    weights = draw(st.lists(affinity, min_size=len(edges), max_size=len(edges)))
    order = draw(st.permutations(sorted(set(itertools.chain.from_iterable(edges)))))
    n_source, n_sink = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sources, sinks = order[:n_source], order[n_source : n_source + n_sink]
    return edges, [float(np.float32(w)) for w in weights], list(sources), list(sinks or order[:1])


def answer(
    edges: Iterable[Edge],
    affinities: list[float],
    sources: list[int],
    sinks: list[int],
    **how: bool,
) -> list[Edge] | str:
    try:
        cut = multicut(
            np.asarray(list(edges), np.uint64),
            np.asarray(affinities, np.float32),
            np.asarray(sources, np.uint64),
            np.asarray(sinks, np.uint64),
            **how,
        )
    except MulticutError as error:
        return str(error)
    assert cut.dtype == np.uint64
    return [(int(u), int(v)) for u, v in cut]


def same(mine: list[Edge] | str, expected: list[Edge] | str) -> bool:
    if isinstance(mine, str) and isinstance(expected, str):
        return expected in mine
    return mine == expected


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(), isolating=st.booleans())
@example(([(1, 2), (2, 3), (1, 3)], [1.0, 1.0, 1.0], [1], [3]), True)
def test_cuts_and_refusals_are_those_of_the_reference(
    problem: tuple[list[Edge], list[float], list[int], list[int]], isolating: bool
) -> None:
    given_answer = answer(*problem, disallow_isolating_cut=isolating)
    expected = Reference(*problem, isolating=isolating).answer()
    event("cut" if isinstance(expected, list) else expected)
    assert same(given_answer, expected)


def grid_problem(seed: int) -> tuple[list[Edge], list[float], list[int], list[int]]:
    """A grid whose affinities repeat: many shortest paths and many minimum cuts."""
    rng = np.random.default_rng(seed)
    side = int(rng.integers(3, 7))
    at = np.arange(side * side).reshape(side, side)
    ids = rng.permutation(side * side) + BASE
    pairs = np.concatenate(
        [
            np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()], axis=1),
            np.stack([at[:-1].ravel(), at[1:].ravel()], axis=1),
        ]
    )
    pairs = ids[rng.permutation(pairs)]
    flip = rng.random(len(pairs)) < 0.5
    pairs[flip] = pairs[flip][:, ::-1]
    levels = np.asarray([0.25, 0.5, 1.0, INF] if seed % 2 else [0.3, 0.3, 0.7, INF], np.float32)
    affinity = rng.choice(levels, len(pairs), p=[0.3, 0.3, 0.35, 0.05])
    n_source, n_sink = rng.integers(1, 4, 2)
    labels = rng.permutation(ids)[: n_source + n_sink].tolist()
    edges = [(int(u), int(v)) for u, v in pairs]
    return edges, affinity.astype(float).tolist(), labels[:n_source], labels[n_source:]


def test_grids_with_many_ties() -> None:
    outcomes = {"cut": 0, "refused": 0}
    for seed in range(150):
        problem = grid_problem(seed)
        expected = Reference(*problem).answer()
        assert same(answer(*problem), expected), seed
        outcomes["cut" if isinstance(expected, list) else "refused"] += 1
    assert min(outcomes.values()) > 20


def loose_problem(seed: int) -> tuple[list[Edge], list[float], list[int], list[int]]:
    """A random graph of up to 40 supervoxels, sparse or dense, with up to 5 labels a side."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 40))
    a = rng.integers(0, n, int(n * rng.choice([1.1, 1.5, 2, 3])) + 1)
    b = (a + rng.integers(1, 4, len(a))) % n if seed % 2 else rng.integers(0, n, len(a))
    a, b = np.append(a, np.arange(n - 1)), np.append(b, np.arange(1, n))
    values = [rng.random(len(a)), rng.choice([0.1, 0.2, 0.3, 0.7], len(a)), np.ones(len(a))]
    affinity = values[seed % 3].astype(np.float32)
    if seed % 4 == 0:
        affinity[rng.random(len(a)) < 0.3] = TINY
    affinity[rng.random(len(a)) < rng.choice([0, 0.05, 0.3])] = INF
    ids, order = rng.permutation(n) + BASE, rng.permutation(len(a))
    edges = list(zip(ids[a[order]].tolist(), ids[b[order]].tolist(), strict=True))
    n_source, n_sink = rng.integers(1, 6, 2)
    labels = rng.permutation(ids).tolist()
    sinks = labels[n_source : n_source + n_sink] or labels[:1]
    return edges, affinity.astype(float).tolist(), labels[:n_source], sinks


def test_graphs_where_paths_meet() -> None:
    outcomes: dict[str, int] = {}
    for seed in range(400):
        isolating, problem = seed % 5 > 0, loose_problem(seed)
        expected = Reference(*problem, isolating=isolating).answer()
        assert same(answer(*problem, disallow_isolating_cut=isolating), expected), seed
        kind = "cut" if isinstance(expected, list) else expected
        outcomes[kind] = outcomes.get(kind, 0) + 1
    assert outcomes["cut"] > 100
    assert outcomes["overlapped irreparably"] > 5
    assert len(outcomes) >= 6


def test_the_order_of_equal_paths_is_that_of_the_search() -> None:
    """Two equally short ways from 1 to 4; the first listed edge decides, and so the cut."""
    square = [(1, 2), (2, 4), (1, 3), (3, 4), (2, 5), (3, 6), (5, 6)]
    weights = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0]
    swapped = [(1, 3), (3, 4), (1, 2), (2, 4), (2, 5), (3, 6), (5, 6)]
    for edges in (square, swapped):
        expected = Reference(edges, weights, [1, 4], [5], isolating=False).cut()
        assert answer(edges, weights, [1, 4], [5], disallow_isolating_cut=False) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(FREE | TIED | st.floats(0, 2**100, width=32), min_size=1, max_size=8), st.data())
def test_whole_numbers_compare_as_the_affinities(values: list[float], data: st.DataObject) -> None:
    whole = exact_integers(np.asarray(values, np.float32))
    one = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    other = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    exact = [sum(Fraction(v) for v, k in zip(values, ks, strict=True) if k) for ks in (one, other)]
    mine = [sum(int(v) for v, k in zip(whole, ks, strict=True) if k) for ks in (one, other)]
    assert (exact[0] < exact[1]) == (mine[0] < mine[1])
    assert (exact[0] == exact[1]) == (mine[0] == mine[1])


def test_flows_of_every_magnitude_are_exact() -> None:
    """Capacities from 2**-140 to 2**60 in one graph; a float would lose the small ones."""
    rng = np.random.default_rng(5)
    n, m = 40, 160
    a, b = rng.integers(0, n, (2, m))
    affinity = np.ldexp(rng.random(m), rng.integers(-140, 60, m)).astype(np.float32)
    labels = [int(v) for v in rng.permutation(n)[:2]]
    side = source_side(n, a, b, affinity, np.asarray(labels[:1]), np.asarray(labels[1:]))
    reference = Reference(
        [(int(u), int(v)) for u, v in zip(a, b, strict=True)],
        affinity.astype(float).tolist(),
        labels[:1],
        labels[1:],
    )
    source, sink = reference._contracted()
    expected = reference._source_side(source, sink, set(), set())
    assert set(np.flatnonzero(side).tolist()) == expected | {labels[0]}


def test_infinite_affinities_are_never_cut_and_orientation_is_kept() -> None:
    edges = [(12, 11), (12, 21), (21, 22), (11, 21), (21, 11), (11, 5), (22, 6)]
    cut = answer(edges, [INF, 0.1, INF, 0.2, 0.2, 0.9, 0.9], [5], [6])
    assert cut == [(11, 21), (12, 21), (21, 11)]


def test_refusals() -> None:
    def message(kind: type[MulticutError], *problem: object) -> str:
        with pytest.raises(kind) as caught:
            multicut(*problem)  # type: ignore[arg-type]
        return str(caught.value)

    line = [(1, 2), (2, 3), (3, 4)]
    pre, post = MulticutPreconditionError, MulticutPostconditionError
    assert "cross chunk edges" in message(post, line, [INF] * 3, [1], [4])
    assert "cross chunk edges" in message(post, [], [], [1], [4])
    assert "not connected" in message(pre, line, [1, 1, 1], [1], [9])
    assert "not connected" in message(pre, line, [1, 1, 1], [], [4])
    assert "overlap other labels" in message(pre, line, [1, 1, 1], [1, 3], [2])
    assert "Failed to find" in message(pre, line, [INF, 1, 1], [1], [2])
    assert "Mincut failed" in message(post, [(1, 2), (3, 4)], [1, 1], [1], [4])
    cross = [(1, 5), (2, 5), (3, 5), (4, 5)]
    assert "overlapped irreparably" in message(pre, cross, [1] * 4, [1, 2], [3, 4])
    long = [(k, k + 1) for k in range(1, 9)]
    assert "on the Source side" in message(pre, long, [1] * 8, [1, 2], [8, 9])
    for bad in ([-1, 1, 1], [math.nan, 1, 1], [1, 1]):
        with pytest.raises(ValueError, match=r"[Aa]ffinities"):
            multicut(line, bad, [1], [4])


def test_a_preview_puts_sources_first_and_says_what_is_illegal() -> None:
    edges = [(1, 2), (2, 3), (3, 4), (8, 9), (3, 7)]
    weights = [1.0, 0.1, 1.0, 1.0, INF]
    parts, illegal = split_components(edges, weights, [3], [2])
    assert [part.tolist() for part in parts] == [[3, 7, 4], [1, 2], [8, 9]]
    assert not illegal
    parts, illegal = split_components(edges, weights, [3], [7])  # one vertex on both sides
    assert illegal
    assert [part.tolist() for part in parts] == [[1, 2, 3, 7, 4], [], [8, 9]]
    isolated, illegal = split_components([(k, k + 1) for k in range(1, 9)], [1] * 8, [1, 2], [8, 9])
    assert illegal
    assert isolated[0].tolist() == [1, 2]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems())
def test_a_preview_agrees_with_the_cut(
    problem: tuple[list[Edge], list[float], list[int], list[int]],
) -> None:
    edges, affinities, sources, sinks = problem
    outcome = answer(*problem)
    refusal = None
    try:
        parts, illegal = split_components(edges, np.asarray(affinities, np.float32), sources, sinks)
    except MulticutError as error:
        refusal = str(error)
    if refusal is not None:
        assert refusal == outcome
        return
    assert illegal == (isinstance(outcome, str) and "Mincut failed" not in outcome)
    where = {int(v): k for k, part in enumerate(parts) for v in part}
    assert len(where) == sum(map(len, parts))
    if not illegal:
        assert {where[v] for v in sources} == {0}
        assert {where[v] for v in sinks} == {1}
        cut = set() if isinstance(outcome, str) else set(outcome)
        assert all((where[u] == where[v]) for u, v in edges if (u, v) not in cut and u in where)
