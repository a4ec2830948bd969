"""The risk dial: by keyboard, with the numbers of the step it stands on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.services.triage import TriageView
from app.ui.risk_dial import RiskDial, percent
from app.ui.theme import DARK, LIGHT, Theme, apply_theme
from proofreading.confirmation import BLIND_NEEDED, Confirmation, lock_of
from proofreading.intervals import share_of
from proofreading.triage import STEPS, Audit, Standing, Tally
from tests.qt.ui.pointer import send

Look = Callable[[float], TriageView]


def _tally() -> Tally:
    tally = Tally()
    for number in range(400):
        tally.add(tally.place(Standing(number / 4000, drawn=number % 20 == 0)))
        tally.add(tally.place(Standing(1 - number / 800)))
    tally.add(tally.place(Standing(None)))
    tally.add(tally.place(Standing(0.9, unusual=True)))
    return tally


def looking(confirmed: Confirmation, audit: Audit | None = None) -> Look:
    tally = _tally()
    found = audit or Audit(share_of(0, 0))

    def look(rate: float) -> TriageView:
        return TriageView(tally.at(rate), confirmed, lock_of(confirmed), found, 0.05)

    return look


AGREES = Confirmation(130, 0.31, 0.29, 90, 2, 0.6)
FEW = Confirmation(63, 0.31, 0.29, 40, 1, 0.8)
DISAGREES = Confirmation(130, 0.31, 0.19, 90, 2, 0.6)


@pytest.fixture
def accepted() -> list[float]:
    return []


@pytest.fixture
def dial(qtbot: QtBot, qapp: QApplication, accepted: list[float]) -> RiskDial:
    apply_theme(qapp)
    made = RiskDial(looking(FEW), accepted.append)
    qtbot.addWidget(made)
    made.resize(420, 480)
    made.show()
    qtbot.waitExposed(made)
    made.show_rate(0.01)
    made.slider.setFocus()
    return made


def test_the_keys_turn_it_and_the_numbers_follow(qtbot: QtBot, dial: RiskDial) -> None:
    before = dial.lanes.lines["automatic"][0].text()
    send(dial.slider, Qt.Key.Key_Right)
    assert dial.error_rate == STEPS[STEPS.index(0.01) + 1]
    assert dial.lanes.lines["automatic"][0].text() != before
    send(dial.slider, Qt.Key.Key_End)
    assert dial.error_rate == 0.2
    assert dial.lanes.lines["automatic"][0].text() == f"{_tally().at(0.2).automatic}"
    send(dial.slider, Qt.Key.Key_Home)
    assert dial.error_rate == 0.001
    send(dial.slider, Qt.Key.Key_PageUp)
    assert dial.error_rate == STEPS[3]


def test_only_where_it_comes_to_rest_it_is_accepted(
    qtbot: QtBot, dial: RiskDial, accepted: list[float]
) -> None:
    for _ in range(3):
        send(dial.slider, Qt.Key.Key_Right)
    assert accepted == []
    qtbot.waitUntil(lambda: accepted != [], timeout=5000)
    assert accepted == [STEPS[STEPS.index(0.01) + 3]]


def test_showing_the_session_s_rate_is_not_turning_it(
    qtbot: QtBot, dial: RiskDial, accepted: list[float]
) -> None:
    dial.show_rate(0.05)
    assert dial.error_rate == 0.05
    send(dial.slider, Qt.Key.Key_Right)
    dial.show_rate(0.01)  # what the session still has must not pull the dial back
    assert dial.error_rate == 0.06
    qtbot.waitUntil(lambda: accepted == [0.06], timeout=5000)


def test_the_lock_says_how_many_are_missing(dial: RiskDial) -> None:
    assert f"{BLIND_NEEDED - 63} blind answers missing" in dial.lock.text
    assert dial.lock.progress.value() == 63
    assert not dial.lock.progress.isHidden()


@pytest.mark.parametrize(
    ("confirmed", "words"),
    [(AGREES, "unlocked"), (DISAGREES, "you answered 19 %")],
    ids=["agrees", "disagrees"],
)
def test_the_lock_says_what_the_answers_say(
    qtbot: QtBot, qapp: QApplication, confirmed: Confirmation, words: str
) -> None:
    apply_theme(qapp)
    made = RiskDial(looking(confirmed), lambda _rate: None)
    qtbot.addWidget(made)
    made.show_rate(0.01)
    assert words in made.lock.text
    assert made.lock.progress.isHidden()


def test_the_audit_is_told_with_its_interval(qtbot: QtBot, qapp: QApplication) -> None:
    apply_theme(qapp)
    made = RiskDial(looking(AGREES, Audit(share_of(1, 50))), lambda _rate: None)
    qtbot.addWidget(made)
    made.show_rate(0.01)
    assert "50 looked at, 1 wrong: 2 % (0.051 %–11 %)" in made.audit_text


@pytest.mark.parametrize("appearance", [DARK, LIGHT], ids=["dark", "light"])
def test_the_lanes_are_told_apart(
    qtbot: QtBot, qapp: QApplication, appearance: Theme, dial: RiskDial
) -> None:
    apply_theme(qapp, appearance)
    qtbot.wait(10)
    picture = dial.bar.grab().toImage()
    y = picture.height() // 2
    colors = {picture.pixelColor(x, y).name() for x in range(picture.width())}
    assert {appearance.line, appearance.faint, appearance.bar} <= colors
    apply_theme(qapp)


def test_per_cent_has_the_digits_it_needs() -> None:
    assert [percent(s) for s in (0.001, 0.0025, 0.012, 0.1, 0.2)] == [
        "0.1 %",
        "0.25 %",
        "1.2 %",
        "10 %",
        "20 %",
    ]
