"""Examples from a person's own answers: which, in what order, and what stands in the hash."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("zmesh", reason="meshes need the extra `offline`")

from connectome.errors import InputError
from inference.judges.vlm.own_shots import own_shots
from inference.judges.vlm.protocol import Asked
from inference.judges.vlm.seeing import QuestionPictures
from inference.prompts.shots import MOST_SHOTS, Shot, even_choice, with_shots
from inference.prompts.writing import write_prompt
from proofreading.decisions import Answer, Decider, Decision
from proofreading.verdicts import Task
from tests.language_models import SMALL_EM, SMALL_VIEWS, FlatViews
from tests.slabs import slab_sites, slabs
from tests.tiny_vlm import write_tiny_vlm

TASK = Task.SPLIT_ERROR_CORRECTION
PROMPT = write_prompt(TASK, SMALL_VIEWS, SMALL_EM)
OWN = tuple(np.full((96, 96, 3), n, np.uint8) for n in range(6))
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def shot(number: int, yes: bool, reason: str = "") -> Shot:
    pictures = tuple(np.full((96, 96, 3), 100 + 10 * number + n, np.uint8) for n in range(6))
    return Shot(f"site{number}", yes, pictures, reason)


def decision(number: int, site_id: str, partner: int | None, answer: Answer) -> Decision:
    return Decision(
        id=str(number),
        site_id=site_id,
        task=TASK,
        answer=answer,
        decider=Decider.PERSON,
        author="ann",
        decided_at=NOON + timedelta(minutes=number),
        elapsed_ms=900,
        verdict_visible=False,
        partner_supervoxel=partner,
        reason="a membrane" if answer is Answer.REJECT else "",
    )


def test_examples_come_first_with_their_pictures_and_answers() -> None:
    asked, pictures = with_shots(PROMPT, OWN, [shot(1, True), shot(2, False, "a membrane")])
    assert len(pictures) == 18
    assert [int(picture[0, 0, 0]) for picture in pictures[::6]] == [110, 120, 0]
    assert len(asked.views) + len(asked.slices) == 18
    assert asked.shared == PROMPT.shared
    assert asked.question.endswith(PROMPT.question)
    assert "12 pictures of 2 examples" in asked.question
    assert "1: <answer>yes</answer>" in asked.question
    assert "2: <answer>no</answer> (a membrane)" in asked.question
    assert with_shots(PROMPT, OWN, []) == (PROMPT, OWN)


def test_the_hash_is_over_words_answers_and_pictures_of_the_examples() -> None:
    one = shot(1, True)
    other = replace(one, pictures=(*one.pictures[:5], one.pictures[5] + np.uint8(1)))
    made = [
        with_shots(PROMPT, OWN, shots)[0].sha256
        for shots in ([one], [replace(one, yes=False)], [replace(one, reason="x")], [other])
    ]
    assert len({*made, PROMPT.sha256}) == 5
    assert with_shots(PROMPT, OWN, [shot(1, True)])[0].sha256 == made[0]


def test_too_many_and_other_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="too many"):
        with_shots(PROMPT, OWN, [shot(n, True) for n in range(MOST_SHOTS + 1)])
    with pytest.raises(InputError, match="other pictures"):
        with_shots(PROMPT, OWN, [replace(shot(1, True), pictures=OWN[:3])])


def test_answers_are_chosen_evenly_and_never_the_site_itself() -> None:
    known = [shot(1, True), shot(2, True), shot(3, True), shot(4, False), shot(5, False)]
    assert [s.site_id for s in even_choice(known, 4)] == ["site1", "site4", "site2", "site5"]
    assert [s.site_id for s in even_choice(known, 3)] == ["site1", "site4"]
    assert [s.site_id for s in even_choice(known, 2, leave_out="site1")] == ["site2", "site4"]
    assert even_choice(known[:3], 4) == []
    assert even_choice(known, 0) == []
    assert len(even_choice(known * 5, 100)) == MOST_SHOTS


def test_a_persons_newest_answers_become_examples() -> None:
    first, second = slab_sites()
    sites = {site.id: site for site in (first, second)}
    pictures = QuestionPictures(slabs(), SMALL_VIEWS, SMALL_EM, FlatViews())
    partner = first.partners[0].supervoxel
    other = second.partners[0].supervoxel
    answers = [
        decision(1, first.id, partner, Answer.ACCEPT),
        decision(2, second.id, other, Answer.REJECT),
        decision(3, second.id, other, Answer.UNSURE),
        decision(4, "gone", 1, Answer.ACCEPT),
        decision(5, first.id, 999, Answer.ACCEPT),
        replace(decision(6, first.id, partner, Answer.ACCEPT), decider=Decider.AUTOMATIC),
        replace(decision(7, first.id, partner, Answer.ACCEPT), follows="1"),
        replace(decision(8, first.id, partner, Answer.ACCEPT), task=Task.PARTNER_CHOICE),
    ]
    found = own_shots(answers, sites.get, pictures, TASK)
    assert [(s.site_id, s.yes, s.reason) for s in found] == [
        (second.id, False, "a membrane"),
        (first.id, True, ""),
    ]
    assert [len(s.pictures) for s in found] == [6, 6]
    assert [s.yes for s in own_shots(answers, sites.get, pictures, TASK, each=0)] == []


def test_a_pair_that_was_joined_since_is_no_example() -> None:
    (first, _), stack = slab_sites(), slabs()
    pictures = QuestionPictures(stack, SMALL_VIEWS, SMALL_EM, FlatViews())
    answers = [decision(1, first.id, first.partners[0].supervoxel, Answer.ACCEPT)]
    same = replace(first, partners=(replace(first.partners[0], supervoxel=11),))
    moved = [replace(answers[0], partner_supervoxel=11)]
    assert own_shots(moved, {first.id: same}.get, pictures, TASK) == []


def test_a_model_sees_the_examples(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
    from inference.judges.vlm.asking import ask_likelihoods
    from inference.judges.vlm.encoding import Question
    from inference.judges.vlm.model import LoadSettings, load_model

    model = load_model(LoadSettings(str(write_tiny_vlm(tmp_path)), device="cpu"))
    asked = [
        with_shots(PROMPT, OWN, shots)
        for shots in (
            [],
            [shot(1, True)],
            [replace(shot(1, True), pictures=shot(2, True).pictures)],
        )
    ]
    logits = ask_likelihoods(model, [Question(prompt, shown) for prompt, shown in asked])
    assert len(set(logits)) == 3
    prompt, shown = asked[1]
    message = Asked.of(prompt, shown)
    assert message.prompt() == prompt
