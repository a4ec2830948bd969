from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import InputError
from connectome.graph import SplitPreview
from inference.datasets.cut_labels import CutRule, judge_cut, sides_of, truth_overlaps

RULE = CutRule(ratio=20, smallest_body=1000)


def _pure(bodies: dict[int, int], voxels: int = 600) -> dict[int, dict[int, int]]:
    """Return overlaps of supervoxels that lie in one body each."""
    return {supervoxel: {body: voxels} for supervoxel, body in bodies.items()}


def test_a_cut_between_two_bodies_is_good() -> None:
    bodies = {1: 7, 2: 7, 3: 8, 4: 8}
    label = judge_cut({1: 1, 2: 1, 3: 2, 4: 2}, _pure(bodies), RULE)
    assert label.good
    assert [(b.body, b.voxels, b.side, b.kept, b.strayed) for b in label.bodies] == [
        (7, 1200, 1, 2, 0),
        (8, 1200, 2, 2, 0),
    ]


def test_a_cut_through_one_body_is_bad() -> None:
    assert not judge_cut({1: 1, 2: 1, 3: 2}, _pure({1: 7, 2: 7, 3: 7}), RULE).good


def test_a_cut_that_parts_nothing_is_bad() -> None:
    assert not judge_cut({1: 1, 2: 1, 3: 1, 4: 1}, _pure({1: 7, 2: 7, 3: 8, 4: 8}), RULE).good


@pytest.mark.parametrize(("kept", "good"), [(20, False), (21, True)])
def test_good_supervoxels_exceed_the_ratio(kept: int, good: bool) -> None:
    bodies = dict.fromkeys(range(kept + 1), 7) | {100: 8, 101: 8}
    sides = dict.fromkeys(range(kept), 1) | {kept: 2, 100: 2, 101: 2}
    assert judge_cut(sides, _pure(bodies), RULE).good is good


def test_small_and_unknown_bodies_do_not_count() -> None:
    overlaps = _pure({1: 7, 2: 7, 3: 8, 4: 8}) | {5: {9: 500}, 6: {9: 500}, 7: {0: 9000}}
    label = judge_cut({1: 1, 2: 1, 3: 2, 4: 2, 5: 1, 6: 2, 7: 2, 8: 1}, overlaps, RULE)
    assert label.good
    assert {body.body for body in label.bodies} == {7, 8}
    overlaps[5] = {9: 501}
    assert not judge_cut({1: 1, 2: 1, 3: 2, 4: 2, 5: 1, 6: 2}, overlaps, RULE).good


def test_a_supervoxel_counts_for_the_body_it_shares_most_with() -> None:
    overlaps = {1: {7: 900, 8: 300}, 2: {7: 400, 8: 900}}
    label = judge_cut({1: 1, 2: 2}, overlaps, RULE)
    assert label.good
    assert {body.body: body.voxels for body in label.bodies} == {7: 1300, 8: 1200}


def test_impossible_rules_and_sides_are_refused() -> None:
    with pytest.raises(InputError, match="impossible"):
        CutRule(ratio=0.5)
    with pytest.raises(InputError, match="1 and 2"):
        judge_cut({1: 3}, {}, RULE)


_NAMES = st.integers(1, 12)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(_NAMES, st.sampled_from([1, 2]), min_size=1),
    st.dictionaries(_NAMES, st.dictionaries(st.integers(0, 3), st.integers(0, 3000))),
    st.floats(1, 50),
)
def test_judging_is_symmetric_and_monotonic(
    sides: dict[int, int], overlaps: dict[int, dict[int, int]], ratio: float
) -> None:
    label = judge_cut(sides, overlaps, CutRule(ratio, 1000))
    swapped = {name: 3 - side for name, side in sides.items()}
    assert judge_cut(swapped, overlaps, CutRule(ratio, 1000)).good == label.good
    if label.good:
        assert judge_cut(sides, overlaps, CutRule(1, 1000)).good
        assert {1, 2} <= {body.side for body in label.bodies}
    assert all(body.kept >= body.strayed and body.voxels > 1000 for body in label.bodies)
    merged = {name: sum(shared.values()) for name, shared in overlaps.items()}
    one_body = {name: {7: total} for name, total in merged.items()}
    assert not judge_cut(sides, one_body, CutRule(ratio, 1000)).good


def test_a_preview_becomes_sides_and_arrays_become_overlaps() -> None:
    big = 2**60 + 1
    parts = (np.array([big, 2], np.uint64), np.array([3], np.uint64), np.array([9], np.uint64))
    assert sides_of(SplitPreview(parts, illegal=False)) == {big: 1, 2: 1, 3: 2}
    supervoxels = np.array([[big, big, 2], [3, 3, 0]], np.uint64)
    truth = np.array([[7, 8, 7], [8, 0, 8]], np.uint32)
    found = truth_overlaps(supervoxels, truth, [big, 3])
    assert found == {big: {7: 1, 8: 1}, 3: {8: 1}}
    assert truth_overlaps(supervoxels, truth, []) == {}
