"""What a vision-language model is trained on: questions with the answers it should write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.judges.vlm.encoding import Encoder, Question
from inference.prompts.writing import Prompt

__all__ = ["Example", "Target", "collate", "drawn"]

Pictures = tuple[NDArray[np.uint8], ...]
IGNORED = -100
"""The label of a token that the loss leaves out, as transformers wants it."""


@dataclass(frozen=True)
class Target:
    """What the model learns to write.

    Parameters
    ----------
    rationale : bool
        Reasons before the answer, where an example has some.
    dropout : float
        Share of the examples with reasons that are shown without them, so that the
        answer does not come to depend on having written some.
    """

    rationale: bool = False
    dropout: float = 0.0


@dataclass(frozen=True)
class Example:
    """One question with its answer.

    Parameters
    ----------
    prompt : Prompt
        The words.
    pictures : callable
        Reads the pictures when they are needed: a data set does not fit into memory.
    yes : bool
        The answer.
    rationale : str
        Reasons for it, empty if there are none.
    """

    prompt: Prompt
    pictures: Callable[[], Pictures]
    yes: bool
    rationale: str = ""

    def answer(self, *, with_reasons: bool) -> str:
        """Return the text that the model should write."""
        reasons = f"<analysis>{self.rationale}</analysis>" if with_reasons else ""
        return f"{reasons}<answer>{'yes' if self.yes else 'no'}</answer>"


def drawn(
    examples: Sequence[Example], epoch: int, seed: int, *, balanced: bool = True
) -> list[int]:
    """Return the order of an epoch; balanced, the rarer answer is drawn again as often."""
    rng = np.random.default_rng([seed, epoch])
    truth = np.array([example.yes for example in examples])
    rows = np.arange(len(examples))
    if balanced and truth.any() and not truth.all():
        groups = [rows[truth], rows[~truth]]
        most = max(len(group) for group in groups)
        more = [rng.choice(group, most - len(group)) for group in groups]
        rows = np.concatenate([*groups, *more])
    order: list[int] = rng.permutation(rows).tolist()
    return order


def collate(
    encoder: Encoder, examples: Sequence[Example], target: Target, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Return a batch whose labels are the tokens of the answers and nothing else."""
    rows, answers, patches, grids = [], [], [], []
    for example in examples:
        encoded = encoder.encode(Question(example.prompt, example.pictures()))
        reasons = target.rationale and bool(example.rationale)
        reasons = reasons and rng.random() >= target.dropout
        answer = encoder.tokens(example.answer(with_reasons=reasons))
        answer.append(encoder.end_token)
        rows.append([*encoded.shared, *encoded.own, *answer])
        answers.append(len(answer))
        patches.append(encoded.patches)
        grids.append(encoded.grid)
    tokens, real = encoder.batch(rows)
    labels = torch.full_like(tokens, IGNORED)
    # Rows are padded on the left, so every answer stands at the end.
    for place, length in enumerate(answers):
        labels[place, -length:] = tokens[place, -length:]
    return {
        "input_ids": tokens,
        "attention_mask": real,
        "mm_token_type_ids": encoder.kinds(tokens),
        "pixel_values": torch.cat(patches),
        "image_grid_thw": torch.cat(grids),
        "labels": labels,
    }


def moved(batch: dict[str, Tensor], device: torch.device, dtype: Any) -> dict[str, Tensor]:
    """Return a batch on a device, its pictures in the model's precision."""
    return {
        name: value.to(device, dtype) if name == "pixel_values" else value.to(device)
        for name, value in batch.items()
    }
