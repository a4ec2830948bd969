"""Evaluating a language model: ablations that take one thing away, and votes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")
pytest.importorskip("zmesh", reason="meshes need the extra `offline`")
pytest.importorskip("pyarrow", reason="tables need the extra `offline`")

import pyarrow.parquet as pq

from connectome.errors import InputError, ModelError
from inference.evaluation.vlm.asking import NO_DRAW, Said
from inference.evaluation.vlm.conditions import blanked, conditions_for, trivial
from inference.evaluation.vlm.figures import condition_figures, vote_figures
from inference.evaluation.vlm.run import Votes, evaluate_vlm, write_said
from inference.judges.vlm.folder import LanguageSpec, uncalibrated
from inference.judges.vlm.remote import RemoteModel, RemoteSettings
from inference.judges.vlm.remote_http import RemoteAddress
from inference.judges.vlm.stored import Showing
from inference.prompts.writing import write_prompt
from inference.training.vlm.examples import Target
from inference.training.vlm.material import Asking
from inference.training.vlm.task import train_vlm
from proofreading.verdicts import Task
from tests.language_models import SMALL_EM, SMALL_VIEWS, FlatViews, language_folder
from tests.slabs import slabs
from tests.tiny_vlm import write_tiny_vlm
from tests.unit.inference.test_vlm_task import SETTINGS, TASK, toy_dataset
from tests.vlm_server import ModelServer, serving_model

PROMPT = write_prompt(TASK, SMALL_VIEWS, SMALL_EM)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("base"))


def test_a_trained_model_goes_through_every_condition(base: Path, tmp_path: Path) -> None:
    data, stack = toy_dataset(tmp_path / "data", reasons=True), slabs()
    spec = LanguageSpec(
        TASK, str(base), SMALL_VIEWS, SMALL_EM, analysis=True, most_tokens=10, device="cpu"
    )
    asking = Asking(Showing(spec, tmp_path / "pictures", views=FlatViews()))
    learnt = replace(SETTINGS, target=Target(rationale=True), steps=2)
    folder = train_vlm(data, stack, tmp_path / "out", asking, learnt)
    said: list[str] = []
    found = evaluate_vlm(
        folder,
        data,
        stack,
        cache=tmp_path / "pictures",
        votes=Votes(2, 1.0),
        views=FlatViews(),
        say=said.append,
    )
    names = [one.condition for one in found.figures]
    assert names == ["as trained", "blank pictures", "trivial prompt", "answer only", "base model"]
    assert all(one.questions == 2 for one in found.figures)
    assert found.same_dataset
    assert found.votes is not None
    assert (found.votes.draws, found.votes.questions) == (2, 2)

    by = {(one.condition, one.draw, one.sample): one for one in found.said}
    assert len(by) == len(found.said) == 5 * 2 + 2 * 2
    first = found.said[0].sample
    trained, blank = by["as trained", NO_DRAW, first], by["blank pictures", NO_DRAW, first]
    plain, words = by["base model", NO_DRAW, first], by["trivial prompt", NO_DRAW, first]
    assert blank.pictures_sha256 != trained.pictures_sha256 == plain.pictures_sha256
    assert words.prompt_sha256 != trained.prompt_sha256 == blank.prompt_sha256
    silent = by["answer only", NO_DRAW, first]
    assert silent.logit is not None
    assert words.logit is not None
    assert silent.logit != words.logit
    assert trained.text
    assert "<analysis>" in trained.prompt
    assert "<analysis>" not in silent.prompt

    path = tmp_path / "said.parquet"
    write_said(found.said, path)
    rows = pq.read_table(path).to_pylist()
    assert [row["prompt"] for row in rows] == [one.prompt for one in found.said]
    assert {row["label"] for row in rows} == {True, False}
    assert "said" not in json.loads(json.dumps(found.as_json(), default=str))
    assert "base model" in found.as_table()


def test_a_base_model_is_asked_once_and_sampling_repeats(base: Path, tmp_path: Path) -> None:
    data = toy_dataset(tmp_path / "data")
    folder = language_folder(tmp_path / "model", base, most_tokens=8)

    def run() -> list[Said]:
        found = evaluate_vlm(
            folder,
            data,
            slabs(),
            cache=tmp_path / "pictures",
            most=1,
            votes=Votes(2, 1.0),
            views=FlatViews(),
        )
        assert [one.condition for one in found.figures] == [
            "as trained",
            "blank pictures",
            "trivial prompt",
        ]
        assert not found.same_dataset
        assert "places may overlap" in found.as_table()
        return list(found.said)

    one, two = run(), run()
    assert [said.text for said in one] == [said.text for said in two]
    drawn = [said.text for said in one if said.draw != NO_DRAW]
    assert len(set(drawn)) == 2
    assert [said.logit for said in one] == pytest.approx([said.logit for said in two], abs=1e-4)


def test_a_server_is_measured_the_same_way(base: Path, tmp_path: Path) -> None:
    data = toy_dataset(tmp_path / "data")
    folder = language_folder(tmp_path / "model", base, most_tokens=8)
    with serving_model(ModelServer(base)) as served:
        settings = RemoteSettings(RemoteAddress(served.url))
        found = evaluate_vlm(
            folder,
            data,
            slabs(),
            cache=tmp_path / "pictures",
            votes=Votes(3, 1.0),
            views=FlatViews(),
            start=lambda _: RemoteModel(settings),
        )
    names = [one.condition for one in found.figures]
    assert names == ["as trained", "blank pictures", "trivial prompt"]
    assert all(one.read == 1.0 for one in found.figures)
    assert found.votes is not None
    assert found.votes.read == 1.0
    assert len({body["seed"] for body in served.bodies if body["temperature"] == 1.0}) == 6


def test_nothing_to_test_and_a_model_that_is_not_there_are_told(base: Path, tmp_path: Path) -> None:
    data = toy_dataset(tmp_path / "data")
    tips = language_folder(tmp_path / "tips", base, Task.SPLIT_ERROR_IDENTIFICATION, name="tips")
    with pytest.raises(InputError, match="has no split_error_identification"):
        evaluate_vlm(tips, data, slabs(), cache=tmp_path / "p", views=FlatViews())
    lost = language_folder(tmp_path / "lost", tmp_path / "no-such-base", name="lost")
    with pytest.raises(ModelError, match="cannot be loaded"):
        evaluate_vlm(lost, data, slabs(), cache=tmp_path / "p", views=FlatViews())


def _said(sample: int, label: bool, *, draw: int = NO_DRAW, **more: object) -> Said:
    usual: dict[str, object] = {
        "condition": "as trained",
        "prompt": "",
        "prompt_sha256": "",
        "pictures_sha256": "",
        "text": "",
        "analysis": "",
        "yes": None,
        "logit": None,
        "confidence": None,
        "latency_ms": 500.0,
    }
    return Said(sample=str(sample), label=label, draw=draw, **{**usual, **more})  # type: ignore[arg-type]


def test_figures_are_those_that_can_be_counted_by_hand() -> None:
    said = [_said(0, True, logit=2.0), _said(1, True, logit=-1.0), _said(2, False, logit=-3.0)]
    said += [_said(3, False, logit=None)]
    found = condition_figures(said, uncalibrated())
    assert (found.questions, found.positives, found.read) == (4, 2, 0.75)
    assert found.balanced_accuracy is not None
    assert found.balanced_accuracy.value == 0.75
    assert found.with_unread_wrong == 0.5
    assert found.auc is not None
    assert found.auc.value == 1.0
    assert found.seconds_each == 0.5
    assert condition_figures(said[:2], uncalibrated()).auc is None


def test_votes_count_by_majority_and_disagreement_finds_the_wrong_ones() -> None:
    votes = {
        (0, True): (True, True, True),  # right, agreed
        (1, False): (False, False, False),  # right, agreed
        (2, True): (False, True, False),  # wrong, in doubt
        (3, False): (True, None, None),  # wrong, of one vote
        (4, False): (None, None, None),  # nothing read: wrong, no agreement
    }
    said = [
        _said(sample, label, draw=draw, yes=yes)
        for (sample, label), each in votes.items()
        for draw, yes in enumerate(each)
    ]
    found = vote_figures(said, 0.7)
    assert (found.draws, found.questions, found.wrong) == (3, 5, 3)
    assert found.read == pytest.approx(10 / 15)
    assert found.majority == pytest.approx((1 / 2 + 1 / 3) / 2)
    agreement = (1 + 1 + 2 / 3 + 1 + 0.5) / 5
    assert found.agreement == pytest.approx(agreement)
    # Of six pairs of a wrong and a right answer, four are told apart and two are ties.
    assert found.auc_for_wrong == pytest.approx(5 / 6)
    sure = [one for one in said if one.sample in ("0", "1")]
    assert vote_figures(sure, 0.7).auc_for_wrong is None


def test_ablations_take_away_what_they_say() -> None:
    pictures = (np.arange(48, dtype=np.uint8).reshape(4, 4, 3),)
    (grey,) = blanked(pictures)
    assert grey.shape == pictures[0].shape
    assert set(grey.ravel()) == {128}
    empty = trivial(PROMPT)
    assert (empty.views, empty.slices) == (PROMPT.views, PROMPT.slices)
    assert "neuron" not in empty.shared + empty.question
    spec = LanguageSpec(TASK, "base", SMALL_VIEWS)
    names = [c.name for c in conditions_for(spec, has_adapter=True)]
    assert "answer only" not in names
    assert "base model" in names
