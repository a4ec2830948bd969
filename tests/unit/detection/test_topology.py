"""Tips and branch points of skeletons of every shape."""

from __future__ import annotations

import numpy as np
import pytest

from connectome.datastack import Skeleton
from proofreading.detection.topology import branch_points, tips

Point = tuple[float, float, float]


def skeleton(points: list[Point], edges: list[tuple[int, int]]) -> Skeleton:
    return Skeleton(
        1,
        np.asarray(points, np.float32).reshape(-1, 3),
        np.asarray(edges, np.uint32).reshape(-1, 2),
        np.linspace(50, 60, len(points)).astype(np.float32),
    )


def line(count: int, step: float = 100.0) -> Skeleton:
    points = [(i * step, 0.0, 0.0) for i in range(count)]
    return skeleton(points, [(i, i + 1) for i in range(count - 1)])


def test_a_line_has_two_tips_that_point_outwards() -> None:
    found = {tip.point_nm[0]: tip for tip in tips(line(11), 300, 200)}
    assert set(found) == {0.0, 1000.0}
    assert found[0.0].direction == pytest.approx((-1, 0, 0))
    assert found[1000.0].direction == pytest.approx((1, 0, 0))
    assert found[1000.0].radius_nm == pytest.approx(60)
    assert branch_points(line(11), 200) == []


def test_an_edge_longer_than_the_tangent_still_gives_a_direction() -> None:
    found = tips(line(2, step=5000.0), 300, 200)
    assert sorted(tip.direction or (0, 0, 0) for tip in found) == [(-1, 0, 0), (1, 0, 0)]


def test_a_fork_has_three_tips_and_one_branch_point() -> None:
    arms: list[Point] = [(0, 0, 0), (1000, 0, 0), (-1000, 500, 0), (-1000, -500, 0)]
    fork = skeleton(arms, [(0, 1), (0, 2), (0, 3)])
    assert len(tips(fork, 300, 200)) == 3
    assert [place.point_nm for place in branch_points(fork, 200)] == [(0.0, 0.0, 0.0)]


def test_a_cycle_has_none() -> None:
    ring = skeleton([(0, 0, 0), (500, 0, 0), (500, 500, 0)], [(0, 1), (1, 2), (2, 0)])
    assert tips(ring, 300, 200) == []


def test_a_single_vertex_is_a_tip_without_direction() -> None:
    (tip,) = tips(skeleton([(5, 6, 7)], []), 300, 200)
    assert tip.point_nm == (5.0, 6.0, 7.0)
    assert tip.direction is None


def test_disconnected_pieces_each_have_their_tips() -> None:
    points: list[Point] = [(0, 0, 0), (400, 0, 0), (9000, 0, 0), (9400, 0, 0)]
    assert len(tips(skeleton(points, [(0, 1), (2, 3)]), 300, 200)) == 4


def test_an_empty_skeleton_has_none() -> None:
    assert tips(skeleton([], []), 300, 200) == []
    assert branch_points(skeleton([], []), 200) == []


def test_repeated_edges_and_self_loops_do_not_hide_a_tip() -> None:
    odd = skeleton([(0, 0, 0), (1000, 0, 0)], [(0, 1), (1, 0), (1, 1)])
    assert len(tips(odd, 300, 200)) == 2


def test_of_tips_close_together_the_thickest_stays() -> None:
    points: list[Point] = [(1000, 0, 0), (0, 0, 0), (50, 60, 0)]
    found = tips(skeleton(points, [(0, 1), (0, 2)]), 300, 200)
    assert [tip.point_nm for tip in found] == [(50.0, 60.0, 0.0)]
