"""The order of work, filters, and never wrapping silently."""

from __future__ import annotations

from collections.abc import Callable

from app.services.model import QueueRow
from app.services.queue import Queue
from proofreading.decisions import Answer
from proofreading.sites import SiteKind


def _row(
    site_id: str,
    probability: float | None = None,
    *,
    partner: int | None = 2,
    answer: Answer | None = None,
    at_face: bool = False,
) -> QueueRow:
    return QueueRow(
        site_id=site_id,
        kind=SiteKind.ENDPOINT,
        root=2**60 + 1,
        partner_root=partner,
        probability=probability,
        answer=answer,
        failed=False,
        at_volume_face=at_face,
    )


def _order(queue: Queue) -> list[str]:
    return [queue.row(i).site_id for i in range(len(queue))]


def test_probable_open_sites_first_answered_last() -> None:
    queue = Queue()
    queue.add(
        [
            _row("a", 0.2),
            _row("b", 0.9),
            _row("c"),
            _row("d", 0.99, answer=Answer.ACCEPT),
            _row("e", 0.95, at_face=True),
            _row("f", None, partner=None),
        ]
    )
    assert _order(queue) == ["b", "a", "c", "e", "f", "d"]


def test_scores_and_answers_move_rows() -> None:
    queue = Queue()
    queue.add([_row("a"), _row("b")])
    queue.set_score("b", 0.7, failed=False)
    assert _order(queue) == ["b", "a"]
    queue.set_answer("b", Answer.REJECT)
    assert _order(queue) == ["a", "b"]
    assert queue.next_open(None) == ["a"]
    queue.set_answer("b", None)
    assert _order(queue) == ["b", "a"]


def test_next_open_does_not_wrap() -> None:
    queue = Queue()
    queue.add([_row("a", 0.9), _row("b", 0.8), _row("c", 0.7)])
    assert queue.next_open("a", 5) == ["b", "c"]
    assert queue.next_open("c") == []
    assert queue.neighbour("c", +1) is None
    assert queue.neighbour("a", -1) is None
    assert queue.neighbour("b", -1) == "a"


def test_filter_by_number_word_and_half_typed_number() -> None:
    queue = Queue()
    queue.add([_row("a", 0.9), _row("b", 0.1), _row("c")])
    queue.set_filter(">0.5")
    assert _order(queue) == ["a"]
    queue.set_filter("<0.5 endpoint")
    assert _order(queue) == ["b"]
    queue.set_filter(">")
    assert len(queue) == 3
    queue.set_filter(str(2**60 + 1))
    assert len(queue) == 3
    queue.set_filter("junction")
    assert len(queue) == 0
    assert queue.total == 3


def test_generation_grows_with_every_change() -> None:
    queue = Queue()
    seen = [queue.generation]
    changes: list[Callable[[], None]] = [
        lambda: queue.add([_row("a")]),
        lambda: queue.set_score("a", 0.5, failed=False),
        lambda: queue.set_answer("a", Answer.SKIP),
        lambda: queue.set_filter("x"),
    ]
    for change in changes:
        change()
        seen.append(queue.generation)
    assert seen == sorted(set(seen))
