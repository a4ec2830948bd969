"""Lanes, orders and filters of the queue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.model import QueueRow
from app.services.queue import Queue
from app.services.queue_columns import new_table, values_of
from app.services.queue_filter import box_word
from app.services.queue_view import LANES, QueueOrder, QueueView, lanes_of
from proofreading.decisions import Answer
from proofreading.sites import SiteKind
from proofreading.triage import STEPS, Lane, Standing, lane_of

UNKNOWN = float("nan")


def _row(number: int, probability: float | None, **values: object) -> QueueRow:
    row = QueueRow(
        site_id=f"{number:016x}",
        kind=SiteKind.CONTACT,
        root=10_000 + number,
        partner_root=20_000 + number,
        probability=probability,
        answer=None,
        failed=False,
        at_volume_face=False,
    )
    return replace(row, **values)  # type: ignore[arg-type]


def _queue(*rows: QueueRow) -> Queue:
    queue = Queue()
    queue.add(rows)
    return queue


def _order(queue: Queue) -> list[int]:
    return [int(queue.row(index).site_id, 16) for index in range(len(queue))]


def _judged(
    queue: Queue,
    number: int,
    *,
    unusual: bool = False,
    spread: float = UNKNOWN,
    veiled: bool = False,
    first: bool = False,
) -> None:
    queue.set_judged(
        np.array([number], np.uint64),
        np.array([unusual]),
        np.array([spread], np.float32),
        np.array([veiled]),
        np.array([first]),
    )


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.01, 0.99, 0.25, 0.75])),
            st.sampled_from([SiteKind.CONTACT, SiteKind.BOTTLENECK]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(STEPS),
)
def test_lanes_of_rows_are_those_of_triage(
    sites: list[tuple[float | None, SiteKind, bool]], rate: float
) -> None:
    table = new_table()
    made = [_row(n, chance, kind=kind) for n, (chance, kind, _) in enumerate(sites, 1)]
    table.extend(len(made), values_of(made) | {"unusual": np.array([u for *_, u in sites])})
    found = lanes_of(table, np.arange(len(made), dtype=np.int32), rate)
    for lane, (chance, kind, unusual) in zip(found.tolist(), sites, strict=True):
        standing = Standing(chance, unusual, decidable=kind is SiteKind.CONTACT)
        assert LANES[lane] is lane_of(standing, rate)


def test_a_lane_shows_its_open_sites_alone_and_counts_follow_every_change() -> None:
    queue = _queue(_row(1, 0.999), _row(2, 0.9), _row(3, 0.5), _row(4, 0.001), _row(5, None))
    queue.hide_below(0.02)
    assert [queue.in_lane(lane) for lane in LANES] == [2, 1, 2]
    assert _order(queue) == [1, 2, 3, 5]
    queue.show_view(QueueView(Lane.AUTOMATIC))
    assert _order(queue) == [1, 4], "what is decided automatically is improbable for the most part"
    queue.show_view(QueueView(Lane.QUICK))
    assert _order(queue) == [2]
    queue.set_answer(f"{2:016x}", Answer.ACCEPT)
    assert (_order(queue), queue.in_lane(Lane.QUICK)) == ([], 0)
    queue.show_view(QueueView(Lane.FULL, error_rate=0.2))
    _judged(queue, 1, unusual=True)
    assert (_order(queue), queue.in_lane(Lane.AUTOMATIC)) == ([1, 3, 5], 1)


def test_a_hidden_verdict_is_a_full_review() -> None:
    queue = _queue(_row(1, 0.999))
    _judged(queue, 1, veiled=True)
    assert [queue.in_lane(lane) for lane in LANES] == [0, 0, 1]


def test_the_audit_comes_first_however_improbable() -> None:
    queue = _queue(_row(1, 0.9), _row(2, 0.001), _row(3, 0.001))
    queue.hide_below(0.02)
    _judged(queue, 2, first=True)
    assert _order(queue) == [2, 1]
    queue.set_answer(f"{2:016x}", Answer.REJECT)
    assert _order(queue) == [1, 2]


def test_orders() -> None:
    queue = _queue(
        _row(1, 0.9, value=100.0, point_nm=(5000.0, 0.0, 0.0)),
        _row(2, 0.5, value=900.0, point_nm=(100.0, 0.0, 0.0)),
        _row(3, None, value=9000.0, point_nm=(2000.0, 0.0, 0.0)),
    )
    _judged(queue, 1, spread=0.1)
    _judged(queue, 2, spread=0.4)
    assert _order(queue) == [1, 2, 3]
    queue.show_view(QueueView(order=QueueOrder.VALUE))
    assert _order(queue) == [2, 1, 3]
    queue.show_view(QueueView(order=QueueOrder.DISAGREEMENT))
    assert _order(queue) == [2, 1, 3]
    queue.show_view(QueueView(order=QueueOrder.NEAR, near_nm=(4000.0, 0.0, 0.0)))
    assert _order(queue) == [1, 3, 2]


def test_along_a_neuron_each_is_near_the_one_before_and_then_come_the_others() -> None:
    places = {1: 0.0, 2: 3000.0, 3: 1000.0, 4: 2000.0}
    rows = [_row(n, 0.1 * n, root=7, point_nm=(x, 0.0, 0.0)) for n, x in places.items()]
    queue = _queue(*rows, _row(8, 0.99), _row(9, 0.98))
    queue.show_view(QueueView(order=QueueOrder.NEURON, along=7, near_nm=(100.0, 0.0, 0.0)))
    assert _order(queue) == [1, 3, 4, 2, 8, 9]


def test_a_random_order_is_the_same_for_the_same_seed_and_blind_to_the_judge() -> None:
    rows = [_row(n, n / 100) for n in range(1, 41)]
    queue, other = _queue(*rows), _queue(*reversed(rows))
    for each in (queue, other):
        each.show_view(QueueView(order=QueueOrder.RANDOM, seed=5))
    first = _order(queue)
    assert first == _order(other) != sorted(first)
    queue.set_score(f"{first[-1]:016x}", 0.999, failed=False)
    assert _order(queue) == first
    queue.show_view(QueueView(order=QueueOrder.RANDOM, seed=6))
    assert _order(queue) != first


def test_sites_with_known_answers_are_spread_among_the_others() -> None:
    queue = _queue(*(_row(n, 1 - n / 1000) for n in range(1, 101)))
    gold = [f"{n:016x}" for n in (97, 98, 99, 100)]
    queue.mix_in(gold)
    places = sorted(_order(queue).index(int(site, 16)) for site in gold)
    assert all(10 * i <= place < 10 * (i + 1) + 5 for i, place in enumerate(places))
    before = _order(queue)
    queue.mix_in(gold)
    assert _order(queue) == before, "they keep their places"
    queue.set_answer(gold[0], Answer.REJECT)
    assert _order(queue)[-1] == 97


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kind:contact", [1, 3]),
        ("kind:bottle", [2]),
        ("task:merge", [2]),
        ("task:split_error", [1, 3]),
        ("seg:10003", [3]),
        ("is:open", [2, 3]),
        ("is:accept", [1]),
        ("is:failed", [3]),
        ("kind:", [2, 3, 1]),
        ("kind:contact is:open", [3]),
        (box_word((900.0, 0.0, 0.0), (2500.0, 10.0, 10.0)), [2]),
        ("box:1.5..", [2, 3, 1]),
        ("box:0..0.5,..", [1]),
    ],
)
def test_filters_about_one_thing(text: str, found: list[int]) -> None:
    queue = _queue(
        _row(1, 0.9, answer=Answer.ACCEPT),
        _row(2, 0.8, kind=SiteKind.BOTTLENECK, point_nm=(1000.0, 5.0, 5.0)),
        _row(3, 0.7, failed=True, point_nm=(3000.0, 5.0, 5.0)),
    )
    queue.set_filter(text)
    assert sorted(_order(queue)) == sorted(found)
