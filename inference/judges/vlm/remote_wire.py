"""The chat-completions wire format: a question as a request, a reply as an answer.

As vLLM (https://docs.vllm.ai, OpenAI-compatible server) and llama.cpp's server speak it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectome.errors import ModelError
from inference.judges.vlm.protocol import Asked
from inference.prompts.answers import WrittenAnswer, read_answer

__all__ = ["Wish", "Written", "body_of", "choice_logit", "read_completion", "votes_logit"]

TOP = 20
"""Alternatives that are asked for at each token; what servers give at most."""
_SHORT_ANSWER_TOKENS = 24
"""Enough for the tags around a yes where nothing else is asked for."""


@dataclass(frozen=True)
class Wish:
    """How an answer is written."""

    model: str
    reasons: bool
    most_tokens: int
    temperature: float
    seed: int
    logprobs: bool


@dataclass(frozen=True)
class Written:
    """A reply.

    Parameters
    ----------
    logit : float or None
        ``log p(yes) - log p(no)`` at the answer's word, where the server tells.
    tells : bool
        Whether the server gave probabilities at all.
    """

    answer: WrittenAnswer
    logit: float | None
    tells: bool


def body_of(asked: Asked, wish: Wish) -> dict[str, Any]:
    """Return the JSON of a request; pictures go as data addresses, never as links."""
    content: list[dict[str, Any]] = [{"type": "text", "text": asked.shared}]
    content += [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}}
        for picture in asked.pictures
    ]
    content.append({"type": "text", "text": asked.question})
    body: dict[str, Any] = {
        "model": wish.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": wish.most_tokens if wish.reasons else _SHORT_ANSWER_TOKENS,
        "temperature": wish.temperature,
        "seed": wish.seed,
        "stream": False,
    }
    return {**body, "logprobs": True, "top_logprobs": TOP} if wish.logprobs else body


def read_completion(told: Any) -> Written:
    """Read a reply.

    Raises
    ------
    ModelError
        If it is none.
    """
    try:
        choice = told["choices"][0]
        text = _plain(choice["message"].get("content") or "")
        entries = _entries(choice.get("logprobs"))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            "The server's reply is no chat completion.",
            "Check that its address ends where it should, such as http://127.0.0.1:8000/v1.",
        ) from error
    answer = read_answer(text)
    logit = None if answer.yes is None else choice_logit(entries, text, len(answer.before))
    return Written(answer, logit, tells=bool(entries))


def choice_logit(entries: Sequence[Mapping[str, Any]], text: str, begin: int) -> float | None:
    """Return how much likelier yes is than no at the token in which the word begins.

    Tokens count for a word if they are a beginning of it. Where one of the two is not
    among the alternatives, the least likely alternative stands for it: the answer is
    then less sure than the model, never surer.

    Parameters
    ----------
    entries : sequence of mapping
        ``token`` and ``top_logprobs`` of each token, in order.
    begin : int
        Where in the text the word begins.
    """
    place = 0
    for entry in entries:
        token = str(entry["token"])
        if place <= begin < place + len(token):
            if text[place : place + len(token)] != token:
                return None  # The tokens are not those of the text: nothing can be said.
            return _difference(entry, token[: begin - place])
        place += len(token)
    return None


def votes_logit(votes: Sequence[bool | None]) -> float | None:
    """Return the log odds of yes among sampled answers (Laplace's rule).

    None where fewer than half of them can be read.
    """
    cast = [vote for vote in votes if vote is not None]
    if not cast or 2 * len(cast) < len(votes):
        return None
    return math.log((sum(cast) + 1) / (len(cast) - sum(cast) + 1))


def _difference(entry: Mapping[str, Any], before: str) -> float | None:
    chances = {"yes": 0.0, "no": 0.0}
    lowest = math.inf
    for other in [entry, *(entry.get("top_logprobs") or [])]:
        lowest = min(lowest, float(other["logprob"]))
    seen: set[str] = set()
    for other in [*(entry.get("top_logprobs") or []), entry]:
        token = str(other["token"])
        if token in seen or not token.startswith(before):
            continue
        seen.add(token)
        word = token[len(before) :].strip().lower()
        for name in chances:
            if word and (name.startswith(word) or word.startswith(name)):
                chances[name] += math.exp(float(other["logprob"]))
    if not any(chances.values()) or not math.isfinite(lowest):
        return None
    floor = math.exp(lowest)
    yes, no = (
        max(chances[name], floor) if not chances[name] else chances[name] for name in chances
    )
    return math.log(yes) - math.log(no) if yes > 0 and no > 0 else None


def _entries(logprobs: Any) -> list[Mapping[str, Any]]:
    found = (logprobs or {}).get("content") or []
    return [{**entry, "token": _plain(entry["token"])} for entry in found]


def _plain(text: str) -> str:
    """Return a text without halves of characters, which JSON can hold and files cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
