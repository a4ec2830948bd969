"""What a language model adds to the window: its state, its reasons, the person's words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from app.services.language import LanguageStatus
from app.services.model import Phase
from app.ui.window import MainWindow
from app.ui.words_dialog import WordsDialog
from connectome.errors import InputError
from proofreading.verdicts import FailedVerdict, Part, Task, Verdict
from tests.qt.ui.fakes import NOW, FakeWorkbench
from tests.qt.ui.pointer import click

READY = LanguageStatus(Phase.READY, "qwen3-vl-4b", "CUDA", "12 questions are left open.", 12)
REASONS = "A and B share one calibre, and no membrane lies between them. " * 3


def _joint(bench: FakeWorkbench, **changes: object) -> Verdict:
    current = bench.snapshot().current
    assert current is not None
    assert current.verdict is not None
    where = replace(current.verdict.provenance, prompt_sha256="1" * 64, **changes)  # type: ignore[arg-type]
    parts = (Part("resnet18", "0" * 64, 0.41, 0.0), Part("qwen3-vl-4b", "1" * 64, 0.88, 2.0))
    return replace(
        current.verdict,
        provenance=where,
        rationale=REASONS,
        stated_confidence=0.8,
        parts=parts,
    )


def _show(
    window: MainWindow, bench: FakeWorkbench, status: LanguageStatus | None, **changes: object
) -> None:
    bench.changes["language"] = status
    bench.site_changes.update(changes)
    snapshot = bench.snapshot()
    window.verdict.show_snapshot(snapshot)
    window.top.show_snapshot(snapshot)


def test_without_a_language_model_nothing_speaks_of_one(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    _show(window, bench, None)
    assert not window.verdict.language.isVisible()
    assert not window.top.language.isVisible()


def test_who_said_what_and_why(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    _show(window, bench, READY, verdict=_joint(bench))
    panel = window.verdict.language
    assert panel.parts.text() == "resnet18 0.41   ·   qwen3-vl-4b 0.88"
    assert panel.reasons.text() == REASONS
    assert panel.area.isVisible()
    assert "80% sure" in panel.state.text()
    assert not panel.retry.isVisible()
    click(panel.ask)
    assert bench.calls[-1] == "ask language"


def test_an_answer_to_other_words_is_marked(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    other = _joint(bench, slots=(("cell_type", "glia"),))
    _show(window, bench, READY, verdict=other)
    assert "other words (cell type: glia)" in window.verdict.language.state.text()
    _show(window, bench, replace(READY, words=(("cell_type", "glia"),)), verdict=other)
    assert "other words" not in window.verdict.language.state.text()


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (Phase.LOADING, "loading"),
        (Phase.PARTIAL, "starting again"),
        (Phase.FAILED, "failed"),
        (Phase.EMPTY, "not started"),
    ],
)
def test_every_state_has_a_word(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot, phase: Phase, word: str
) -> None:
    _show(window, bench, replace(READY, phase=phase, text="A sentence about it."))
    assert word in window.top.language.text()
    assert window.verdict.language.state.text() == "A sentence about it."
    assert window.verdict.language.retry.isVisible() == (phase is Phase.FAILED)


def test_it_thinks_about_this_site(window: MainWindow, bench: FakeWorkbench, qtbot: QtBot) -> None:
    assert bench.current is not None
    _show(window, bench, replace(READY, site_id=bench.current.id))
    assert "looking at it" in window.verdict.language.state.text()
    assert "thinking" in window.top.language.text()


def test_its_failure_stands_beside_the_verdict(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    assert bench.current is not None
    failure = FailedVerdict(
        bench.current.id,
        Task.SPLIT_ERROR_CORRECTION,
        None,
        "The answer cannot be read.",
        "Ask again.",
        NOW,
        text="Maybe?",
        model_id="qwen3-vl-4b",
    )
    _show(window, bench, READY, failed_beside=failure)
    panel = window.verdict.language
    assert panel.state.text() == "qwen3-vl-4b: The answer cannot be read. Ask again."
    assert panel.state.property("tone") == "error"
    assert panel.state.toolTip() == "Maybe?"
    assert window.verdict.bar.value is not None
    click(panel.retry)
    assert bench.calls[-1] == "retry"


def test_words_are_filled_in_and_used(
    window: MainWindow, bench: FakeWorkbench, qtbot: QtBot
) -> None:
    used: list[dict[str, str]] = []
    dialog = WordsDialog({"region": "retina"}, used.append, window)
    qtbot.addWidget(dialog)
    assert dialog.fields["region"].text() == "retina"
    dialog.fields["heuristic"].setText("  Spines are thin. ")
    dialog.conservative.setChecked(True)
    dialog._save()
    expected = {"region": "retina", "heuristic": "Spines are thin.", "conservative": "yes"}
    assert used == [expected]


def test_words_that_cannot_be_kept_leave_the_dialog_open(window: MainWindow, qtbot: QtBot) -> None:
    def refuse(words: dict[str, str]) -> None:
        raise InputError("The folder is full.", "Make room.")

    dialog = WordsDialog({}, refuse, window)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog._save()
    assert dialog.isVisible()
    assert dialog.problem.text() == "The folder is full. Make room."
