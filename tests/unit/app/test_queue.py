"""The order of work, filters, and never wrapping silently."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.services.model import QueueRow
from app.services.queue import Queue, Sight
from proofreading.decisions import Answer
from proofreading.sites import SiteKind


def _drained(queue: Queue) -> dict[str, bool]:
    numbers, aside = queue.drain_aside()
    return {f"{n:x}": a for n, a in zip(numbers.tolist(), aside.tolist(), strict=True)}


def _row(
    site_id: str,
    probability: float | None = None,
    *,
    partner: int | None = 0,
    answer: Answer | None = None,
    at_face: bool = False,
) -> QueueRow:
    return QueueRow(
        site_id=site_id,
        kind=SiteKind.ENDPOINT,
        root=2**60 + 1,
        partner_root=ord(site_id[0]) if partner == 0 else partner,
        probability=probability,
        answer=answer,
        failed=False,
        at_volume_face=at_face,
    )


def _order(queue: Queue) -> list[str]:
    return [_letter(queue.row(i).site_id) for i in range(len(queue))]


def _letter(site_id: str | None) -> str:
    assert site_id is not None
    return f"{int(site_id, 16):x}"


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
    assert [_letter(each) for each in queue.next_open(None)] == ["a"]
    queue.set_answer("b", None)
    assert _order(queue) == ["b", "a"]


def test_next_open_does_not_wrap() -> None:
    queue = Queue()
    queue.add([_row("a", 0.9), _row("b", 0.8), _row("c", 0.7)])
    assert [_letter(each) for each in queue.next_open("a", 5)] == ["b", "c"]
    assert queue.next_open("c") == []
    assert queue.neighbour("c", +1) is None
    assert queue.neighbour("a", -1) is None
    assert _letter(queue.neighbour("b", -1)) == "a"


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


def _queue(*rows: QueueRow) -> Queue:
    queue = Queue()
    queue.add(rows)
    return queue


def _pair(site_id: str, a: int, b: int | None, probability: float | None = None) -> QueueRow:
    return replace(_row(site_id, probability, partner=b), root=a)


def test_improbable_open_sites_are_hidden_and_counted() -> None:
    queue = _queue(
        _pair("a", 1, 2, 0.9),
        _pair("b", 1, 3, 0.01),
        _pair("c", 1, 4),
        replace(_pair("d", 1, 5, 0.001), answer=Answer.REJECT),
        replace(_pair("e", 1, 6, 0.001), failed=True),
    )
    queue.hide_below(0.02)
    assert _order(queue) == ["a", "e", "c", "d"]
    assert (queue.count(Sight.LOW), queue.questions, queue.answered, queue.total) == (1, 4, 1, 5)
    queue.set_focus("b")
    assert _order(queue) == ["a", "b", "e", "c", "d"]
    assert _letter(queue.neighbour("b", -1)) == "a"
    queue.set_focus("a")
    queue.set_answer("b", Answer.ACCEPT)
    assert "b" in _order(queue)
    queue.set_answer("b", None)
    assert "b" not in _order(queue)
    queue.set_score("b", 0.5, failed=False)
    assert "b" in _order(queue)
    queue.hide_below(0.0)
    assert queue.count(Sight.LOW) == 0


def test_a_filter_for_low_ones_looks_through_the_hidden() -> None:
    queue = _queue(_pair("a", 1, 2, 0.9), _pair("b", 1, 3, 0.01))
    queue.hide_below(0.02)
    queue.set_filter("<0.05")
    assert _order(queue) == ["b"]
    queue.set_filter("")
    assert _order(queue) == ["a"]


def test_sites_of_one_pair_are_one_question_shown_at_the_best_one() -> None:
    queue = _queue(_pair("a", 1, 2, 0.3), _pair("b", 2, 1, 0.8), _pair("c", 1, 3, 0.5))
    assert _order(queue) == ["b", "c"]
    assert sorted(map(_letter, queue.sites_of((2, 1)))) == ["a", "b"]
    assert queue.count(Sight.SAME) == 1
    queue.set_score("a", 0.95, failed=False)
    assert _order(queue) == ["a", "c"]
    queue.set_answer("b", Answer.REJECT)
    queue.set_answer("a", Answer.REJECT, follows=True)
    assert _order(queue) == ["c", "b"]
    assert queue.answered == 1


def test_pairs_follow_edits_and_their_undo() -> None:
    queue = _queue(_pair("a", 1, 2, 0.9), _pair("b", 2, 3, 0.5), _pair("c", 1, 3, 0.4))
    assert len(queue) == 3
    assert sorted(map(_letter, queue.naming({2}))) == ["a", "b"]
    queue.set_pair("a", 10, 10)
    queue.set_pair("b", 10, 3)
    queue.set_pair("c", 10, 3)
    assert _order(queue) == ["b"]
    assert queue.count(Sight.JOINED) == 1
    assert _drained(queue) == {"a": True, "c": True}
    queue.set_pair("a", 1, 2)
    queue.set_pair("b", 2, 3)
    queue.set_pair("c", 1, 3)
    assert _order(queue) == ["a", "b", "c"]
    assert _drained(queue) == {"a": False, "c": False}
    assert _drained(queue) == {}


def test_a_person_s_own_answers_stay_even_where_edits_made_them_one_question() -> None:
    queue = _queue(
        replace(_pair("a", 1, 2, 0.9), answer=Answer.REJECT),
        replace(_pair("b", 1, 2, 0.5), answer=Answer.UNSURE),
    )
    assert _order(queue) == ["a", "b"]


rows = st.builds(
    _pair,
    st.sampled_from("89abcdef"),
    st.integers(1, 3),
    st.none() | st.integers(1, 3),
    st.none() | st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)


@given(st.lists(st.tuples(rows, st.sampled_from([None, *Answer])), max_size=30))
def test_changing_rows_one_by_one_gives_what_adding_them_at_once_gives(
    changes: list[tuple[QueueRow, Answer | None]],
) -> None:
    step = Queue()
    step.hide_below(0.02)
    latest: dict[str, QueueRow] = {}
    for row, answer in changes:
        step.add([row])
        step.set_answer(row.site_id, answer)
        latest[row.site_id] = replace(row, answer=answer)
        step.index_of(row.site_id)
    once = _queue(*latest.values())
    once.hide_below(0.02)
    assert _order(step) == _order(once)
    for sight in Sight:
        assert step.count(sight) == once.count(sight)
    assert step.answered == once.answered


def test_a_veiled_site_keeps_its_place_and_not_its_number() -> None:
    queue = _queue(_pair("a", 1, 2, 0.9), _pair("b", 3, 4, 0.8), _pair("c", 5, 6, 0.7))
    queue.veils = lambda site_id: _letter(site_id) == "b"
    assert _order(queue) == ["a", "b", "c"]
    assert [queue.row(i).probability for i in range(3)] == [0.9, None, 0.7]
