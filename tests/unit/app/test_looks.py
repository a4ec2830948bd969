"""What a worker looks at first, and never twice."""

from __future__ import annotations

import queue
from types import SimpleNamespace
from typing import cast

import pytest

from app.services.worker.jobs import Shop
from app.services.worker.looks import Looks
from app.services.worker.main import Loop
from app.services.worker.messages import Command, JobFailed, Look, LookAhead, Reply, Stop
from connectome.errors import StorageError

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


@pytest.mark.parametrize("full", [False, True])
def test_pictures_come_before_the_verdicts_of_sites_that_are_not_seen_yet(full: bool) -> None:
    done, replies = list[str](), list[Reply]()
    commands: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def judge(site_id: str) -> None:
        done.append(f"judge {site_id}")
        if site_id == "c":
            commands.put(Stop())
        if full:
            raise StorageError("The disk is full.", "Make room.")

    shop = SimpleNamespace(
        look=lambda look: done.append(f"draw {look.site_id}"),
        judge=judge,
        send=replies.append,
        language=SimpleNamespace(due=False, step=lambda: None, prefer=lambda _site: None),
    )
    for command in (LookAhead((B, C)), A):
        commands.put(command)
    Loop(commands, cast(Shop, shop)).run()
    assert done == ["draw a", "judge a", "draw b", "draw c", "judge b", "judge c"]
    told = [JobFailed("verdict", "The disk is full.", "Make room.")] * 3
    assert replies == (told if full else [])
