"""Random edits on random graphs against a model that knows nothing of nodes and rows."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.multicut import MulticutError, multicut
from tests.unit.offline.graphs import Model, agrees, grouped, point, random_graph, write_graph

SEEDS = st.integers(0, 2**32 - 1)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextlib.contextmanager
def world(seed: int) -> Iterator[tuple[GraphEngine, Model, np.random.Generator]]:
    rng = np.random.default_rng(seed)
    model = Model(*random_graph(rng))
    with tempfile.TemporaryDirectory() as place:
        folder = write_graph(Path(place) / "graph", model.supervoxels, model.edges)
        engine = GraphEngine.open(folder)
        try:
            yield engine, model, rng
        finally:
            engine.close()


def expected_cut(model: Model, sources: list[int], sinks: list[int]) -> list[int] | None:
    """Return the edges that a split must remove, None where it must be refused."""
    if model.object_of(sources[0]) < {*sources, *sinks}:
        return None
    places = model.local([*sources, *sinks])
    pairs = np.asarray([(model.edges[k].a, model.edges[k].b) for k in places], np.uint64)
    affinities = np.asarray([model.edges[k].affinity for k in places], np.float32)
    try:
        cut = {(int(a), int(b)) for a, b in multicut(pairs, affinities, sources, sinks)}
    except MulticutError:
        return None
    return [k for k in places if (model.edges[k].a, model.edges[k].b) in cut]


def split_of(
    model: Model, rng: np.random.Generator, most: int = 2
) -> tuple[list[int], list[int]] | None:
    """Return labels on both sides in one random object, None if all are single."""
    large = [sorted(part) for part in model.objects() if len(part) > 1]
    if not large:
        return None
    labels = rng.permutation(large[int(rng.integers(len(large)))]).tolist()
    n = int(rng.integers(1, most + 1))
    return labels[:n], labels[n : n + int(rng.integers(1, most + 1))] or labels[n - 1 : n]


@few
@given(SEEDS)
def test_merge_then_undo_restores_the_partition(seed: int) -> None:
    with world(seed) as (engine, model, rng):
        agrees(engine, model)
        a, b = rng.choice(model.supervoxels, 2, replace=False).tolist()
        before = list(model.active)
        if b in model.object_of(a):
            with pytest.raises(GraphRefusalError, match="different objects"):
                engine.merge(point(a), point(b), "ann")
            agrees(engine, model)
            return
        objects = model.objects()
        merged = engine.merge(point(a), point(b), "ann", max_chunk_distance=9)
        model.merge(a, b)
        event("fake edge" if len(model.active) > len(before) else "edges")
        agrees(engine, model)
        assert len(merged.new_roots) == 1
        engine.undo(merged.operation_id or 0, "ann")
        model.active = before + [False] * (len(model.active) - len(before))
        agrees(engine, model)
        assert model.objects() == objects


@few
@given(SEEDS)
def test_split_then_merge_at_the_cut_restores_the_partition(seed: int) -> None:
    with world(seed) as (engine, model, rng):
        labels = split_of(model, rng, most=1)
        if labels is None:
            return
        (source,), (sink,) = labels
        objects = model.objects()
        cut = expected_cut(model, [source], [sink]) if source != sink else None
        if not cut:
            with pytest.raises(GraphRefusalError):
                engine.split([point(source)], [point(sink)], "ann")
            agrees(engine, model)
            event("refused")
            return
        split = engine.split([point(source)], [point(sink)], "ann")
        model.switch(cut, on=False)
        agrees(engine, model)
        event(f"{len(split.new_roots)} roots")
        if len(split.new_roots) == 2:
            engine.merge(point(source), point(sink), "ann", max_chunk_distance=9)
            model.merge(source, sink)
            agrees(engine, model)
            assert model.objects() == objects
            assert all(model.active[k] for k in cut)


@few
@given(SEEDS)
def test_a_preview_is_what_the_split_does(seed: int) -> None:
    with world(seed) as (engine, model, rng):
        labels = split_of(model, rng)
        if labels is None or set(labels[0]) & set(labels[1]):
            return
        sides = [[point(sv) for sv in side] for side in labels]
        cut = expected_cut(model, *labels)
        shown: tuple[list[set[int]], bool] | None = None
        with contextlib.suppress(GraphRefusalError):
            some, illegal = engine.preview_split(sides[0], sides[1])
            shown = ([set(part.tolist()) for part in some], illegal)
        agrees(engine, model)
        if not cut:
            with pytest.raises(GraphRefusalError):
                engine.split(sides[0], sides[1], "ann")
            return
        assert shown is not None
        assert not shown[1]
        assert set(labels[0]) <= shown[0][0]
        assert set(labels[1]) <= shown[0][1]
        for k in cut:
            a, b = model.edges[k].a, model.edges[k].b
            assert not any({a, b} <= part for part in shown[0])
        engine.split(sides[0], sides[1], "ann")
        model.switch(cut, on=False)
        agrees(engine, model)


class Story:
    """Edits one after another on engine and model, with everything written down."""

    def __init__(self, engine: GraphEngine, model: Model, rng: np.random.Generator) -> None:
        self.engine, self.model, self.rng = engine, model, rng
        self.done: dict[int, tuple[list[int], bool]] = {}
        self.undone: set[int] = set()
        self.links: set[tuple[int, int]] = set()
        self.kind: dict[int, tuple[str, int]] = {}
        self.past = [(engine.oldest_timestamp(), self.roots())]

    def roots(self) -> list[int]:
        found: list[int] = self.engine.roots(np.asarray(self.model.supervoxels, np.uint64)).tolist()
        return found

    def merge(self) -> None:
        a, b = self.rng.choice(self.model.supervoxels, 2, replace=False).tolist()
        if b in self.model.object_of(a):
            return
        number = self.engine.merge(point(a), point(b), "ann", max_chunk_distance=9).operation_id
        self.done[number or 0] = (self.model.merge(a, b), True)
        self.kind[number or 0] = ("merge", number or 0)

    def split(self) -> None:
        labels = split_of(self.model, self.rng)
        cut = labels and not set(labels[0]) & set(labels[1]) and expected_cut(self.model, *labels)
        if not labels or not cut:
            return
        sides = [[point(sv) for sv in side] for side in labels]
        number = self.engine.split(sides[0], sides[1], "ann").operation_id
        self.model.switch(cut, on=False)
        self.done[number or 0] = (cut, False)
        self.kind[number or 0] = ("split", number or 0)

    def revert(self) -> None:
        """Undo or redo any operation, an undo or redo among them."""
        if not self.kind:
            return
        number = int(self.rng.choice(sorted(self.kind)))
        word = str(self.rng.choice(["undo", "redo"]))
        kind, target = self.kind[number]
        does = word if kind != "undo" else {"undo": "redo", "redo": "undo"}[word]
        places, joins = self.done[target]
        switch_on = joins == (does == "redo")
        idle = (does == "undo") == (target in self.undone)
        ready = all(self.model.active[k] != switch_on for k in places)
        refusal = None
        try:
            result = (self.engine.undo if word == "undo" else self.engine.redo)(number, "bob")
        except GraphRefusalError as error:
            refusal = error
        if refusal is not None:
            assert refusal.status == 400
            assert not idle
            assert "is in the way" in refusal.message
            event("refused" if ready else "refused, edges changed")
            return
        if idle:
            assert result == type(result)(None, (), ())
            return
        assert ready
        self.model.switch(places, on=switch_on)
        (self.undone.add if does == "undo" else self.undone.discard)(target)
        self.kind[result.operation_id or 0] = (does, target)
        event(does)

    def step(self, word: str) -> None:
        before, last = self.roots(), len(self.kind)
        getattr(self, word)()
        after = self.roots()
        agrees(self.engine, self.model)
        fresh = {(old, new) for old, new in zip(before, after, strict=True) if old != new}
        self.links |= fresh
        if len(self.kind) > last:
            number = max(self.kind)
            made = {new for _, new in fresh}
            assert set(self.engine.operations([number])[number]["roots"]) == made  # type: ignore[call-overload]
            moment = float(self.engine.root_timestamps(np.asarray([*made][:1], np.uint64))[0])
            assert moment > self.past[-1][0]
            self.past.append((moment, after))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    SEEDS,
    st.lists(st.sampled_from(["merge", "split", "revert", "revert"]), min_size=4, max_size=14),
)
def test_any_story_keeps_every_rule_and_can_be_told_again(seed: int, words: list[str]) -> None:
    with world(seed) as (engine, model, rng):
        story = Story(engine, model, rng)
        for word in words:
            story.step(word)
        again = GraphEngine.open(engine.folder, read_only=True)
        try:
            same_graph(engine, again)
            supervoxels = np.asarray(model.supervoxels, np.uint64)
            everyone = sorted({root for _, roots in story.past for root in roots})
            for one in (engine, again):
                assert set(one.lineage(everyone).links) == story.links
                for moment, roots in story.past:
                    assert one.roots(supervoxels, moment).tolist() == roots
            for moment, roots in story.past:
                then = np.asarray(roots, np.uint64)
                for root in np.unique(then):
                    leaves = again.leaves(int(root)).tolist()
                    assert leaves == supervoxels[then == root].tolist(), moment
        finally:
            again.close()


def same_graph(one: GraphEngine, other: GraphEngine) -> None:
    a, b = one.state, other.state
    for name in ("sv_l2", "l2_ids", "l2_root", "edge_active", "fake_a", "fake_b", "current_roots"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert a.history == b.history
    assert (a.last_operation, a.last_ms, a.n_roots) == (b.last_operation, b.last_ms, b.n_roots)


def test_the_model_starts_as_the_engine_does() -> None:
    with world(3) as (engine, model, _):
        agrees(engine, model)
        assert len(model.objects()) > 2
        assert any(len(part) > 2 for part in model.objects())
        supervoxels = np.asarray(model.supervoxels, np.uint64)
        assert grouped(supervoxels, engine.roots(supervoxels)) == model.objects()
