"""What a worker looks at first, and never twice."""

from __future__ import annotations

from app.services.worker.looks import Looks
from app.services.worker.messages import Look, LookAhead

A, B, C, D = (Look(name, 0, number) for number, name in enumerate("abcd"))


def test_the_screen_comes_first_then_the_newest_wish_in_its_order() -> None:
    looks = Looks()
    looks.come(LookAhead((A, B)))
    looks.come(LookAhead((C, D)))
    looks.show(B)
    assert looks.urgent
    assert [looks.pop() for _ in range(3)] == [B, C, D]
    assert not looks


def test_a_site_that_left_the_screen_is_not_drawn() -> None:
    looks = Looks()
    looks.show(A)
    looks.show(B)
    assert looks.pop() == B
    assert not looks


def test_one_request_is_answered_once() -> None:
    looks = Looks()
    looks.come(LookAhead((A, B)))
    assert looks.pop() == A
    # The person has come to it while it was drawn; the window has not heard of it yet.
    looks.show(A)
    looks.come(LookAhead((A, B)))
    assert not looks.urgent
    assert looks.pop() == B
    looks.show(Look("a", 0, 9))
    assert looks.pop().generation == 9
