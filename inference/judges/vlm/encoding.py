"""From a question to the tokens and patches that Qwen3-VL reads.

The chat format is that of the Qwen family: turns between ``<|im_start|>`` and
``<|im_end|>``, and for each picture one ``<|image_pad|>`` per merged patch between
``<|vision_start|>`` and ``<|vision_end|>``. The processor class that comes with the model
needs torchvision for videos; pictures need only its image half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from connectome.errors import ModelError
from inference.prompts.writing import Prompt

__all__ = ["Encoded", "Encoder", "Question"]

START, END = "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END, IMAGE = "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"
_SPECIAL = (START, END, VISION_START, VISION_END, IMAGE)
TEXT, PICTURE = 0, 1
"""Token types, as the model's position index wants them."""


@dataclass(frozen=True)
class Question:
    """A prompt with its pictures.

    Parameters
    ----------
    prompt : Prompt
        The words.
    pictures : tuple of ndarray of uint8, shape (height, width, 3)
        In the order of ``prompt.views`` and ``prompt.slices``.
    """

    prompt: Prompt
    pictures: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Encoded:
    """One question as tokens and patches.

    Parameters
    ----------
    shared : list of int
        Tokens that every question of this prompt begins with.
    own : list of int
        The rest: pictures, question, and the beginning of the answer.
    patches : Tensor, shape (p, d)
        The pictures' patches.
    grid : Tensor, shape (pictures, 3)
        Patches of each picture in time, height and width.
    """

    shared: list[int]
    own: list[int]
    patches: Tensor
    grid: Tensor


class Encoder:
    """Encodes questions for one model.

    Parameters
    ----------
    tokenizer, image_processor
        Those that lie beside the model's weights.

    Raises
    ------
    ModelError
        If the tokenizer is not one of the Qwen family.
    """

    def __init__(self, tokenizer: Any, image_processor: Any) -> None:
        self._tokenizer = tokenizer
        self._images = image_processor
        unknown = tokenizer.unk_token_id
        found = {name: tokenizer.convert_tokens_to_ids(name) for name in _SPECIAL}
        missing = [name for name, token in found.items() if token is None or token == unknown]
        if missing:
            raise ModelError(
                f"The tokenizer of this model knows no {missing[0]}.",
                "Name a Qwen3-VL model; others cannot be asked with pictures here.",
            )
        self.image_token = int(found[IMAGE])
        self.end_token = int(found[END])
        self.pad_token = int(tokenizer.pad_token_id or self.end_token)
        self._per_cell = int(image_processor.merge_size) ** 2

    def encode(self, question: Question, beginning: str = "") -> Encoded:
        """Return a question as tokens, with the beginning of its answer.

        Raises
        ------
        ModelError
            If the pictures are not as many as the prompt speaks of.
        """
        prompt = question.prompt
        told = len(prompt.views) + len(prompt.slices)
        if len(question.pictures) != told:
            raise ModelError(
                f"The prompt speaks of {told} pictures, but {len(question.pictures)} were given.",
                "Make the pictures with the specs that the prompt was written for.",
            )
        made = self._images(
            images=[Image.fromarray(picture) for picture in question.pictures], return_tensors="pt"
        )
        grid: Tensor = made["image_grid_thw"]
        own = []
        for cells in (grid.prod(dim=1) // self._per_cell).tolist():
            own += [*self.tokens(VISION_START), *([self.image_token] * cells)]
            own += self.tokens(VISION_END)
        own += self.tokens(f"\n{prompt.question}{END}\n{START}assistant\n{beginning}")
        shared = self.tokens(f"{START}user\n{prompt.shared}\n")
        return Encoded(shared, own, made["pixel_values"], grid)

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, special ones included."""
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, without the special ones."""
        found: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return found

    def choice(self, yes: str, no: str) -> tuple[int, int]:
        """Return the first tokens in which two continuations differ.

        Raises
        ------
        ModelError
            If the tokenizer writes both with the same first token.
        """
        one, other = self.tokens(yes), self.tokens(no)
        if not one or not other or one[0] == other[0]:
            raise ModelError(
                f"The tokenizer cannot tell {yes!r} from {no!r} by one token.",
                "Name a Qwen3-VL model.",
            )
        return one[0], other[0]

    def batch(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Return tokens (n, longest) padded on the left, and which of them are real."""
        longest = max(len(row) for row in rows)
        tokens = torch.full((len(rows), longest), self.pad_token)
        real = torch.zeros((len(rows), longest), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, longest - len(row) :] = torch.tensor(list(row))
            real[place, longest - len(row) :] = 1
        return tokens, real

    def kinds(self, tokens: Tensor) -> Tensor:
        """Return the type of each token, as the model's position index wants them."""
        return torch.where(tokens == self.image_token, PICTURE, TEXT)
