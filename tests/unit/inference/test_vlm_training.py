"""Training an adapter: the tiny model goes through the code that a real one goes through."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="a language model needs the extra `vlm`")
pytest.importorskip("peft", reason="a language model needs the extra `vlm`")

import torch

from connectome.errors import InputError, StorageError
from inference.datasets.pairs import watershed_pairs
from inference.datasets.views import pair_sample
from inference.datasets.volumes import load_truth_volume
from inference.judges.base import PairSample
from inference.judges.vlm.asking import ask_likelihoods
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadSettings, load_model
from inference.prompts.writing import write_prompt
from inference.training.vlm.adapter import with_adapter
from inference.training.vlm.examples import Example, Pictures, Target, collate, drawn
from inference.training.vlm.run import STATE, VlmTraining, train_adapter
from proofreading.verdicts import Task
from rendering.spec import EMSpec, RenderSpec
from tests.data import shared_data
from tests.tiny_vlm import write_tiny_vlm

PROMPT = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec(views=("front",)), EMSpec())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_vlm(tmp_path_factory.mktemp("vlm")))


def _colours(sample: PairSample) -> Pictures:
    """Grey in red, A in green and B in blue; the first slice also stands for the view."""
    slices = sample.slices
    a, b = (slices.mask(s) * np.uint8(255) for s in (sample.segment_a, sample.segment_b))
    planes = np.stack([slices.em, a, b], axis=-1)
    return (planes[0], *planes)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Sixteen pairs of one neuron and sixteen of two, in real tissue."""
    volume = load_truth_volume(shared_data("fib25")).below(60)
    pairs = watershed_pairs(volume)
    rng = np.random.default_rng(0)
    classes = (np.flatnonzero(pairs.same), np.flatnonzero(~pairs.same))
    made = []
    for row in np.concatenate([rng.choice(rows, 16, replace=False) for rows in classes]):
        sample = pair_sample(volume, pairs, int(row), pairs.contacts.center[row], EMSpec())
        pictures = partial(_colours, sample)
        made.append(Example(PROMPT, pictures, bool(pairs.same[row]), "It goes on."))
    return made


def _training(model: str, **changes: object) -> VlmTraining:
    usual = VlmTraining(
        model,
        "0" * 64,
        (3, 5),
        steps=140,
        batch=8,
        gather=1,
        learning_rate=1e-2,
        every=20,
        patience=50,
        device="cpu",
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft alone
def test_it_learns_real_pictures_by_heart_and_is_lost_without_them(
    model: str, examples: list[Example], tmp_path: Path
) -> None:
    best = train_adapter(examples, examples, _training(model), tmp_path)
    trained = load_model(LoadSettings(model, best, "cpu"))
    truth = np.array([example.yes for example in examples])

    def right(pictures: list[Pictures]) -> float:
        asked = [Question(PROMPT, shown) for shown in pictures]
        return float(((np.array(ask_likelihoods(trained, asked)) > 0) == truth).mean())

    shown = [example.pictures() for example in examples]
    assert right(shown) >= 0.95
    blank = [tuple(np.full_like(picture, 128) for picture in one) for one in shown]
    assert right(blank) == 0.5

    config = json.loads((tmp_path / "config.json").read_text())
    assert config["test_indices"] == [3, 5]
    assert config["dataset_sha256"] == "0" * 64
    _loads_without_proofdesk(model, best, examples[0], trained)


def _loads_without_proofdesk(model: str, best: Path, example: Example, trained: object) -> None:
    from peft import PeftModel
    from transformers import Qwen3VLForConditionalGeneration

    plain = PeftModel.from_pretrained(
        Qwen3VLForConditionalGeneration.from_pretrained(model), str(best)
    ).eval()
    ours = trained.network  # type: ignore[attr-defined]
    batch = collate(
        trained.encoder,  # type: ignore[attr-defined]
        [example],
        Target(),
        np.random.default_rng(0),
    )
    with torch.no_grad():
        assert torch.equal(plain(**batch).logits, ours(**batch).logits)


def test_the_loss_is_of_the_answer_alone_and_sees_the_pictures(
    model: str, examples: list[Example]
) -> None:
    loaded = load_model(LoadSettings(model, device="cpu"))
    rng = np.random.default_rng(0)
    batch = collate(loaded.encoder, examples[:2], Target(), rng)
    for row in batch["labels"]:
        learnt = row[row != -100].tolist()
        assert learnt[-1] == loaded.encoder.end_token
        assert loaded.encoder.text(learnt) == "<answer>yes</answer>"
    reasons = collate(loaded.encoder, examples[:1], Target(rationale=True), rng)["labels"][0]
    text = loaded.encoder.text(reasons[reasons != -100].tolist())
    assert text == "<analysis>It goes on.</analysis><answer>yes</answer>"
    dropped = collate(loaded.encoder, examples[:1], Target(True, dropout=1.0), rng)["labels"]
    assert int((dropped != -100).sum()) < int((reasons != -100).sum())

    blank = tuple(np.full_like(picture, 128) for picture in examples[0].pictures())
    with torch.no_grad():
        seen = loaded.network(**collate(loaded.encoder, examples[:1], Target(), rng)).loss
        unseen = [replace(examples[0], pictures=lambda: blank)]
        assert loaded.network(**collate(loaded.encoder, unseen, Target(), rng)).loss != seen


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    model: str, examples: list[Example], tmp_path: Path
) -> None:
    few = examples[12:20]
    settings = _training(model, steps=4, batch=2, every=2)
    train_adapter(few, few, settings, tmp_path / "whole")
    state = torch.load(tmp_path / "whole" / STATE, weights_only=True)

    from inference.training.vlm.run import _Run

    (tmp_path / "cut").mkdir()
    first = _Run(replace(settings, steps=2), tmp_path / "cut")
    first.go_on(few, few, lambda _: None)
    train_adapter(few, few, settings, tmp_path / "cut")
    again = torch.load(tmp_path / "cut" / STATE, weights_only=True)
    assert again["step"] == state["step"] == 4
    for name, weight in state["weights"].items():
        assert torch.equal(weight, again["weights"][name]), name


def test_only_the_adapter_learns_and_the_vision_tower_has_none(model: str) -> None:
    loaded = load_model(LoadSettings(model, device="cpu"))
    network = with_adapter(loaded.network, VlmTraining(model, "0").adapter)
    learning = [name for name, p in network.named_parameters() if p.requires_grad]
    assert all("lora_" in name for name in learning)
    assert any("merger" in name for name in learning)
    assert any("q_proj" in name for name in learning)
    assert not any("visual.blocks" in name for name in learning)


def test_an_epoch_draws_the_rarer_answer_more_often(examples: list[Example]) -> None:
    uneven = examples[:20]
    rows = drawn(uneven, 0, 1)
    assert sum(uneven[row].yes for row in rows) == len(rows) / 2
    assert set(rows) == set(range(20))
    assert sorted(drawn(uneven, 0, 1, balanced=False)) == list(range(20))
    assert drawn(uneven, 0, 1) != drawn(uneven, 1, 1)


def test_another_run_and_nothing_at_all_are_refused(
    model: str, examples: list[Example], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="nothing to train"):
        train_adapter([], examples, _training(model), tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(StorageError, match="other settings"):
        train_adapter(examples, examples, _training(model), tmp_path)
