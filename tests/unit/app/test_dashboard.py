"""The report of a session, and the figures that are kept up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from app.services.dashboard import Dashboard, view_of, write_report
from app.services.triage import Triage
from proofreading.decisions import Answer
from proofreading.ledger.events import DecisionMade
from tests.unit.proofreading.decided import blind
from tests.unit.proofreading.played import played

pytest.importorskip("matplotlib", reason="the train extra is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    played(tmp_path / "monday.proofdesk").close()
    return tmp_path / "monday.proofdesk"


def test_the_report_needs_no_other_file(folder: Path, tmp_path: Path) -> None:
    summary = write_report(folder, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "monday" in page
    assert "<svg" in page
    for asks_for_more in ("src=", "<link", "@import", "url(http", 'href="http'):
        assert asks_for_more not in page
    assert f"{summary.answered} sites answered" in page
    with Image.open(tmp_path / "out" / "report.png") as picture:
        assert min(picture.size) > 1000
    again = write_report(folder, tmp_path / "again")
    assert again.answered == summary.answered == 420
    for name in ("report.html", "report.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_an_empty_session_has_a_report(tmp_path: Path) -> None:
    played(tmp_path / "a.proofdesk", answers=0).close()
    summary = write_report(tmp_path / "a.proofdesk", tmp_path / "out")
    assert (summary.answered, summary.per_hour, summary.hours_left) == (0, None, None)
    assert "the hours follow" in (tmp_path / "out" / "report.html").read_text()


def test_the_figures_follow_the_ledger(folder: Path, tmp_path: Path) -> None:
    with played(tmp_path / "b.proofdesk", answers=40) as session:
        triage = Triage(session.catalogue, session.ledger)
        triage.follow_all()
        dashboard = Dashboard(session.ledger, session.catalogue, triage)
        assert not dashboard.follow()
        before = dashboard.view()
        assert before.forecast.machine_hours == pytest.approx(20 * 3.5 / 3_600_000)
        decision = blind(f"{50:016x}", 0.9, Answer.ACCEPT, at_s=9e4)
        session.ledger.append(DecisionMade(decision))
        triage.mark(decision.site_id)
        dashboard.follow()
        after = dashboard.view()
        assert sum(after.made.answers.values()) == sum(before.made.answers.values()) + 1
        assert after.triage.counts.open == before.triage.counts.open - 1
        assert after == view_of(session)


def test_the_break_is_told_as_it_is_due(tmp_path: Path) -> None:
    with played(tmp_path / "b.proofdesk", answers=0) as session:
        dashboard = Dashboard(
            session.ledger, session.catalogue, Triage(session.catalogue, session.ledger)
        )
        due = []
        for number in range(1, 320):
            decision = blind(f"{number:016x}", 0.9, Answer.ACCEPT, at_s=5.0 * number)
            session.ledger.append(DecisionMade(decision))
            if dashboard.follow():
                due.append(number)
        assert due == [300]


def test_the_command_writes_it(folder: Path, tmp_path: Path) -> None:
    from app.cli import app

    out = CliRunner().invoke(app, ["report", str(folder), "--out", str(tmp_path / "o"), "--json"])
    assert out.exit_code == 0
    assert json.loads(out.stdout)["answered"] == 420
    lanes = CliRunner().invoke(app, ["triage", str(folder), "--error", "0.02", "--json"])
    assert json.loads(lanes.stdout)["accepted_error"] == 0.02
