"""A judge whose model looks again, and one that is shown a person's own answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("zmesh", reason="meshes need the extra `offline`")

from connectome.errors import ModelError
from connectome.space import PointNm
from inference.judges.vlm.judge import VlmJudge
from inference.judges.vlm.process import Pending
from inference.judges.vlm.protocol import Answered, Ask, Asked, picture_from
from inference.judges.vlm.seeing import pictures_hash
from inference.judges.vlm.seeking import Seeking
from inference.models.registry import ModelFolder
from inference.prompts.shots import Shot
from proofreading.verdicts import FailedVerdict, Verdict
from rendering.camera import CameraSpec
from rendering.spec import RenderSpec
from rendering.surfaces import Surface
from tests.language_models import FlatViews, language_folder
from tests.scripted_language import Scripted, said
from tests.slabs import slab_sites, slabs
from tests.tiny_vlm import write_tiny_vlm


class FlatLooks(FlatViews):
    """Draws the number of surfaces and where the camera looks, nothing more."""

    def look(
        self,
        surfaces: Sequence[Surface],
        cameras: Sequence[CameraSpec],
        spec: RenderSpec,
        *,
        origin_nm: PointNm = (0.0, 0.0, 0.0),
        neighbours: Sequence[Surface] = (),
    ) -> list[NDArray[np.uint8]]:
        assert len(surfaces) == 2
        made = []
        for camera in cameras:
            shade = int(abs(camera.right[0]) * 200)
            made.append(np.full((spec.size_px, spec.size_px, 3), shade, np.uint8))
        return made


@dataclass
class Turns(Scripted):
    """Answers one request after the other; each is a list of answers or an error."""

    turns: list[list[Answered] | ModelError] = field(default_factory=list)

    def ask(
        self,
        questions: Sequence[Asked],
        *,
        reasons: bool = False,
        most_tokens: int = 400,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Pending:
        pending = Pending(Ask(id=1, questions=tuple(questions), reasons=reasons))
        self.asked.append(tuple(questions))
        turn = self.turns.pop(0)
        if isinstance(turn, ModelError):
            pending.failure = turn
        else:
            pending.answers = {answer.index: answer for answer in turn}
        pending.finished.set()
        return pending


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    base = write_tiny_vlm(tmp_path_factory.mktemp("base"))
    return language_folder(tmp_path_factory.mktemp("model") / "tiny", base)


def _judge(folder: ModelFolder, *turns: list[Answered] | ModelError) -> tuple[VlmJudge, Turns]:
    model = Turns([], turns=list(turns))
    made = VlmJudge(folder, model=model, views=FlatLooks())
    made.seeking = Seeking(margin=0.2, most_looks=2)
    return made, model


def test_an_unsure_verdict_tells_what_was_looked_at(folder: ModelFolder) -> None:
    judge, model = _judge(
        folder,
        [said(0, 0.1), said(1, 3.0)],
        [said(0, None, text="<look>rotate 90 0</look>")],
        [said(0, 2.0)],
    )
    unsure, sure = judge.judge_sites(slabs(), slab_sites())
    assert isinstance(unsure, Verdict)
    assert isinstance(sure, Verdict)
    assert model.turns == []
    assert unsure.raw_score == 2.0
    assert [look.asked for look in unsure.looks] == ["<look>rotate 90 0</look>"]
    last = model.asked[-1][0]
    shown = [picture_from(picture) for picture in last.pictures]
    assert len(shown) == 7
    assert unsure.provenance.prompt_sha256 == last.sha256 != sure.provenance.prompt_sha256
    assert unsure.provenance.pictures_sha256 == pictures_hash(shown)
    assert sure.looks == ()
    assert sure.raw_score == 3.0


def test_a_model_that_dies_while_it_looks_leaves_its_answer(folder: ModelFolder) -> None:
    judge, _ = _judge(folder, [said(0, 0.1), said(1, None, text="?")], ModelError("Gone.", ""))
    first, failed = judge.judge_sites(slabs(), slab_sites())
    assert isinstance(first, Verdict)
    assert (first.raw_score, first.looks) == (0.1, ())
    assert isinstance(failed, FailedVerdict)


def test_without_seeking_nothing_more_is_asked(folder: ModelFolder) -> None:
    judge, model = _judge(folder, [said(0, 0.1), said(1, 0.0)])
    judge.seeking = None
    judge.judge_sites(slabs(), slab_sites())
    assert len(model.asked) == 1


def test_a_persons_answers_stand_before_the_question_and_in_the_provenance(
    folder: ModelFolder,
) -> None:
    first, second = slab_sites()
    plain, _ = _judge(folder, [said(0, 3.0), said(1, 3.0)])
    before = plain.judge_sites(slabs(), [first, second])
    judge, model = _judge(folder, [said(0, 3.0), said(1, 3.0)])
    blank: Callable[[int], tuple[NDArray[np.uint8], ...]] = lambda n: tuple(  # noqa: E731
        np.full((96, 96, 3), n, np.uint8) for _ in range(6)
    )
    judge.shots = (Shot("other", True, blank(1)), Shot(second.id, False, blank(2)))
    told = judge.judge_sites(slabs(), [first, second])
    shown, alone = model.asked[0]
    assert len(shown.pictures) == 18
    # A site is not its own example, and with one kind of answer left there are none.
    assert len(alone.pictures) == 6
    one, two = told
    assert isinstance(one, Verdict)
    assert isinstance(two, Verdict)
    assert ("shown example 2", f"{second.id} no") in one.provenance.slots
    assert two.provenance.slots == ()
    assert isinstance(before[0], Verdict)
    assert isinstance(before[1], Verdict)
    assert one.provenance.prompt_sha256 != before[0].provenance.prompt_sha256
    assert two.provenance.prompt_sha256 == before[1].provenance.prompt_sha256
