"""A number key asks about another partner, and the answer is about that one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from app.services.answers import Answers
from app.services.place import Place
from app.services.queue import Queue, row_of
from app.services.site_pairs import SitePairs
from app.services.worker.messages import Look, LookAhead, Looked
from proofreading.decisions import Answer
from proofreading.edits import MergeEdit
from proofreading.session import Session
from proofreading.site_columns import SiteColumns
from tests.unit.app.test_same_question import View
from tests.unit.ledger.build import a_site


@pytest.mark.parametrize("key", [0, 1, 2])
def test_the_answer_and_its_edit_are_about_the_chosen_partner(tmp_path: Path, key: int) -> None:
    site, asked = a_site(1, partners=3), list[Look | LookAhead]()
    with Session.open(
        tmp_path / "s.proofdesk", datastack_name="offline_test", datastack_address="nowhere"
    ) as session:
        session.catalogue.add_sites([site])
        queue, pairs, viewer = Queue(), SitePairs(), cast(Any, View())
        queue.add([row_of(site)])
        pairs.add_columns(SiteColumns.of([site]))
        place = Place(session, queue, viewer, asked.append, lambda: 0.0)
        place.go(site.id)
        place.show(site, key)
        (look,) = [each for each in asked if isinstance(each, Look)][-1:]
        assert look.partner_index == key
        now = (9001, 9002 + key)
        place.looked(Looked(site.id, key, look.generation, None, now))
        made = Answers(session, queue, viewer, pairs).give(place, Answer.ACCEPT, "")
        assert made is not None
        assert made.partner_supervoxel == site.partners[key].supervoxel
        (record,) = session.ledger.state.edits()
        assert isinstance(record.edit, MergeEdit)
        assert record.edit.b.supervoxel == site.partners[key].supervoxel
        assert record.edit.expected_roots == now
        assert place.proposed(site) == key  # and it is the one shown when coming back
