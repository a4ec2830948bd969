"""Scripts of one turn reach the page as one, in order."""

from __future__ import annotations

from collections.abc import Callable

from app.ui.dispatch import ScriptBatch


def test_scripts_of_one_turn_are_one_script_in_order() -> None:
    posted: list[Callable[[], None]] = []
    ran: list[str] = []
    batch = ScriptBatch(posted.append, ran.append)
    batch.add("a()")
    batch.add("b()")
    for action in posted:
        action()
    assert ran == ["a()\n;b()"]
    posted.clear()
    batch.add("c()")
    posted[0]()
    assert ran[1:] == ["c()"]
