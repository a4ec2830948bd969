"""Another look: what a model may ask for, what it is shown, and what is recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

pytest.importorskip("zmesh", reason="meshes need the extra `offline`")
pytest.importorskip("octarine", reason="views need the extra `render`")

from inference.judges.vlm.protocol import Answered, Asked, picture_from
from inference.judges.vlm.seeing import pictures_hash
from inference.judges.vlm.seeking import Seeking, Sought, scene_at, seek, taken
from inference.prompts.looks import Look, offering, read_look, with_looks
from inference.prompts.writing import write_prompt
from proofreading.verdicts import Task
from rendering.scene import Scene
from tests.language_models import SMALL_EM, SMALL_VIEWS
from tests.slabs import slabs
from tests.tiny_vlm import write_tiny_vlm

PROMPT = write_prompt(Task.SPLIT_ERROR_CORRECTION, SMALL_VIEWS, SMALL_EM)
CENTER = (240.0, 320.0, 320.0)
PICTURES = [np.full((96, 96, 3), 10 * n, np.uint8) for n in range(6)]


@pytest.fixture(scope="module", autouse=True)
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("XDG_RUNTIME_DIR")
    if before is None:
        os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    yield
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]


def scene() -> Scene:
    return scene_at(slabs(), CENTER, (11, 12), SMALL_VIEWS)


def said(logit: float | None, text: str = "") -> Answered:
    return Answered(id=1, index=0, logit=logit, text=text, latency_ms=1.0)


@dataclass
class Script:
    """Says one thing after the other, and keeps what it was asked."""

    replies: list[Answered]
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked, *, reasons: bool, most_tokens: int) -> Answered:
        assert most_tokens > 0
        self.asked.append(asked)
        return self.replies.pop(0)


def sought(first: float, *replies: Answered, most: int = 3) -> tuple[Sought, Script]:
    script = Script(list(replies))
    found = seek(
        PROMPT,
        PICTURES,
        said(first),
        scene=scene,
        ask=script,
        chance=lambda logit: float(expit(logit)),
        settings=Seeking(margin=0.2, most_looks=most),
    )
    assert not script.replies, "it was asked less often than expected"
    return found, script


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("<look>front</look>", Look("front")),
        (" <look> move 200 -50.5 </look>\n", Look("move", (200.0, -50.5))),
        ("<look>zoom 2</look>", Look("zoom", (2.0,))),
        ("<look>rotate 90 -45</look>", Look("rotate", (90.0, -45.0))),
    ],
)
def test_views_are_asked_for_in_known_words(text: str, look: Look) -> None:
    assert read_look(text) == look
    assert read_look(f"<look>{look}</look>") == look


@pytest.mark.parametrize(
    "text",
    [
        "", "front", "<look>back</look>", "<look>front 1</look>", "<look>move 1</look>",
        "<look>move 1 2 3</look>", "<look>move 1e9 2</look>", "<look>move nan inf</look>",
        "<look>zoom 0</look>", "<look>zoom -2</look>", "<look>zoom 9</look>",
        "<look>rotate 181 0</look>", "<look>rotate 0 91</look>", "<look>move 50001 0</look>",
        "<look>front</look><look>top</look>", "<look>front</look><answer>yes</answer>",
        "I see. <look>front</look>", "<look>zoom \u0662</look>", "<LOOK>front</LOOK>",
        "<look>move 1 2; rm</look>", "<look></look>", "<look>front</look", "<look>front\x00</look>",
    ],
)  # fmt: skip
def test_anything_else_is_no_view(text: str) -> None:
    assert read_look(text) is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(alphabet="<look>/ movezrtafnsdp0123456789.-+", max_size=40))
def test_no_text_leads_beyond_the_bounds(text: str) -> None:
    look = read_look(f"<look>{text}</look>")
    if look is not None:
        assert all(abs(number) <= 50_000 for number in look.numbers)
        assert look.kind != "zoom" or 0.125 <= look.numbers[0] <= 8


def test_a_sure_answer_stands_without_being_asked_again() -> None:
    found, script = sought(3.0)
    assert found.answer.logit == 3.0
    assert found.looks == ()
    assert script.asked == []
    assert found.prompt is PROMPT
    assert sought(0.0, most=0)[0].looks == ()


def test_an_unsure_model_sees_what_it_asks_for_and_all_is_recorded() -> None:
    found, script = sought(
        0.1,
        said(None, "<look>rotate 90 0</look>"),
        said(0.2),
        said(None, "<look>zoom 2</look>"),
        said(2.5),
    )
    assert found.answer.logit == 2.5
    assert [look.asked for look in found.looks] == [
        "<look>rotate 90 0</look>",
        "<look>zoom 2</look>",
    ]
    cameras = [json.loads(look.camera) for look in found.looks]
    assert cameras[0]["half_extent_nm"] == SMALL_VIEWS.half_extent_nm
    assert cameras[1]["half_extent_nm"] == SMALL_VIEWS.half_extent_nm / 2
    np.testing.assert_allclose(cameras[0]["right"], (1, 0, 0), atol=1e-6)
    assert cameras[1]["right"] == cameras[0]["right"]

    last = script.asked[-1]
    pictures = [picture_from(picture) for picture in last.pictures]
    assert len(pictures) == 8
    for before, shown in zip(PICTURES, pictures[:6], strict=True):
        np.testing.assert_array_equal(before, shown)
    hashes = [pictures_hash([picture]) for picture in pictures[6:]]
    assert hashes == [look.picture_sha256 for look in found.looks]
    assert found.pictures_sha256 == pictures_hash(pictures)
    assert all(len(np.unique(picture)) > 10 for picture in pictures[6:])
    assert found.prompt.sha256 == last.sha256 != PROMPT.sha256
    assert "1: rotate 90 0; 2: zoom 2" in last.question
    assert "3 are left" in script.asked[0].question
    assert "2 are left" in script.asked[2].question
    assert "are left" not in last.question


def test_it_looks_no_more_often_than_it_may() -> None:
    asks = [said(None, "<look>zoom 1.5</look>"), said(0.0)] * 2
    found, script = sought(0.0, *asks, most=2)
    assert len(found.looks) == 2
    assert len(script.asked) == 4


@pytest.mark.parametrize("text", ["<answer>yes</answer>", "Hm.", "<look>back</look>"])
def test_what_is_no_request_ends_it_and_the_first_answer_stands(text: str) -> None:
    found, _ = sought(0.3, said(None, text))
    assert (found.answer.logit, found.looks, found.unread) == (0.3, (), "")


def test_an_answer_that_cannot_be_read_leaves_the_one_before() -> None:
    found, _ = sought(0.3, said(None, "<look>top</look>"), said(None, "Well, perhaps"))
    assert found.answer.logit == 0.3
    assert found.unread == "Well, perhaps"
    assert found.pictures_sha256 == pictures_hash(PICTURES)
    assert len(found.looks) == 1


@pytest.mark.parametrize("words", ["move 2000 0", "zoom 0.125", "move 0 -1300"])
def test_views_far_from_the_site_are_not_taken(words: str) -> None:
    stage = scene()
    before = stage.camera
    look = read_look(f"<look>{words}</look>")
    assert look is not None
    assert taken(stage, look, words) is None
    assert stage.camera == before
    found, _ = sought(0.0, said(None, f"<look>{words}</look>"))
    assert found.looks == ()


def test_views_differ_and_a_neighbour_out_of_sight_is_left_out() -> None:
    stage = scene()
    made = [taken(stage, Look(kind), kind) for kind in ("front", "side", "top")]
    hashes = {record.picture_sha256 for _, record in filter(None, made)}
    assert len(hashes) == 3
    beside = taken(stage, Look("move", (0.0, 900.0)), "up")
    assert beside is not None
    again = taken(scene(), Look("top"), "top")
    assert again is not None
    assert made[2] is not None
    np.testing.assert_array_equal(again[0], made[2][0])


def test_words_tell_how_many_views_are_left() -> None:
    assert offering(PROMPT, 2).question != offering(PROMPT, 1).question
    assert with_looks(PROMPT, []) is PROMPT
    longer = with_looks(PROMPT, [Look("top")])
    assert longer.slices == (*PROMPT.slices, "look 1")
    assert longer.shared == PROMPT.shared


def test_a_real_model_is_asked_the_same_way(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
    from inference.judges.vlm.asking import ask_likelihoods, ask_reasons
    from inference.judges.vlm.encoding import Question
    from inference.judges.vlm.model import LoadSettings, load_model

    model = load_model(LoadSettings(str(write_tiny_vlm(tmp_path)), device="cpu"))
    looks = iter(["<look>rotate 30 10</look>", "<look>move 50 0</look>"])

    def question(asked: Asked) -> Question:
        return Question(asked.prompt(), tuple(map(picture_from, asked.pictures)))

    def ask(asked: Asked, *, reasons: bool, most_tokens: int) -> Answered:
        if reasons:
            (reply,) = ask_reasons(model, [question(asked)], most_tokens=8)
            assert reply.logit is None
            # An untaught model asks for nothing; its words are put in its mouth.
            return said(None, next(looks, reply.written.text))
        (logit,) = ask_likelihoods(model, [question(asked)])
        return said(logit)

    plain = Asked.of(PROMPT, tuple(PICTURES))
    first = ask(plain, reasons=False, most_tokens=8)
    always: Callable[[float], float] = lambda _: 0.5  # noqa: E731
    found = seek(PROMPT, PICTURES, first, scene=scene, ask=ask, chance=always, settings=Seeking())
    assert len(found.looks) == 2
    assert found.answer.logit != first.logit
