"""Prompts say what the pictures show, ask the task's own question, and are read strictly."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import ModelError
from inference.prompts.answers import read_answer
from inference.prompts.templates import template_for
from inference.prompts.writing import Slots, write_prompt
from inference.tasks import Repair, words
from proofreading.verdicts import Task
from rendering.spec import BEST, EMSpec, RenderSpec

MAIN = (
    Task.SPLIT_ERROR_IDENTIFICATION,
    Task.SPLIT_ERROR_CORRECTION,
    Task.MERGE_ERROR_IDENTIFICATION,
    Task.SPLIT_ACTION_EVALUATION,
)


@pytest.mark.parametrize("half_extent", [640.0, 1000.0, 7500.0])
def test_the_cube_is_as_large_as_the_pictures(half_extent: float) -> None:
    for task in MAIN:
        prompt = write_prompt(task, RenderSpec(half_extent_nm=half_extent))
        assert re.findall(r"\((\S+) nm\)", prompt.shared) == [f"{2 * half_extent:g}"]
        assert f"{half_extent / 500:g} µm" in prompt.shared


def test_slices_are_mentioned_only_when_there_are_any() -> None:
    task = Task.SPLIT_ERROR_CORRECTION
    without = write_prompt(task, RenderSpec())
    assert "slices" not in without.shared
    assert without.slices == ()
    em = EMSpec(half_extent_nm=400.0, planes=("xy", BEST))
    prompt = write_prompt(task, RenderSpec(), em)
    assert "The next 2 pictures" in prompt.shared
    assert "(800 nm) wide" in prompt.shared
    assert prompt.slices == ("xy", BEST)


def test_every_task_asks_about_its_own_error() -> None:
    for task in MAIN:
        question = template_for(task).question
        wrong = "split" if words(task).repair is Repair.MERGE else "fused"
        if task is Task.SPLIT_ERROR_IDENTIFICATION:
            wrong = "stopped"
        assert wrong in question
        assert "Yes means" in question
    assert len({template_for(task).question for task in MAIN}) == len(MAIN)


def test_a_pair_is_called_by_both_colours_and_one_segment_by_one() -> None:
    for task in (Task.SPLIT_ERROR_CORRECTION, Task.SPLIT_ACTION_EVALUATION):
        assert "orange" in template_for(task).colours
    for task in (Task.SPLIT_ERROR_IDENTIFICATION, Task.MERGE_ERROR_IDENTIFICATION):
        assert "orange" not in template_for(task).colours


def test_a_question_without_prompt_is_refused() -> None:
    with pytest.raises(ModelError, match="no prompt"):
        write_prompt(Task.PARTNER_CHOICE, RenderSpec())


def test_slots_are_part_of_the_hash_and_keep_their_braces() -> None:
    plain = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec())
    slots = Slots(region="layer {2/3}", conservative=True, examples=(("a thin bridge", False),))
    asked = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec(), slots=slots)
    assert plain.sha256 != asked.sha256
    assert plain.sha256 == write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec()).sha256
    assert "layer {2/3}" in asked.shared
    assert "conservative" in asked.shared
    assert "a thin bridge – <answer>no</answer>" in asked.shared
    assert "{" not in plain.shared + plain.question


def test_reasons_and_confidence_are_asked_for() -> None:
    prompt = write_prompt(
        Task.SPLIT_ERROR_CORRECTION, RenderSpec(), slots=Slots(analysis=True, confidence=True)
    )
    assert "<analysis>" in prompt.question
    assert "<confidence>" in prompt.question
    assert prompt.question.endswith("<answer>no</answer>.")


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("<answer>yes</answer>", True),
        (" <answer> No. </answer>\n", False),
        ("<analysis>no gap, yes a membrane</analysis>\n<answer>NO</answer>", False),
        ("<analysis></analysis><confidence>85 %</confidence><answer>yes</answer>", True),
        ("", None),
        ("yes", None),
        ("<answer>yes", None),
        ("<answer>maybe</answer>", None),
        ("<answer>yes or no</answer>", None),
        ("<answer>yes</answer><answer>no</answer>", None),
        ("<analysis><answer>yes</answer></analysis><answer>no</answer>", None),
        ("<analysis>yes</analysis>", None),
        ("I think <answer>yes</answer>", None),
        ("<confidence>300</confidence><answer>yes</answer>", None),
    ],
)
def test_reading(text: str, yes: bool | None) -> None:
    read = read_answer(text)
    assert read.yes is yes
    assert read.text == text


def test_reasons_and_confidence_are_kept() -> None:
    read = read_answer(
        "<analysis> A bridge. </analysis><confidence>7</confidence><answer>no</answer>"
    )
    assert (read.analysis, read.confidence) == ("A bridge.", 0.07)


TAGS = [f"<{mark}{name}>" for name in ("answer", "analysis", "confidence") for mark in ("", "/")]
OTHER = ["yes", "no", "Yes", "NO", " ", "\n", ".", "50", "%", "<", ">", "/", "\x00", "não"]
PIECES = st.sampled_from([*TAGS, *OTHER, "<answer"])
GOOD = re.compile(
    r"\s*(<analysis>(?:(?!</?\s*(?:analysis|answer|confidence)\b).)*</analysis>)?"
    r"\s*(<confidence>\s*\d{1,3}\s*%?\s*</confidence>)?"
    r"\s*<answer>\s*yes\s*\.?\s*</answer>\s*",
    re.DOTALL | re.IGNORECASE,
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_a_malformed_reply_is_never_a_yes(text: str) -> None:
    assert not (read_answer(text).yes and GOOD.fullmatch(text) is None)
