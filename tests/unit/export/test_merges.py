"""From decisions to edits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from connectome.errors import InputError
from connectome.graph import GraphPoint
from proofreading.decisions import Answer
from proofreading.export.merges import merge_edit, queue_merges
from proofreading.ledger.events import DecisionMade
from proofreading.ledger.store import Ledger
from proofreading.sites import Site
from tests.unit.ledger.build import BIG, a_decision, a_site

SITES = {a_site(i).id: a_site(i) for i in range(5)}


def site_of(site_id: str) -> Site | None:
    return SITES.get(site_id)


def test_the_edit_joins_the_chosen_pair_at_points_inside_both() -> None:
    edit = merge_edit(a_decision(1, site=1, partner=BIG + 101), a_site(1))
    chosen = a_site(1).partners[1]
    assert edit.a == GraphPoint(chosen.own_supervoxel, chosen.own_point_nm)
    assert edit.b == GraphPoint(chosen.supervoxel, chosen.point_nm)
    assert edit.expected_roots == (a_site(1).root, chosen.root)
    assert merge_edit(a_decision(1, site=1, partner=BIG + 101), a_site(1)) == edit
    seen = merge_edit(a_decision(2, site=1), a_site(1), seen_roots=(8, 9))
    assert seen.expected_roots == (8, 9)
    assert seen.id != edit.id


def test_only_acceptances_of_a_known_pair_become_merges() -> None:
    with pytest.raises(InputError, match="accepts no merge"):
        merge_edit(a_decision(1, answer=Answer.REJECT), a_site(1))
    with pytest.raises(InputError, match="accepts no merge"):
        merge_edit(a_decision(1, partner=None), a_site(1))
    with pytest.raises(InputError, match="accepts no merge"):
        merge_edit(a_decision(1, site=2), a_site(1))
    with pytest.raises(InputError, match="no partner with supervoxel 77"):
        merge_edit(a_decision(1, partner=77), a_site(1))


def test_each_standing_acceptance_is_queued_once(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.append(DecisionMade(a_decision(1, site=1)))
        ledger.append(DecisionMade(a_decision(2, site=2, answer=Answer.REJECT)))
        ledger.append(DecisionMade(a_decision(3, site=3)))
        ledger.append(DecisionMade(a_decision(4, site=3, answer=Answer.UNSURE)))
        assert [edit.decision_id for edit in queue_merges(ledger, site_of)] == ["decision-1"]
        assert queue_merges(ledger, site_of) == []
        assert ledger.undo() is not None
        assert [edit.decision_id for edit in queue_merges(ledger, site_of)] == ["decision-3"]
        assert len(ledger.state.pending_edits()) == 2


def test_an_unknown_site_is_named(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.sqlite") as ledger:
        ledger.append(DecisionMade(replace(a_decision(1), site_id="gone")))
        with pytest.raises(InputError, match="site gone"):
            queue_merges(ledger, site_of)
