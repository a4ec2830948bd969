"""Under which conditions a language model is asked, so that its figures mean something.

A model may answer from its words alone, from habit, or from what its base already knew:
each condition takes one of these away (ConnectomeBench's and ours).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.judges.vlm.folder import LanguageSpec
from inference.prompts.writing import Prompt

__all__ = ["CONDITIONS", "Condition", "blanked", "conditions_for", "trivial"]

Pictures = tuple[NDArray[np.uint8], ...]
GREY = 128
AS_TRAINED, BASE, BLANK, TRIVIAL, ANSWER_ONLY = (
    "as trained",
    "base model",
    "blank pictures",
    "trivial prompt",
    "answer only",
)


def _same(pictures: Pictures) -> Pictures:
    return pictures


def blanked(pictures: Pictures) -> Pictures:
    """Return grey pictures of the same sizes."""
    return tuple(np.full_like(picture, GREY) for picture in pictures)


def trivial(prompt: Prompt) -> Prompt:
    """Return a prompt that says nothing of the task, for the same pictures."""
    shared, question = (
        "Look at the pictures.",
        "Answer with <answer>yes</answer> or <answer>no</answer> and nothing else.",
    )
    digest = hashlib.sha256(f"{shared}\n{question}".encode()).hexdigest()
    return replace(prompt, shared=shared, question=question, sha256=digest)


@dataclass(frozen=True)
class Condition:
    """One way of asking.

    Parameters
    ----------
    name : str
        As figures call it.
    adapter : bool
        Whether what was trained is asked, or the base model.
    reasons : bool
        Whether it writes before it answers.
    prompt : Prompt
        The words.
    pictures : callable
        What becomes of the pictures.
    """

    name: str
    adapter: bool
    reasons: bool
    prompt: Prompt
    pictures: Callable[[Pictures], Pictures] = _same


CONDITIONS = (AS_TRAINED, BASE, BLANK, TRIVIAL, ANSWER_ONLY)


def conditions_for(spec: LanguageSpec, *, has_adapter: bool) -> list[Condition]:
    """Return the conditions of a model: without an adapter, the base is the model itself."""
    prompt, writes = spec.prompt(), spec.analysis or spec.confidence
    plain = Condition(AS_TRAINED, has_adapter, writes, prompt)
    found = [plain, replace(plain, name=BLANK, pictures=blanked)]
    found.append(replace(plain, name=TRIVIAL, reasons=False, prompt=trivial(prompt)))
    if writes:
        silent = replace(spec, analysis=False, confidence=False).prompt()
        found.append(replace(plain, name=ANSWER_ONLY, reasons=False, prompt=silent))
    if has_adapter:
        found.append(replace(plain, name=BASE, adapter=False))
    return found
