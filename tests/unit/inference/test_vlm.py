"""Asking a vision-language model, with a tiny one that goes through the very same code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from connectome.errors import ModelError
from inference.judges.vlm.asking import ask_likelihoods, ask_reasons
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadedModel, LoadSettings, load_model, unload
from inference.prompts.writing import Prompt, write_prompt
from proofreading.verdicts import Task
from rendering.spec import EMSpec, RenderSpec
from tests.tiny_vlm import write_tiny_vlm

PROMPT = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec(), EMSpec())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("vlm"))


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    return load_model(LoadSettings(str(folder), device="cpu"))


def _picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)


def _questions(count: int, prompt: Prompt = PROMPT) -> list[Question]:
    rng = np.random.default_rng(3)
    pictures = len(prompt.views) + len(prompt.slices)
    return [Question(prompt, tuple(_picture(rng) for _ in range(pictures))) for _ in range(count)]


def test_batches_and_the_shared_beginning_change_no_answer(model: LoadedModel) -> None:
    questions = _questions(5)
    alone = ask_likelihoods(model, questions, batch=1)
    whole = ask_likelihoods(model, questions, batch=3, reuse=False)
    reused = ask_likelihoods(model, questions, batch=3, reuse=True)
    assert len(set(alone)) == 5
    assert whole == pytest.approx(alone, abs=1e-4)
    assert reused == pytest.approx(alone, abs=1e-4)


def test_questions_of_different_length_can_stand_in_one_batch(model: LoadedModel) -> None:
    other = write_prompt(Task.MERGE_ERROR_IDENTIFICATION, RenderSpec())
    questions = [*_questions(1), *_questions(1, other)]
    alone = [ask_likelihoods(model, [question])[0] for question in questions]
    assert ask_likelihoods(model, questions) == pytest.approx(alone, abs=1e-4)


def test_the_pictures_reach_the_answer(model: LoadedModel) -> None:
    (question,) = _questions(1)
    blank = tuple(np.full_like(picture, 128) for picture in question.pictures)
    seen, unseen = ask_likelihoods(model, [question, Question(PROMPT, blank)])
    assert abs(seen - unseen) > 1e-4


def test_as_many_pictures_as_the_prompt_speaks_of(model: LoadedModel) -> None:
    (question,) = _questions(1)
    with pytest.raises(ModelError, match="speaks of 6 pictures"):
        ask_likelihoods(model, [Question(PROMPT, question.pictures[:5])])


def test_what_cannot_be_read_has_no_likelihood(model: LoadedModel) -> None:
    (reply,) = ask_reasons(model, _questions(1), most_tokens=12)
    assert reply.written.yes is None
    assert reply.logit is None
    assert reply.written.text


def test_sampling_repeats_with_its_seed(model: LoadedModel) -> None:
    one, again, other = (
        ask_reasons(model, _questions(1), most_tokens=12, temperature=1.0, seed=seed)[0]
        for seed in (1, 1, 2)
    )
    assert one.written.text == again.written.text
    assert one.written.text != other.written.text


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_model(LoadSettings(str(tmp_path / "nothing")))
    assert "Qwen3-VL" in caught.value.hint


def test_unloading_gives_the_network_up(folder: Path) -> None:
    loaded = load_model(LoadSettings(str(folder), device="cpu"))
    unload(loaded)
    assert loaded.network is None
