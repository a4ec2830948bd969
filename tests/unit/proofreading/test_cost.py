"""What edits cost, against the published figures."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from connectome.errors import InputError
from proofreading.cost.edits import CostModel, EditCounts, edits_of_objects, sample_sizes
from tests.data import shared_data


@dataclass(frozen=True)
class Edit:
    is_merge: bool
    before_roots: tuple[int, ...]
    after_roots: tuple[int, ...]


@pytest.mark.parametrize(
    ("edits", "merge_share", "hours", "money"),
    [(30_835_500, 0.463, 16_814, 33_628), (2_455_600, 0.740, 1_528, 3_056)],
    ids=["75,000 mouse neurons", "140,000 fly neurons"],
)
def test_the_published_costs_come_out(
    edits: int, merge_share: float, hours: float, money: float
) -> None:
    model = CostModel(merge_seconds=2.5, split_seconds=1.5, hourly_rate=2.0)
    merges, splits = edits * merge_share, edits * (1 - merge_share)
    assert float(model.hours(merges, splits)) == pytest.approx(hours, abs=0.6)
    assert float(model.money(merges, splits)) == pytest.approx(money, abs=1.2)


def test_the_tail_lies_beyond_the_95th_percentile() -> None:
    edits = np.array([1] * 95 + [2, 50, 60, 70, 80])
    tail = EditCounts(edits, np.zeros_like(edits)).tail
    assert tail.objects == 5
    assert 1 <= tail.threshold < 2
    assert tail.share == pytest.approx(262 / (95 + 262))


def test_an_interval_holds_the_value_and_narrows_with_more_objects() -> None:
    rng = np.random.default_rng(4)
    widths = []
    for objects in (50, 5000):
        counts = EditCounts(rng.negative_binomial(1, 0.05, objects), rng.poisson(3, objects))
        found = counts.interval(lambda merges, splits: merges + splits)
        assert found.low < found.value < found.high
        assert found.value == pytest.approx(counts.edits.mean())
        widths.append((found.high - found.low) / found.value)
    assert widths[1] < widths[0] / 5


def test_a_heavy_tail_needs_a_larger_sample() -> None:
    even = EditCounts(np.full(400, 10), np.zeros(400, np.int64))
    assert all(size.enough and size.off == 0 for size in sample_sizes(even))
    wild = np.ones(400, np.int64)
    wild[:4] = 5000
    sizes = sample_sizes(EditCounts(wild, np.zeros(400, np.int64)))
    assert [size.objects for size in sizes] == [40, 80, 200, 400]
    assert not any(size.enough for size in sizes)
    assert sizes[0].off > sizes[-1].off


def test_an_object_counts_all_edits_of_its_past() -> None:
    history = [
        Edit(True, (1, 2), (10,)),
        Edit(False, (10,), (11, 12)),
        Edit(True, (11, 3), (13,)),
        Edit(True, (4, 5), (14,)),
    ]
    counts = edits_of_objects(history)  # the objects 12, 13 and 14
    assert counts.merges.tolist() == [1, 2, 1]
    assert counts.splits.tolist() == [1, 1, 0]
    assert counts.merge_share == pytest.approx(4 / 6)


def test_real_split_operations_of_microns() -> None:
    rows = json.loads(shared_data("microns_split_operations.json").read_text())
    operations = [
        Edit(
            row["is_merge"],
            tuple(map(int, row["before_root_ids"])),
            tuple(map(int, row["after_root_ids"])),
        )
        for row in rows
    ]
    counts = edits_of_objects(operations)
    assert len(rows) == 158
    assert counts.merges.sum() == 0
    assert counts.splits.min() == 1
    assert len(counts.splits) >= 158


def test_no_history_is_no_ground_for_a_plan() -> None:
    with pytest.raises(InputError, match="no edits"):
        edits_of_objects([])
