"""What random places would find, true merge errors, and the funnel, on countable worlds."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from connectome.datastack import Skeleton
from connectome.errors import VolumeError
from connectome.graph import GraphPoint
from proofreading.decisions import Answer, Decider, Decision
from proofreading.detection.against_truth import TrueSplitError
from proofreading.detection.chance import (
    Place,
    against_chance,
    contact_places,
    misses,
    site_places,
    vertex_places,
)
from proofreading.detection.chance_report import chance_report, true_errors
from proofreading.detection.contacts import contact_sites
from proofreading.detection.funnel import funnel
from proofreading.detection.merge_errors import TrueMergeError, true_merge_errors
from proofreading.detection.settings import DetectionSettings
from proofreading.edits import EditRecord, EditState, MergeEdit
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import Provenance, Task, Verdict
from tests.arrays import ArrayDatastack

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VOXEL = (10.0, 10.0, 10.0)
ERRORS = [
    TrueMergeError(root, frozenset({1, 2}), np.array([[root * 1000.0, 0.0, 0.0]]))
    for root in range(1, 11)
]


def places(xs: list[tuple[int, float]]) -> list[Place]:
    return [Place((x, 0.0, 0.0), frozenset({root})) for root, x in xs]


def test_a_place_is_near_errors_of_its_own_segments_only() -> None:
    split = TrueSplitError(frozenset({1, 2}), 7, np.array([[1000.0, 0.0, 0.0]]))
    own = [
        *places([(1, 1050.0), (2, 900.0), (3, 1000.0)]),
        Place((1000.0, 30.0, 0.0), frozenset({1, 2})),
        Place((1000.0, 30.0, 0.0), frozenset({1, 3})),
    ]
    found = misses(own, [split, ERRORS[0]])
    known = zip(found.place.tolist(), found.error.tolist(), found.apart_nm.tolist(), strict=True)
    assert set(known) == {(0, 0, 50.0), (1, 0, 100.0), (3, 0, 30.0), (0, 1, 50.0)}
    near = found.within(60)
    assert (near.recalled(), near.right()) == (2, 2)
    assert near.of_places(np.array([3])).recalled() == 1


def test_a_good_detector_beats_chance_and_a_random_one_does_not() -> None:
    rng = np.random.default_rng(1)
    pool = places([(root, x) for root in range(1, 11) for x in rng.uniform(0, 20_000, 300)])
    good = places([(root, root * 1000.0 + 50) for root in range(1, 9)])
    at_100, at_200, _ = against_chance("good", good, pool, ERRORS)
    assert at_100.recall.value == 0.8
    assert at_100.precision.value == 1.0
    assert at_100.recall.low is not None
    assert at_100.recall.high is not None
    assert 0.4 < at_100.recall.low < 0.8 < at_100.recall.high <= 1.0
    assert at_100.beats_chance
    assert at_100.chance_recall.value is not None
    # Eight vertices, each within 100 nm of its segment's error with one in a hundred.
    assert at_100.chance_recall.value < 0.03
    assert at_200.chance_recall.value == pytest.approx(2 * at_100.chance_recall.value, abs=0.03)
    random = [pool[i] for i in rng.choice(len(pool), 200, replace=False)]
    assert not any(row.beats_chance for row in against_chance("random", random, pool, ERRORS))


def test_chance_is_the_same_each_time_and_nothing_is_no_share() -> None:
    pool = places([(root, 100.0 * x) for root in range(1, 11) for x in range(100)])
    some = pool[::37]
    assert against_chance("a", some, pool, ERRORS) == against_chance("a", some, pool, ERRORS)
    (row, *_) = against_chance("none", [], pool, ERRORS)
    assert (row.recall.value, row.precision.value) == (0.0, None)
    (row, *_) = against_chance("no errors", some, pool, [])
    assert row.recall.value is None
    assert not row.beats_chance


def test_merge_errors_are_segments_with_two_large_bodies() -> None:
    roots = np.zeros((20, 20, 80), np.uint64)
    roots[:, :10], roots[:, 10:] = 5, 6
    bodies = np.zeros_like(roots)
    bodies[:, :10, :40], bodies[:, :10, 42:] = 1, 2
    bodies[:, 10:] = 3
    bodies[9:11, 14:16, 40:50] = 4
    (error,) = true_merge_errors(roots, bodies, VOXEL, (100.0, 0.0, 0.0))
    assert error.root == 5
    assert error.bodies == {1, 2}
    # In the middle of the gap of two voxels between the bodies.
    assert error.contact_nm[:, 0] == pytest.approx(100 + 410, abs=15)
    assert true_merge_errors(roots, bodies, VOXEL, ignore=[2]) == []
    # Body 4 is too thin to survive erosion.
    assert true_merge_errors(roots, bodies, VOXEL, overlap_voxels=1)[0].root == 5
    with pytest.raises(VolumeError, match="differ in shape"):
        true_merge_errors(roots, bodies[1:], VOXEL)


def test_bodies_that_do_not_meet_are_linked_at_their_nearest() -> None:
    roots = np.full((20, 20, 80), 5, np.uint64)
    bodies = np.zeros_like(roots)
    bodies[..., :20], bodies[..., 30:50], bodies[..., 60:] = 1, 2, 3
    found = true_merge_errors(roots, bodies, VOXEL)
    assert [sorted(error.bodies) for error in found] == [[1, 2], [2, 3]]
    assert [error.contact_nm[0, 0] for error in found] == pytest.approx([250, 550], abs=10)


def world() -> tuple[ArrayDatastack, ArrayDatastack]:
    """Body 1 is segments 1 | 2; segment 3 holds bodies 2 and 3."""
    roots = np.zeros((20, 40, 80), np.uint64)
    roots[:, :20, :40], roots[:, :20, 40:], roots[:, 20:] = 1, 2, 3
    bodies = np.ones_like(roots)
    bodies[:, 20:, :40], bodies[:, 20:, 40:] = 2, 3
    return ArrayDatastack(None, None, roots, VOXEL), ArrayDatastack(None, None, bodies, VOXEL)


def bottleneck(root: int, x: float, y: float) -> Site:
    return Site(f"{root:016x}", SiteKind.BOTTLENECK, "t", root, root, (x, y, 100), 10, "cut/1")


def test_a_report_has_a_row_for_each_detector_and_radius() -> None:
    datastack, truth = world()
    box = datastack.segmentation.scales[0].bounds_nm
    errors = true_errors(datastack.segmentation, truth.segmentation, box)
    assert [error.pair for error in errors.splits] == [{1, 2}]
    assert [error.root for error in errors.merges] == [3]
    touching = list(contact_sites(datastack, DetectionSettings()))
    assert len(touching) == 3
    vertices = np.array([(x, 300.0, 100.0) for x in range(5, 800, 10)], np.float32)
    skeleton = Skeleton(3, vertices, np.zeros((0, 2), np.uint32), np.ones(80, np.float32))
    sites = [*touching, bottleneck(3, 400, 300)]
    rows = {
        (r.detector, r.radius_nm): r
        for r in chance_report(sites, [skeleton], errors, touching=touching)
    }
    assert len(rows) == 9
    cut = rows["bottleneck (cut/1)", 100.0]
    assert (cut.recall.value, cut.precision.value) == (1.0, 1.0)
    assert cut.chance_recall.value == pytest.approx(20 / 80, abs=0.1)
    named = rows["contact (contact/1), names the pair", 100.0]
    assert named.recall.value == 1.0
    assert named.precision.value == pytest.approx(1 / 3)
    plain = json.loads(json.dumps(cut.as_dict()))
    assert plain["beats_chance"] is cut.beats_chance
    assert plain["recall"]["value"] == 1.0
    assert len(vertex_places([skeleton])) == 80
    assert len(contact_places(sites)) == 3
    assert len(site_places(sites)) == 4


def pair_site(number: int, root: int, partner: int) -> Site:
    other = Partner(partner, partner * 10, root * 10, (0, 0, 0), (0, 0, 0), 0, 1, 0)
    return Site(
        f"{number:016x}", SiteKind.CONTACT, "t", root, root * 10, (0, 0, 0), 1, "contact/1",
        partners=(other,),
    )  # fmt: skip


def verdict(site: Site, probability: float) -> Verdict:
    made_by = Provenance("m", "w", "c", "p", "v", "CPU", 1.0)
    task, partner = Task.SPLIT_ERROR_CORRECTION, site.partners[0].supervoxel
    return Verdict(site.id, task, partner, probability, 0.0, NOW, made_by)


def decision(site: Site, answer: Answer) -> Decision:
    return Decision(
        f"d{site.id}", site.id, Task.SPLIT_ERROR_CORRECTION, answer, Decider.PERSON, "a", NOW,
        900, True, partner_supervoxel=site.partners[0].supervoxel,
    )  # fmt: skip


def edit(site: Site, state: EditState) -> EditRecord:
    a, b = GraphPoint(10, (0, 0, 0)), GraphPoint(20, (0, 0, 0))
    merge = MergeEdit(f"e{site.id}", f"d{site.id}", site.id, a, b, (1, 2))
    return EditRecord(merge, state, NOW)


def test_the_funnel_counts_what_is_left_at_every_stage() -> None:
    errors = [
        TrueSplitError(frozenset({1, 2}), 7, np.array([[9e5, 0.0, 0.0]])),
        TrueSplitError(frozenset({3, 4}), 8, np.array([[9e5, 0.0, 0.0]])),
    ]
    right, again, wrong, missed = (
        pair_site(n, *pair) for n, pair in enumerate([(1, 2), (2, 1), (1, 3), (4, 3)])
    )
    sites = [right, again, wrong, missed]
    verdicts = [verdict(s, p) for s, p in zip(sites, (0.9, 0.8, 0.7, 0.1), strict=True)]
    decisions = [
        decision(right, Answer.ACCEPT),
        decision(again, Answer.REJECT),
        decision(wrong, Answer.ACCEPT),
    ]
    edits = [edit(right, EditState.COMMITTED), edit(wrong, EditState.FAILED)]
    stages = funnel(sites, verdicts, decisions, edits, errors)
    counts = {s.stage: (s.questions, s.right, s.reachable_errors) for s in stages}
    assert counts == {
        "found": (4, 3, 2),
        "judged": (4, 3, 2),
        "probable": (3, 2, 1),
        "decided": (3, 2, 1),
        "accepted": (2, 1, 1),
        "queued": (2, 1, 1),
        "applied": (1, 1, 1),
    }
    assert stages[0].recall == 1.0
    assert stages[-1].precision == 1.0
    assert funnel([], [], [], [], [])[0].recall is None
    cuts = funnel([bottleneck(1, 1000, 150)], [], [], [], ERRORS)
    assert (cuts[0].right, cuts[0].recall) == (1, 0.1)
