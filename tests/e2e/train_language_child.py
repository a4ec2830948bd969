"""Trains the tiny language model on real pictures of a datastack, in a process of its own.

The window's process must not have loaded the model's libraries.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.detecting import detect_batches
from app.services.opening import open_session
from connectome.datastack import Datastack
from connectome.opening import open_datastack
from inference.calibration import fit_calibration
from inference.judges.questions import question_roots
from inference.judges.vlm.asking import ask_reasons
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.folder import LanguageSpec, write_language_model
from inference.judges.vlm.model import LoadSettings, load_model
from inference.judges.vlm.seeing import QuestionPictures
from inference.prompts.writing import Slots
from inference.training.vlm.examples import Example, Pictures, Target
from inference.training.vlm.run import VlmTraining, train_adapter
from proofreading.sites import Site
from proofreading.verdicts import Task
from rendering.spec import EMSpec, RenderSpec
from tests.language_models import record
from tests.tiny_vlm import write_tiny_vlm

REASON = "A and B go on with the same direction."
REGION = "hippocampus"
ENOUGH = 6


def _sites(datastack: Datastack, session: Path) -> Iterator[Site]:
    with open_session(session, datastack=datastack) as opened:
        for _ in detect_batches(datastack, opened.catalogue, lambda _label, _done: None):
            yield from (site for site in opened.catalogue.sites() if site.partners)


def _shown(pictures: Pictures) -> Pictures:
    return pictures


def main(address: str, folder: str) -> None:
    out = Path(folder)
    base = write_tiny_vlm(out / "base")
    spec = LanguageSpec(
        Task.SPLIT_ERROR_CORRECTION,
        str(base),
        RenderSpec(half_extent_nm=1250.0, size_px=96),
        EMSpec(half_extent_nm=700.0, size_px=96),
        analysis=True,
        most_tokens=60,
        device="cpu",
    )
    datastack = open_datastack(address)
    maker = QuestionPictures(datastack, spec.render, spec.em)
    drawn: list[tuple[NDArray[np.uint8], ...]] = []
    for site in islice(_sites(datastack, out / "s.proofdesk"), ENOUGH):
        own, other, center = question_roots(datastack, site, site.partners[0])
        drawn.append(maker.at(center, own, other))
    # With a person's words and without: so small a model knows only what it has seen.
    prompts = [spec.prompt(), spec.prompt(Slots(region=REGION))]
    examples = [
        Example(prompt, partial(_shown, pictures), number % 2 == 0, REASON)
        for number, pictures in enumerate(drawn)
        for prompt in prompts
    ]
    settings = VlmTraining(
        str(base),
        "0" * 64,
        steps=160,
        batch=3,
        gather=1,
        learning_rate=1e-2,
        every=20,
        patience=50,
        device="cpu",
        target=Target(rationale=True),
    )
    best = train_adapter(examples, examples, settings, out / "run")
    trained = load_model(LoadSettings(str(base), best, "cpu"))
    asked = [Question(spec.prompt(), pictures) for pictures in drawn]
    replies = ask_reasons(trained, asked, most_tokens=spec.most_tokens)
    assert all(reply.logit is not None for reply in replies), [r.written.text for r in replies]
    logits = np.array([reply.logit for reply in replies], np.float64)
    truth = np.array([number % 2 == 0 for number in range(len(drawn))])
    calibration = fit_calibration(logits, truth, "what it was trained on", 0.3)
    write_language_model(out / "tiny", "tiny-words", spec, calibration, record(), adapter=best)
    datastack.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
