"""A person's own answered sites as examples in a question: their pictures, then its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from inference.prompts.templates import common_words
from inference.prompts.writing import Prompt

__all__ = ["MOST_SHOTS", "Shot", "even_choice", "told_shots", "with_shots"]

MOST_SHOTS = 8
"""Each adds as many pictures as the question itself has: more would drown it."""

Pictures = tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Shot:
    """A site that a person has answered.

    Parameters
    ----------
    site_id : str
        Which.
    yes : bool
        The answer.
    pictures : tuple of ndarray of uint8, shape (height, width, 3)
        As a question about it would show them.
    reason : str
        In the person's words, or empty.
    """

    site_id: str
    yes: bool
    pictures: Pictures
    reason: str = ""

    @property
    def sha256(self) -> str:
        """Hash over the site, its answer, its reason and its pictures."""
        digest = hashlib.sha256(json.dumps([self.site_id, self.yes, self.reason]).encode())
        for picture in self.pictures:
            digest.update(repr(picture.shape).encode())
            digest.update(np.ascontiguousarray(picture).tobytes())
        return digest.hexdigest()


def even_choice(shots: Sequence[Shot], count: int, leave_out: str = "") -> list[Shot]:
    """Return at most ``count`` examples, the first of each answer, in turn.

    As many of yes as of no, or one more: with more of one kind, a model answers by habit.

    Parameters
    ----------
    leave_out : str
        Id of the site that is asked about, which must not be its own example.
    """
    known = [shot for shot in shots if shot.site_id != leave_out]
    kinds = [[s for s in known if s.yes], [s for s in known if not s.yes]]
    each = min(len(kinds[0]), len(kinds[1]), max(count, 0) // 2, MOST_SHOTS // 2)
    return [shot for pair in zip(kinds[0][:each], kinds[1][:each], strict=True) for shot in pair]


def told_shots(shots: Sequence[Shot]) -> tuple[tuple[str, str], ...]:
    """Return which examples were given, by name, for a verdict's provenance."""
    return tuple(
        (f"shown example {number}", f"{shot.site_id} {'yes' if shot.yes else 'no'}")
        for number, shot in enumerate(shots, 1)
    )


def with_shots(
    prompt: Prompt, pictures: Pictures, shots: Sequence[Shot]
) -> tuple[Prompt, Pictures]:
    """Return a question with examples before it, and all pictures in their order.

    The prompt's hash is over the examples' pictures too.

    Raises
    ------
    InputError
        If an example has not as many pictures as the question, or there are too many.
    """
    if not shots:
        return prompt, pictures
    if len(shots) > MOST_SHOTS:
        raise InputError(
            f"{len(shots)} examples are too many.", f"Choose at most {MOST_SHOTS} of them."
        )
    if any(len(shot.pictures) != len(pictures) for shot in shots):
        raise InputError(
            "An example has other pictures than the question.",
            "Choose examples whose pictures were made the same way.",
        )
    question = "\n\n".join([_told(shots, len(pictures)), prompt.question])
    digest = hashlib.sha256(f"{prompt.sha256}\n{question}".encode())
    for shot in shots:
        digest.update(shot.sha256.encode())
    names = tuple(
        f"example {number} {name}"
        for number in range(1, len(shots) + 1)
        for name in (*prompt.views, *prompt.slices)
    )
    changed = replace(
        prompt, question=question, views=(*names, *prompt.views), sha256=digest.hexdigest()
    )
    return changed, (*(picture for shot in shots for picture in shot.pictures), *pictures)


def _told(shots: Sequence[Shot], each: int) -> str:
    common = common_words()
    lines = [common.examples.format(count=len(shots), pictures=len(shots) * each, each=each)]
    for number, shot in enumerate(shots, 1):
        answer = f"<answer>{'yes' if shot.yes else 'no'}</answer>"
        reason = f" ({shot.reason.strip()})" if shot.reason.strip() else ""
        lines.append(f"{number}: {answer}{reason}")
    return "\n".join(lines)
