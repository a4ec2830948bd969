"""The words in which a model asks for another view, read as strictly as its answers."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from inference.prompts.writing import Prompt

__all__ = ["Look", "offering", "read_look", "with_looks"]

_TAG = re.compile(r"\A\s*<look>\s*(?P<words>[a-z0-9 .+-]{1,60}?)\s*</look>\s*\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,6}(\.\d{1,3})?", re.ASCII)
_VIEWS = ("front", "side", "top")
_MOST = {"move": (50_000.0, 50_000.0), "zoom": (8.0,), "rotate": (180.0, 90.0)}
"""Largest numbers, up to the sign."""
_LEAST_ZOOM = 0.125


@dataclass(frozen=True)
class Look:
    """A view that is asked for.

    Parameters
    ----------
    kind : str
        ``front``, ``side``, ``top``, ``move`` (nm), ``zoom`` (a factor) or ``rotate``
        (degrees).
    numbers : tuple of float
        To the right and up; one factor for zoom; none for a named view.
    """

    kind: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{number:g}" for number in self.numbers)])


def read_look(text: str) -> Look | None:
    """Return the view that a reply asks for; None if it is anything else.

    The whole reply is one pair of tags around one of the known words and its numbers,
    none of them beyond its bounds.
    """
    found = _TAG.match(text)
    if found is None:
        return None
    kind, *told = found["words"].split()
    if kind in _VIEWS:
        return None if told else Look(kind)
    most = _MOST.get(kind)
    if most is None or len(told) != len(most) or not all(map(_NUMBER.fullmatch, told)):
        return None
    numbers = tuple(float(number) for number in told)
    if any(abs(number) > bound for number, bound in zip(numbers, most, strict=True)):
        return None
    if kind == "zoom" and numbers[0] < _LEAST_ZOOM:
        return None
    return Look(kind, numbers)


def offering(prompt: Prompt, left: int) -> Prompt:
    """Return a question that may be answered by asking for another view."""
    words = _words()["offer"].format(left=left, open="<look>", close="</look>")
    return _changed(prompt, f"{prompt.question}\n\n{words}", ())


def with_looks(prompt: Prompt, looks: Sequence[Look]) -> Prompt:
    """Return a question with further views, which follow its own pictures."""
    if not looks:
        return prompt
    told = "; ".join(f"{number}: {look}" for number, look in enumerate(looks, 1))
    words = _words()["taken"].format(count=len(looks), looks=told)
    names = tuple(f"look {number}" for number in range(1, len(looks) + 1))
    return _changed(prompt, f"{words}\n\n{prompt.question}", names)


def _changed(prompt: Prompt, question: str, more: tuple[str, ...]) -> Prompt:
    digest = hashlib.sha256(f"{prompt.sha256}\n{_words()['version']}\n{question}".encode())
    return replace(
        prompt,
        question=question,
        slices=(*prompt.slices, *more),
        sha256=digest.hexdigest(),
    )


@cache
def _words() -> dict[str, str]:
    resource = files("assets") / "prompts" / "seeking.toml"
    found: dict[str, str] = tomllib.loads(resource.read_text(encoding="utf-8"))
    return found
