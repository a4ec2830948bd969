"""Asking a vision-language model: how likely a yes is, and why."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.judges.vlm.encoding import Encoded, Question
from inference.judges.vlm.model import LoadedModel
from inference.prompts.answers import WrittenAnswer, read_answer

__all__ = ["Reply", "ask_likelihoods", "ask_reasons"]

ANSWER = "<answer>"
Stop = Callable[[], bool]


@dataclass(frozen=True)
class Reply:
    """What a model said about one question.

    Parameters
    ----------
    logit : float or None
        ``log p(yes) - log p(no)`` where the answer stands; None where there is no answer.
    written : WrittenAnswer
        What it wrote, as far as it was asked to.
    """

    logit: float | None
    written: WrittenAnswer


def ask_likelihoods(
    model: LoadedModel, questions: Sequence[Question], *, batch: int = 8, reuse: bool = True
) -> list[float]:
    """Return ``log p(yes) - log p(no)`` of every question, the answer's first word.

    Parameters
    ----------
    batch : int
        Questions at a time.
    reuse : bool
        Read what all questions of a prompt share only once.
    """
    found: list[float] = []
    for begin in range(0, len(questions), batch):
        part = [model.encoder.encode(q, ANSWER) for q in questions[begin : begin + batch]]
        same = all(each.shared == part[0].shared for each in part)
        found += _differences(model, _last_logits(model, part, reuse=reuse and same))
    return found


def ask_reasons(
    model: LoadedModel,
    questions: Sequence[Question],
    *,
    most_tokens: int = 400,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Reply]:
    """Let the model write its answer to every question, reasons included.

    The likelihood is taken where its own text comes to the answer. With a temperature
    above 0 the text is sampled, and the same seed gives the same text.
    """
    replies = []
    for place, question in enumerate(questions):
        text = _written(model, question, most_tokens, temperature, seed + place)
        written = read_answer(text)
        logit = None
        if written.yes is not None:
            part = [model.encoder.encode(question, written.before)]
            (logit,) = _differences(model, _last_logits(model, part, reuse=False))
        replies.append(Reply(logit, written))
    return replies


def _differences(model: LoadedModel, logits: Tensor) -> list[float]:
    yes, no = model.encoder.choice("yes", "no")
    found: list[float] = (logits[:, yes] - logits[:, no]).tolist()
    return found


def _last_logits(model: LoadedModel, part: Sequence[Encoded], *, reuse: bool) -> Tensor:
    """Return the logits (n, vocabulary) of the token after each question."""
    with torch.inference_mode():
        inputs = _inputs(model, part)
        if reuse:
            _skip_shared(model, part, inputs)
        output = model.network(**inputs, logits_to_keep=1)
    last: Tensor = output.logits[:, -1].float()
    return last


def _inputs(model: LoadedModel, part: Sequence[Encoded]) -> dict[str, Any]:
    encoder, device = model.encoder, model.device
    tokens, real = encoder.batch([[*each.shared, *each.own] for each in part])
    dtype = next(model.network.parameters()).dtype
    return {
        "input_ids": tokens.to(device),
        "attention_mask": real.to(device),
        "mm_token_type_ids": encoder.kinds(tokens).to(device),
        "pixel_values": torch.cat([each.patches for each in part]).to(device, dtype),
        "image_grid_thw": torch.cat([each.grid for each in part]).to(device),
    }


def _skip_shared(model: LoadedModel, part: Sequence[Encoded], inputs: dict[str, Any]) -> None:
    """Read the shared words once, and leave only what follows them in the inputs.

    The shared tokens come first in every row only if no row is padded.
    """
    lengths = {len(each.own) for each in part}
    count = len(part[0].shared)
    if len(lengths) != 1 or len(part) == 1:
        return
    inner = _inner(model.network)
    positions, _ = inner.get_rope_index(
        inputs["input_ids"],
        image_grid_thw=inputs["image_grid_thw"],
        attention_mask=inputs["attention_mask"],
        mm_token_type_ids=inputs["mm_token_type_ids"],
    )
    first = model.network(input_ids=inputs["input_ids"][:1, :count], use_cache=True)
    cache = copy.deepcopy(first.past_key_values)
    cache.batch_repeat_interleave(len(part))
    inputs["past_key_values"] = cache
    inputs["position_ids"] = positions[:, :, count:]
    for name in ("input_ids", "mm_token_type_ids"):
        inputs[name] = inputs[name][:, count:]


def _inner(network: Any) -> Any:
    """Return the model below the language head, with or without an adapter around it."""
    base = network.get_base_model() if hasattr(network, "get_base_model") else network
    return base.model


def _written(
    model: LoadedModel, question: Question, most_tokens: int, temperature: float, seed: int
) -> str:
    inputs = _inputs(model, [model.encoder.encode(question)])
    length = inputs["input_ids"].shape[1]
    sampling: dict[str, Any] = {"do_sample": temperature > 0}
    if temperature > 0:
        sampling |= {"temperature": temperature}
        torch.manual_seed(seed)
    with torch.inference_mode():
        tokens = model.network.generate(
            **inputs,
            **sampling,
            max_new_tokens=most_tokens,
            eos_token_id=model.encoder.end_token,
            pad_token_id=model.encoder.pad_token,
        )
    return model.encoder.text(tokens[0, length:].tolist())
