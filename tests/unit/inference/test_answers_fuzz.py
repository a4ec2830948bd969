"""Ten thousand malformed answers: nothing crashes, and none of them is read as an answer."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import ModelError
from inference.judges.vlm.protocol import Answered, read_reply, read_request
from inference.prompts.answers import read_answer

COUNT = 10_000
SEED = 6
WORDS = (
    "maybe", "yes or no", "yes no", "yes/no", "y", "n", "yess", "noo", "yes!", "yes,", "not no",
    "true", "1", "ja", "", " ", "ye s", "y\u0435s", "ye\u017f", "\uff59\uff45\uff53", "n\u043e",
    "yes\u200b", "\u0130yes", "**yes**", "`yes`", "<b>yes</b>", "yes\x00", "YES?", "yes..",
)  # fmt: skip
STRAY = (
    "x",
    "So: ",
    "yes",
    "no",
    "<",
    ">",
    "</",
    "\x00",
    "\u202e",
    "{}",
    "```",
    "<think>",
    "\ufffd",
)
REASONS = ("", "A and B line up.", "yes", "no membrane < 5 nm > here", "\u0130\u0130\u0130", "a\nb")
Made = Callable[[random.Random], str]


def _valid(rng: random.Random) -> str:
    analysis = f"<analysis>{rng.choice(REASONS)}</analysis>" if rng.random() < 0.5 else ""
    stated = f"<confidence>{rng.randrange(101)}</confidence>" if rng.random() < 0.3 else ""
    gap = rng.choice(("", " ", "\n"))
    word = rng.choice(("yes", "no", "Yes", "NO", "yes.", " no "))
    return f"{analysis}{gap}{stated}{gap}<answer>{word}</answer>"


def _cut(rng: random.Random) -> str:
    whole = _valid(rng)
    return whole[: rng.randrange(len(whole))]


def _other_word(rng: random.Random) -> str:
    return f"<answer>{rng.choice(WORDS)}</answer>"


def _twice(rng: random.Random) -> str:
    return _valid(rng) + rng.choice(("", " ", "\n", "or ")) + _valid(rng)


def _before(rng: random.Random) -> str:
    return rng.choice(STRAY) + _valid(rng)


def _after(rng: random.Random) -> str:
    return _valid(rng) + rng.choice(STRAY)


def _nested(rng: random.Random) -> str:
    inner = rng.choice(("<answer>no</answer>", "<answer>", "</ answer", "< answer>", "<Analysis>"))
    return f"<analysis>I say {inner}</analysis><answer>yes</answer>"


def _bad_tag(rng: random.Random) -> str:
    name = rng.choice(("answers", "Answer ", "anwser", "\u0430nswer", "answer/", "a nswer", "ans"))
    return f"<{name}>yes</{name}>"


def _bad_order(rng: random.Random) -> str:
    parts = [
        "<answer>yes</answer>",
        rng.choice(("<analysis>a</analysis>", "<confidence>9</confidence>")),
    ]
    return "".join(parts)


def _bad_confidence(rng: random.Random) -> str:
    stated = rng.choice(
        ("101", "999", "1000", "-1", "0.9", "nan", "", "\u0663\u0663", "9 9", "90%%")
    )
    return f"<confidence>{stated}</confidence><answer>yes</answer>"


def _one_off(rng: random.Random) -> str:
    """Take away, double or swap one character of the tags."""
    whole = "<answer>yes</answer>"
    place = rng.randrange(len(whole))
    change = rng.choice(("", whole[place] * 2, "\x00", "<"))
    made = whole[:place] + change + whole[place + 1 :]
    return made if made != whole else ""


def _other_form(rng: random.Random) -> str:
    return rng.choice(
        ('{"answer": "yes"}', "yes", "Answer: yes", "[yes]", "(yes)", "\\boxed{yes}", "<yes/>",
         "&lt;answer&gt;yes&lt;/answer&gt;", "<answer value='yes'/>", "<answer>\n\n</answer>yes")
    )  # fmt: skip


def _noise(rng: random.Random) -> str:
    return "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(rng.randrange(60)))


def _endless(rng: random.Random) -> str:
    return rng.choice(("<analysis>", "<answer>", "yes ", "<answer>yes", "</answer>")) * 2000


MAKERS: tuple[Made, ...] = (
    _cut, _other_word, _twice, _before, _after, _nested, _bad_tag, _bad_order, _bad_confidence,
    _one_off, _other_form, _noise,
)  # fmt: skip


def _malformed() -> list[str]:
    rng = random.Random(SEED)
    made = [MAKERS[number % len(MAKERS)](rng) for number in range(COUNT - 20)]
    return [*made, *(_endless(rng) for _ in range(20))]


def test_ten_thousand_malformed_answers_are_no_answers() -> None:
    texts = _malformed()
    assert len(texts) == COUNT
    assert len(set(texts)) > 2000
    read = [text for text in texts if read_answer(text).yes is not None]
    assert read == []
    for text in texts:
        assert read_answer(text).text == text
        assert read_answer(text).before == ""


def test_well_formed_ones_are_all_read() -> None:
    rng = random.Random(SEED)
    seen: Counter[bool | None] = Counter()
    for _ in range(2000):
        text = _valid(rng)
        found = read_answer(text)
        said = text.rsplit("<answer>", 1)[1].strip().lower()
        assert found.yes is said.startswith("yes"), text
        assert text[len(found.before) :].lower().startswith(("yes", "no")), text
        seen[found.yes] += 1
    assert min(seen[True], seen[False]) > 500


def test_they_pass_the_process_unchanged_and_never_as_a_number() -> None:
    for text in _malformed()[:: COUNT // 2000]:
        line = Answered(id=1, index=0, logit=None, text=text, latency_ms=1.0).line()
        assert line.count("\n") == 1
        back = read_reply(line)
        assert isinstance(back, Answered)
        assert back.text == text
        assert back.logit is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', "[1]", "{}"])
def test_a_likelihood_that_is_none_is_refused(number: str) -> None:
    line = f'{{"kind":"answered","id":1,"index":0,"logit":{number},"latency_ms":1}}'
    with pytest.raises(ModelError, match="unreadable"):
        read_reply(line)


def test_ten_thousand_damaged_lines_are_told_from_answers() -> None:
    rng = random.Random(SEED)
    plain = Answered(id=1, index=0, logit=-2.0, text="<answer>no</answer>", latency_ms=1.0).line()
    refused = 0
    for _ in range(COUNT):
        line = _damaged(plain, rng)
        try:
            found = read_reply(line)
        except ModelError:
            refused += 1
            continue
        # Whatever still is a line of the protocol is one whose digits or words were changed.
        assert isinstance(found, Answered), line
        assert found.line()
    assert refused > COUNT / 2


def _damaged(line: str, rng: random.Random) -> str:
    for _ in range(rng.randrange(1, 4)):
        place = rng.randrange(len(line))
        line = (
            line[:place]
            + rng.choice(("", "\x00", '"', "{", "}", ",", "é", line))
            + line[place + 1 :]
        )
    return line


def _reference(text: str) -> bool | None:
    """Read an answer without regular expressions: an independent statement of the form."""
    blank = " \t\n\r\f\v"
    rest = text.strip(blank)
    if rest.startswith("<analysis>"):
        reasons, closed, rest = rest.removeprefix("<analysis>").partition("</analysis>")
        spaceless = "".join(c for c in reasons.lower() if c not in blank)
        names = ("analysis", "answer", "confidence")
        if not closed or any(
            f"<{slash}{name}" in spaceless for name in names for slash in ("", "/")
        ):
            return None
        rest = rest.strip(blank)
    if rest.startswith("<confidence>"):
        stated, _, rest = rest.removeprefix("<confidence>").partition("</confidence>")
        stated = stated.strip(blank).removesuffix("%").strip(blank)
        if not (stated.isascii() and stated.isdigit() and len(stated) <= 3 and int(stated) <= 100):
            return None
        rest = rest.strip(blank)
    folded = "".join(c.lower() if c.isascii() else c for c in rest)
    if not (folded.startswith("<answer>") and folded.endswith("</answer>")):
        return None
    word = folded.removeprefix("<answer>").removesuffix("</answer>").strip(blank)
    return {"yes": True, "no": False}.get(word.removesuffix(".").strip(blank))


def _names_a_tag(reasons: str, blank: str) -> bool:
    """Tell whether something in the reasons begins like one of the tags."""
    for piece in reasons.split("<")[1:]:
        begun = piece.lstrip(blank).removeprefix("/").lstrip(blank)
        name = "".join(takewhile(lambda c: c.isascii() and (c.isalnum() or c == "_"), begun))
        if name.lower() in ("analysis", "answer", "confidence"):
            return True
    return False


PIECES = st.sampled_from(
    ("<analysis>", "</analysis>", "<answer>", "</answer>", "<confidence>", "</confidence>", "yes",
     "no", "YES", "90", "101", "%", ".", " ", "\n", "<", ">", "/", "a", "\u017f", "\u0130", "\x00")
)  # fmt: skip


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(st.one_of(st.lists(PIECES, max_size=14).map("".join), st.text(max_size=40)))
def test_the_reader_agrees_with_the_form_stated_otherwise(text: str) -> None:
    assert read_answer(text).yes is _reference(text)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=80), st.binary(max_size=80).map(lambda b: b.decode("latin-1"))))
def test_lines_of_anything_are_refused_in_words(line: str) -> None:
    for read in (read_reply, read_request):
        with pytest.raises(ModelError, match="unreadable"):
            read(line)
