"""A virtual proofreader on a small volume with truth, ingested without supervoxels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.services.simulating import Run, SimulationSettings, run, simulate
from app.services.simulation_candidates import Candidates, Scores, find_candidates, same_bodies
from app.services.simulation_figures import looks_to, order_figures
from app.services.simulation_world import SegmentWorld
from connectome.datastack import Datastack
from connectome.errors import InputError
from connectome.offline.datastack import OfflineDatastack
from connectome.offline.ingest import IngestRequest, ingest
from connectome.offline.scoring import overlap_table, score, score_table
from inference.adaptive.model import Rows
from inference.adaptive.orders import Order
from inference.adaptive.refit import RefitSettings
from proofreading.sites import Site

SHAPE = (40, 48, 56)
VOXEL_NM = (20.0, 20.0, 20.0)


def quiet(_stage: str, _share: float | None) -> None:
    """Take progress and say nothing."""


def by_area(_datastack: Datastack, sites: Sequence[Site]) -> Scores:
    """Say that broad contacts are one body: an opinion that is often wrong."""
    area = np.array([site.partners[0].contact_area_nm2 for site in sites])
    base = np.log(area / np.median(area)) - 0.5
    features = np.stack([np.log(area), np.log(area) ** 2], axis=1)
    rows = Rows(base, features)
    return Scores(rows, ("area", "area2"), np.ones(len(sites), np.bool_), ("area",))


def nearest(points: NDArray[np.float64]) -> NDArray[np.int64]:
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    _, index = cKDTree(points).query(grid.reshape(-1, 3))
    return np.asarray(index, np.int64).reshape(SHAPE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve bodies in sixty pieces, two of the pieces wrongly one segment."""
    rng = np.random.default_rng(3)
    pieces, bodies = rng.random((60, 3)) * SHAPE, rng.random((12, 3)) * SHAPE
    _, found = cKDTree(bodies).query(pieces)
    body_of = np.asarray(found, np.int64)
    segments = nearest(pieces).astype(np.uint32) + 1
    truth = (body_of.astype(np.uint32) + 1)[segments - 1]
    touching = segments[20, 20, :]
    first = int(touching[0])
    other = int(next(s for s in touching if body_of[s - 1] != body_of[first - 1]))
    segments[segments == other] = first
    out = tmp_path_factory.mktemp("simulated") / "stack"
    border = np.zeros(SHAPE, np.bool_)
    for axis in range(3):
        border |= truth != np.roll(truth, 1, axis)
    request = IngestRequest(
        em=np.where(border, 60, 180).astype(np.uint8),
        segmentation=segments,
        groundtruth=truth,
        resolution_nm=VOXEL_NM,
        name="offline_small",
        out=out,
    )
    ingest(request, quiet)
    return out


@pytest.fixture(scope="module")
def asked(folder: Path) -> tuple[Candidates, SegmentWorld]:
    datastack = OfflineDatastack(folder)
    try:
        overlaps = overlap_table(datastack.folder)[:3]
        candidates = find_candidates(datastack, overlaps, by_area, (), quiet)
    finally:
        datastack.close()
    return candidates, SegmentWorld(*overlaps)


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_the_datastack_stays(folder: Path, tmp_path: Path) -> None:
    stack = OfflineDatastack(folder).folder
    before = score(stack)
    settings = SimulationSettings(looks=60, error_rate=0.1, seeds=2)
    summary = simulate(str(folder), tmp_path, by_area, settings, report=quiet)
    assert score(stack) == before
    assert summary.start_vi == pytest.approx(before.vi)
    assert summary.perfect_vi < summary.start_vi
    assert (tmp_path / "vi.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "vi.svg").read_text()
    names = {path.name for path in tmp_path.glob("*.csv")}
    assert names == {f"{o.value}_seed{n}.csv" for o in Order for n in range(2)} | {"all.csv"}
    rows = table(tmp_path / "random_seed1.csv")
    assert list(rows[0]) == [
        "look",
        "vi",
        "vi_split",
        "vi_merge",
        "decisions",
        "edits_applied",
        "wrong_edits",
    ]
    assert [row["look"] for row in rows] == [str(n) for n in range(len(rows))]
    assert float(rows[0]["vi"]) == pytest.approx(before.vi, abs=1e-6)
    assert (rows[0]["decisions"], rows[0]["edits_applied"]) == ("0", "0")
    everything = table(tmp_path / "all.csv")
    assert {(row["order"], row["seed"]) for row in everything} == {
        (o.value, str(n)) for o in Order for n in range(2)
    }


def test_vi_is_that_of_the_score_after_every_merge(folder: Path) -> None:
    roots, bodies, counts, _ = overlap_table(OfflineDatastack(folder).folder)
    world = SegmentWorld(roots, bodies, counts, ignore=(4,))
    names = np.unique(roots[roots != 0])
    rng = np.random.default_rng(0)
    now = {int(name): int(name) for name in names}
    for _ in range(30):
        one, other = rng.choice(names, 2, replace=False)
        world.merge(*(int(r) for r in world.rows(np.array([one, other]))))
        keep, gone = now[int(one)], now[int(other)]
        now = {name: keep if to == gone else to for name, to in now.items()}
        merged = np.array([now.get(int(r), 0) for r in roots], np.uint64)
        pairs, slot = np.unique(np.stack([merged, bodies], 1), axis=0, return_inverse=True)
        sums = np.bincount(slot.ravel(), counts).astype(np.int64)
        wanted = score_table(pairs[:, 0], pairs[:, 1], sums, sums, ignore=(4,))
        assert world.vi_split == pytest.approx(wanted.vi_split, abs=1e-9)
        assert world.vi_merge == pytest.approx(wanted.vi_merge, abs=1e-9)


def worked(
    asked: tuple[Candidates, SegmentWorld], order: Order, seed: int = 0, **more: float
) -> Run:
    settings = SimulationSettings(looks=10_000, error_rate=more.get("error_rate", 0.0))
    return run(*asked, order, seed, settings)


def test_every_order_ends_where_a_perfect_person_does(
    asked: tuple[Candidates, SegmentWorld],
) -> None:
    candidates, start = asked
    ends = {order: worked(asked, order).looks[-1] for order in Order}
    assert len({round(end.vi, 9) for end in ends.values()}) == 1
    assert ends[Order.RANDOM].vi < start.vi
    for end in ends.values():
        assert end.wrong_edits == 0
        assert end.edits_applied < end.decisions <= len(candidates)


def test_pairs_that_are_joined_already_cost_no_look(
    asked: tuple[Candidates, SegmentWorld],
) -> None:
    candidates, _ = asked
    end = worked(asked, Order.PROBABILITY).looks[-1]
    # Three pieces of one body touch in three pairs, and two merges join them.
    assert end.edits_applied < candidates.same.sum()
    assert end.decisions < len(candidates)


def told(candidates: Candidates, base: float) -> Candidates:
    """Return candidates of which the features know the truth, and the base a share of it."""
    rng = np.random.default_rng(0)
    hint = np.where(candidates.same, 1.0, -1.0) + rng.normal(0, 0.3, len(candidates))
    rows = Rows(base * hint, np.stack([hint, np.zeros(len(hint))], axis=1))
    return replace(
        candidates, scores=Scores(rows, ("told", "none"), candidates.scores.known, ("told",))
    )


def test_value_and_uncertainty_need_fewer_looks_than_chance(
    asked: tuple[Candidates, SegmentWorld],
) -> None:
    candidates, start = told(asked[0], 2.0), asked[1]
    settings = SimulationSettings(looks=10_000)
    curves = {}
    for order in (Order.VALUE_UNCERTAINTY, Order.RANDOM):
        runs = [run(candidates, start, order, seed, settings) for seed in range(3)]
        curves[order] = np.array([[look.vi for look in each.looks[:41]] for each in runs])
    figures = order_figures(curves, perfect=0.0)[0]
    assert figures.worst_share_of_random is not None
    assert figures.worst_share_of_random < 0.8


def test_mistakes_are_counted_and_make_it_worse(asked: tuple[Candidates, SegmentWorld]) -> None:
    sloppy = worked(asked, Order.RANDOM, error_rate=0.3).looks[-1]
    assert sloppy.wrong_edits > 0
    assert sloppy.vi_merge > worked(asked, Order.RANDOM).looks[-1].vi_merge


def test_a_second_look_at_large_improbable_merges_finds_slips(
    asked: tuple[Candidates, SegmentWorld],
) -> None:
    # A judge that knows the truth calls nearly every slip improbable.
    candidates, start = told(asked[0], 4.0), asked[1]
    once, twice = (
        [
            run(
                candidates,
                start,
                Order.VALUE_UNCERTAINTY,
                seed,
                SimulationSettings(looks=10_000, error_rate=0.2, second_look=again, learn=False),
            )
            for seed in range(5)
        ]
        for again in (False, True)
    )
    for each in twice:
        assert [look.look for look in each.looks] == list(range(len(each.looks)))
        assert each.looks[-1].look > each.looks[-1].decisions
    slips = [sum(each.looks[-1].wrong_edits for each in runs) for runs in (once, twice)]
    assert slips[1] < 0.6 * slips[0]


def test_seeds_repeat_and_differ(asked: tuple[Candidates, SegmentWorld]) -> None:
    first = worked(asked, Order.RANDOM, 0)
    assert worked(asked, Order.RANDOM, 0) == first
    assert worked(asked, Order.RANDOM, 1).looks != first.looks


def test_the_judge_learns_from_the_answers(asked: tuple[Candidates, SegmentWorld]) -> None:
    informed, start = told(asked[0], 0.0), asked[1]
    refitting = RefitSettings(every=20, least=8)
    learning, not_learning = (
        run(
            informed,
            start,
            Order.PROBABILITY,
            0,
            SimulationSettings(looks=120, learn=learn, refitting=refitting),
        )
        for learn in (True, False)
    )
    assert learning.versions >= 1
    assert not_learning.versions == 0
    assert learning.looks[90].vi < not_learning.looks[90].vi


def test_an_ignored_body_is_not_asked_about(folder: Path) -> None:
    datastack = OfflineDatastack(folder)
    try:
        overlaps = overlap_table(datastack.folder)[:3]
        everything = find_candidates(datastack, overlaps, by_area, (), quiet)
        fewer = find_candidates(datastack, overlaps, by_area, (1, 2), quiet)
    finally:
        datastack.close()
    assert everything.without_truth == 0
    assert fewer.without_truth > 0
    assert len(fewer) + fewer.without_truth == len(everything)


def test_segments_of_several_bodies_are_joined_with_nothing() -> None:
    roots = np.array([1, 1, 2, 3, 3, 4, 5], np.uint64)
    bodies = np.array([7, 8, 7, 7, 8, 0, 9], np.uint64)
    counts = np.array([90, 10, 50, 60, 40, 30, 20])
    pairs = np.array([[1, 2], [2, 3], [1, 4], [1, 5], [2, 6]], np.uint64)
    same, certain = same_bodies(pairs, (roots, bodies, counts), (9,))
    assert same.tolist() == [True, False, False, False, False]
    assert certain.tolist() == [True, True, False, False, False]


def test_levels_are_reached_at_the_first_look_that_is_low_enough() -> None:
    curve = np.array([4.0, 3.0, 3.5, 1.0])
    assert looks_to(curve, np.array([4.0, 3.2, 3.0, 2.0, 0.5])).tolist() == [0, 1, 1, 3, np.inf]


def test_figures_compare_with_the_random_order() -> None:
    curves = {
        Order.VALUE: np.array([[4.0, 2.0, 1.0, 1.0, 1.0]]),
        Order.RANDOM: np.array([[4.0, 4.0, 3.0, 2.0, 1.0]]),
    }
    value, random = order_figures(curves, perfect=1.0)
    assert random.worst_share_of_random == 1.0
    assert value.worst_share_of_random == 0.5
    assert (value.looks_to_half, value.looks_to_most) == (1, 2)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="no share"):
        SimulationSettings(error_rate=1.5)
    with pytest.raises(InputError, match="at least one look"):
        SimulationSettings(looks=0)
