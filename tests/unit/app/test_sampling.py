"""Setting the shares, and adding known answers from a file or from the truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.services.sampling import add_gold, add_gold_from_truth, choose_sampling
from connectome.errors import InputError
from connectome.offline.layout import DatastackFolder
from proofreading.decisions import Answer
from proofreading.ledger.events import DecisionMade
from proofreading.sampling import Purpose, are_drawn, is_drawn
from proofreading.session import Session
from tests.unit.ledger.build import a_decision, a_partner, a_site
from tests.unit.offline.volumes import make_datastack, read_supervoxels, slabs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a.proofdesk"
    with Session.open(
        folder, datastack_name="offline_test", datastack_address=str(tmp_path)
    ) as session:
        session.catalogue.add_sites([a_site(number) for number in range(1, 9)])
    return folder


def test_shares_are_kept_and_only_what_is_given_changes(folder: Path) -> None:
    assert choose_sampling(folder).blind == 0.1
    choose_sampling(folder, blind=0.3, seed=4)
    chosen = choose_sampling(folder, audit=0.2)
    assert (chosen.blind, chosen.audit, chosen.seed) == (0.3, 0.2, 4)
    with pytest.raises(InputError, match="no share"):
        choose_sampling(folder, gold=1.5)


def test_known_answers_come_from_a_file_once(folder: Path, tmp_path: Path) -> None:
    partner = a_partner(100).supervoxel
    file = tmp_path / "gold.csv"
    file.write_text(
        f"site,answer,partner_supervoxel\n{a_site(1).id},accept,{partner}\n{a_site(2).id},reject,\n"
    )
    assert (add_gold(folder, file).yes, add_gold(folder, file).known_before) == (1, 2)
    with Session.open(folder, create=False, read_only=True) as session:
        known = session.ledger.state.gold()
    assert known[a_site(1).id].partner_supervoxel == partner
    assert known[a_site(2).id].answer is Answer.REJECT


@pytest.mark.parametrize(
    "line", [f"{9:016x},accept,", f"{1:016x},perhaps,", f"{1:016x},accept,5", ",,"]
)
def test_a_line_that_is_no_known_answer_is_refused(folder: Path, tmp_path: Path, line: str) -> None:
    file = tmp_path / "gold.csv"
    file.write_text(f"site,answer,partner_supervoxel\n{a_site(3).id},reject,\n{line}\n")
    with pytest.raises(InputError, match="Line 3"):
        add_gold(folder, file)
    with Session.open(folder, create=False, read_only=True) as session:
        assert session.ledger.state.gold() == {}


@pytest.fixture(scope="module")
def with_truth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three slabs, the first two of them one body."""
    out = tmp_path_factory.mktemp("truth") / "slabs"
    pieces, segments = slabs()
    truth = segments.copy()
    truth[truth == 6] = 5
    make_datastack(out, pieces, segments, truth=truth)
    return out


def test_known_answers_come_from_the_truth(with_truth: Path, tmp_path: Path) -> None:
    labels = read_supervoxels(DatastackFolder.open(with_truth))
    first, second, third = (int(labels[10, 10, x]) for x in (10, 40, 60))
    folder = tmp_path / "a.proofdesk"
    pairs = {1: (first, second), 2: (second, third), 3: (second, first)}
    with Session.open(
        folder, datastack_name="offline_test", datastack_address=str(with_truth)
    ) as session:
        for number, (own, other) in pairs.items():
            partner = replace(a_partner(100), own_supervoxel=own, supervoxel=other)
            session.catalogue.add_sites([replace(a_site(number), partners=(partner,))])
        session.ledger.append(DecisionMade(a_decision(1, site=3)))
    summary = add_gold_from_truth(folder, 10)
    assert (summary.yes, summary.no) == (1, 1)
    with Session.open(folder, create=False, read_only=True) as session:
        known = session.ledger.state.gold()
    # What was answered already would measure nobody any more.
    assert set(known) == {a_site(1).id, a_site(2).id}
    assert known[a_site(1).id].partner_supervoxel == second
    assert known[a_site(2).id].answer is Answer.REJECT
    assert add_gold_from_truth(folder, 1).known_before == 1


def test_without_truth_it_says_what_to_do(tmp_path: Path) -> None:
    pieces, segments = slabs()
    make_datastack(tmp_path / "slabs", pieces, segments)
    other = tmp_path / "b.proofdesk"
    Session.open(
        other, datastack_name="offline_test", datastack_address=str(tmp_path / "slabs")
    ).close()
    with pytest.raises(InputError, match="no ground truth"):
        add_gold_from_truth(other, 5)


def test_the_commands(folder: Path, tmp_path: Path) -> None:
    run = CliRunner()
    made = run.invoke(app, ["sampling", str(folder), "--gold", "0.5", "--json"])
    assert json.loads(made.stdout)["gold"] == 0.5
    refused = run.invoke(app, ["gold", str(folder)])
    assert isinstance(refused.exception, InputError)
    missing = run.invoke(app, ["gold", str(folder), str(tmp_path / "none.csv")])
    assert isinstance(missing.exception, InputError)


def test_many_are_drawn_as_each_is() -> None:
    numbers = np.random.default_rng(5).integers(0, 2**63, 300).astype(np.uint64) * np.uint64(2)
    for purpose, share in ((Purpose.BLIND, 0.2), (Purpose.AUDIT, 1.0), (Purpose.GOLD, 0.0)):
        one_by_one = [is_drawn(purpose, 7, f"{n:016x}", share) for n in numbers.tolist()]
        assert are_drawn(purpose, 7, numbers, share).tolist() == one_by_one
