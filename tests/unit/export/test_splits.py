"""From an accepted cut to the edit that carries it out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectome.errors import InputError
from proofreading.decisions import Answer
from proofreading.export.splits import asks_for_split, split_edit
from proofreading.verdicts import Task
from tests.unit.export.scene import point
from tests.unit.ledger.build import a_decision

ACCEPTED = replace(a_decision(1), task=Task.MERGE_ERROR_IDENTIFICATION)


def test_the_same_decision_gives_the_same_edit() -> None:
    edit = split_edit(ACCEPTED, [point(1)], [point(2), point(3)], seen_root=2**63 + 1)
    assert edit == split_edit(ACCEPTED, [point(1)], [point(2), point(3)], seen_root=2**63 + 1)
    assert (edit.decision_id, edit.site_id) == (ACCEPTED.id, ACCEPTED.site_id)
    assert (edit.sides, edit.seen_roots) == (
        ((point(1),), (point(2), point(3))),
        (2**63 + 1,),
    )
    other = replace(ACCEPTED, id="another")
    assert split_edit(other, [point(1)], [point(2)], seen_root=1).id != edit.id


@pytest.mark.parametrize(
    "decision", [replace(ACCEPTED, answer=Answer.REJECT), a_decision(1)], ids=["no", "merge"]
)
def test_other_decisions_ask_for_no_cut(decision: object) -> None:
    assert isinstance(decision, type(ACCEPTED))
    assert not asks_for_split(decision)
    with pytest.raises(InputError, match="accepts no cut"):
        split_edit(decision, [point(1)], [point(2)], seen_root=1)


def test_points_that_make_no_cut_are_refused() -> None:
    with pytest.raises(InputError, match="both sides"):
        split_edit(ACCEPTED, [point(1)], [], seen_root=1)
    with pytest.raises(InputError, match="both sides"):
        split_edit(ACCEPTED, [point(1), point(2)], [point(2)], seen_root=1)
