"""Reading what a language model wrote: a yes, a no, or nothing that counts."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["WrittenAnswer", "read_answer"]

# ASCII: otherwise a long s would count as an s, and digits of other scripts as digits.
_EXACT = re.ASCII | re.IGNORECASE
_ANALYSIS = re.compile(r"\A\s*<analysis>(?P<text>.*?)</analysis>", re.DOTALL | re.ASCII)
_CONFIDENCE = re.compile(r"\A\s*<confidence>\s*(?P<percent>\d{1,3})\s*%?\s*</confidence>", re.ASCII)
_ANSWER = re.compile(r"\A\s*<answer>\s*(?P<word>yes|no)\s*[.]?\s*</answer>\s*\Z", _EXACT)
_TAG = re.compile(r"<\s*/?\s*(analysis|answer|confidence)\b", _EXACT)


@dataclass(frozen=True)
class WrittenAnswer:
    """What was understood of a reply.

    Parameters
    ----------
    yes : bool or None
        None where the reply cannot be read: a failed verdict, never a guess.
    analysis : str
        The reasons that were given, empty if none.
    confidence : float or None
        The stated confidence, 0 to 1, if one was asked for and given.
    text : str
        The reply itself.
    before : str
        The reply up to the word of its answer, empty where it cannot be read.
    """

    yes: bool | None
    analysis: str
    confidence: float | None
    text: str
    before: str = ""


def read_answer(text: str) -> WrittenAnswer:
    """Read a reply of the form ``[<analysis>…</analysis>][<confidence>…</confidence>]<answer>…``.

    Anything else than that form, from its beginning to its end, is unreadable: a second
    answer, an answer inside the reasons, text around the tags or a word that is neither
    yes nor no. A tag that is repeated inside the reasons makes them unreadable too, since
    nobody can tell which of them was meant.
    """
    rest, analysis, confidence = text, "", None
    if (found := _ANALYSIS.match(rest)) is not None:
        analysis, rest = found["text"].strip(), rest[found.end() :]
    if (found := _CONFIDENCE.match(rest)) is not None:
        confidence, rest = int(found["percent"]) / 100, rest[found.end() :]
    answer = _ANSWER.match(rest)
    unreadable = answer is None or _TAG.search(analysis) or (confidence or 0.0) > 1.0
    if answer is None or unreadable:
        return WrittenAnswer(None, analysis, None, text)
    before = text[: len(text) - len(rest) + answer.start("word")]
    return WrittenAnswer(answer["word"].lower() == "yes", analysis, confidence, text, before)
