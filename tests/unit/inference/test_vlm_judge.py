"""The language model as a judge of sites, through its child process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

from connectome.errors import ModelError
from inference.judges.registry import site_judge
from inference.judges.vlm.backend import LanguageModel
from inference.judges.vlm.folder import load_of, spec_of
from inference.judges.vlm.judge import VlmJudge
from inference.judges.vlm.process import Health
from inference.models.manifest import LanguageContract, read_manifest, write_manifest
from inference.models.registry import ModelFolder, find_model
from inference.prompts.slots import slots_of
from inference.prompts.writing import Slots
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Task, Verdict
from tests.contract.site_judge_contract import SiteJudgeContract, World
from tests.language_models import FlatViews, language_folder
from tests.scripted_language import Scripted, said
from tests.slabs import slab_sites, slabs
from tests.tiny_vlm import write_tiny_vlm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vlm(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def judge(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VlmJudge]:
    folder = language_folder(tmp_path_factory.mktemp("models") / "tiny", base)
    made = VlmJudge(folder, views=FlatViews())
    yield made
    made.close()


class TestVlm(SiteJudgeContract):
    @pytest.fixture
    def world(self, judge: VlmJudge) -> World:
        return World(judge, slabs(), slab_sites(), slabs(em=False))

    def test_verdicts_name_prompt_words_and_pictures(self, world: World) -> None:
        judge = world.judge
        assert isinstance(judge, VlmJudge)
        plain = judge.judge_sites(world.datastack, world.sites)
        judge.slots = slots_of({"region": "hippocampus", "conservative": "yes", "other": "x"})
        steered = judge.judge_sites(world.datastack, world.sites)
        judge.slots = Slots()
        for before, after in zip(plain, steered, strict=True):
            assert isinstance(before, Verdict)
            assert isinstance(after, Verdict)
            contract = judge.manifest.input
            assert isinstance(contract, LanguageContract)
            assert before.provenance.prompt_sha256 == contract.prompt_sha256
            assert after.provenance.prompt_sha256 != contract.prompt_sha256
            assert before.provenance.slots == ()
            assert dict(after.provenance.slots) == {"region": "hippocampus", "conservative": "yes"}
            assert before.provenance.pictures_sha256 == after.provenance.pictures_sha256
            assert before.raw_score != after.raw_score
        said = [r.provenance.pictures_sha256 for r in plain if isinstance(r, Verdict)]
        assert len(set(said)) == len(said) == 2


def _judge(folder: ModelFolder, model: LanguageModel) -> VlmJudge:
    return VlmJudge(folder, model=model, views=FlatViews())


def test_reasons_are_kept_and_what_cannot_be_read_fails_with_its_text(
    base: Path, tmp_path: Path
) -> None:
    folder = language_folder(tmp_path / "tiny", base, analysis=True)
    model = Scripted([said(0, 2.0, "A and B line up."), said(1, None, text="Maybe?")])
    good, bad = _judge(folder, model).judge_sites(slabs(), slab_sites())
    assert isinstance(good, Verdict)
    assert good.rationale == "A and B line up."
    assert good.stated_confidence == pytest.approx(0.9)
    assert good.probability == pytest.approx(0.8808, abs=1e-4)
    assert from_plain(Verdict, json.loads(json.dumps(to_plain(good)))) == good
    assert isinstance(bad, FailedVerdict)
    assert bad.text == "Maybe?"
    assert bad.model_id == "tiny"
    assert from_plain(FailedVerdict, json.loads(json.dumps(to_plain(bad)))) == bad
    # Every question shows three views and three slices.
    assert [len(question.pictures) for question in model.asked[0]] == [6, 6]


def test_a_model_that_died_fails_what_it_did_not_answer(base: Path, tmp_path: Path) -> None:
    model = Scripted([said(0, -1.0)], trouble=ModelError("It ended twice.", "Ask again."))
    first, second = _judge(language_folder(tmp_path / "tiny", base), model).judge_sites(
        slabs(), slab_sites()
    )
    assert isinstance(first, Verdict)
    assert isinstance(second, FailedVerdict)
    assert (second.reason, second.hint) == ("It ended twice.", "Ask again.")


def test_one_question_that_cannot_be_shown_does_not_stop_the_others(
    base: Path, tmp_path: Path
) -> None:
    joined, fine = slab_sites()
    stack = slabs()
    (partner,) = joined.partners
    same = Partner(**{**vars(partner), "supervoxel": partner.own_supervoxel})
    joined = Site(**{**vars(joined), "partners": (same,)})
    model = Scripted([said(0, 1.0)])
    first, second = _judge(language_folder(tmp_path / "tiny", base), model).judge_sites(
        stack, [joined, fine]
    )
    assert isinstance(first, FailedVerdict)
    assert "one segment by now" in first.reason
    assert isinstance(second, Verdict)


def test_a_folder_says_what_it_is_and_refuses_another_base(base: Path, tmp_path: Path) -> None:
    folder = language_folder(tmp_path / "models" / "tiny", base)
    judge = site_judge(find_model(str(folder.path)))
    assert isinstance(judge, VlmJudge)
    assert judge.model.health is Health.STOPPED
    assert load_of(folder).model == str(base)
    other = write_tiny_vlm(tmp_path / "other")
    (other / "config.json").write_text((other / "config.json").read_text() + " ")
    manifest = read_manifest(folder.path)
    contract = manifest.input
    assert isinstance(contract, LanguageContract)
    moved = contract.model_copy(update={"base": "../../other"})
    write_manifest(folder.path, manifest.model_copy(update={"input": moved}))
    with pytest.raises(ModelError, match="needs its base model"):
        site_judge(find_model(str(folder.path)))


def test_another_prompt_or_kind_is_refused(base: Path, tmp_path: Path) -> None:
    folder = language_folder(tmp_path / "tiny", base, Task.MERGE_ERROR_IDENTIFICATION)
    contract = folder.manifest.input
    assert isinstance(contract, LanguageContract)
    older = contract.model_copy(update={"prompt_sha256": "0" * 64})
    with pytest.raises(ModelError, match="another prompt"):
        spec_of(folder.manifest.model_copy(update={"input": older}))
    from tests.site_judges import scripted_manifest

    with pytest.raises(ModelError, match="no language model"):
        spec_of(scripted_manifest("trees"))


def test_the_asking_side_loads_none_of_the_models_libraries() -> None:
    script = (
        "import sys, inference.judges.vlm.judge, inference.judges.registry\n"
        "print([n for n in ('torch', 'transformers', 'peft') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert found.stdout.decode().strip() == "[]"
