"""How a fault is written: ``KIND[:TARGET][:p=CHANCE][:n=TIMES][:ms=MILLISECONDS]``."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from connectome.errors import InputError

__all__ = ["EDITS", "KINDS", "ROOT_READS", "FaultSpec"]

EDITS = frozenset({"merge", "split", "undo", "redo"})
ROOT_READS = frozenset({"roots_binary", "roots", "root", "is_latest_roots"})
_SPLIT = frozenset({"split"})
_HINT = (
    "Write KIND:TARGET:p=CHANCE:n=TIMES:ms=MILLISECONDS, of which only KIND must be there, "
    "for example drop-after:merge:p=0.2 or delay:roots_binary:ms=500."
)
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """What a kind of fault may hit, what it hits unless told otherwise, and how long."""

    possible: frozenset[str] | None
    usual: frozenset[str]
    ms: int | None = None


KINDS = {
    "delay": Kind(None, EDITS, 1000),
    "drop-before": Kind(None, EDITS),
    "drop-after": Kind(None, EDITS),
    "500-after": Kind(None, EDITS),
    "503": Kind(None, EDITS),
    "busy": Kind(EDITS, EDITS),
    "partial": Kind(_SPLIT, _SPLIT),
    "stale-root": Kind(ROOT_READS, ROOT_READS, 2000),
    "slow-disk": Kind(EDITS, EDITS, 1000),
    "full-disk": Kind(EDITS, EDITS),
}
"""Every kind of fault."""


@dataclass(frozen=True)
class FaultSpec:
    """One fault on demand.

    Parameters
    ----------
    text : str
        As it was written.
    kind : str
        One of `KINDS`.
    targets : frozenset of str, optional
        Names of routes (the last word of their paths); None for all.
    chance : float
        How probable it is at each occasion, 0 to 1.
    times : int, optional
        How often it may happen; None for without end.
    ms : int
        How long it lasts, for a delay, a slow disk and a stale root.
    """

    text: str
    kind: str
    targets: frozenset[str] | None
    chance: float = 1.0
    times: int | None = None
    ms: int = 0

    @classmethod
    def parse(cls, text: str, routes: Collection[str] = ()) -> FaultSpec:
        """Read a fault; ``routes`` are the names that a target may have, if known.

        Raises
        ------
        InputError
            If it is not written as it must be; the message says what is wrong.
        """
        name, *rest = text.split(":")
        kind = KINDS.get(name)
        if kind is None:
            raise _wrong(text, f"there is no kind {name!r}, only {', '.join(KINDS)}")
        targets: frozenset[str] | None = kind.usual
        if rest and "=" not in rest[0]:
            targets = _targets(text, kind, rest.pop(0), routes)
        options = _options(text, kind, rest)
        times = options.get("n")
        return cls(
            text,
            name,
            targets,
            options.get("p", 1.0),
            None if times is None else int(times),
            int(options.get("ms", kind.ms or 0)),
        )

    def hits(self, kind: str, route: str) -> bool:
        """Tell whether this may happen to a request."""
        return self.kind == kind and (self.targets is None or route in self.targets)


def _targets(text: str, kind: Kind, word: str, routes: Collection[str]) -> frozenset[str] | None:
    if word == "*":
        return kind.possible
    if kind.possible is not None and word not in kind.possible:
        raise _wrong(text, f"it can hit {', '.join(sorted(kind.possible))}, not {word!r}")
    if routes and word not in routes:
        raise _wrong(text, f"no route is called {word!r}")
    return frozenset({word})


def _options(text: str, kind: Kind, words: list[str]) -> dict[str, float]:
    options: dict[str, float] = {}
    for word in ",".join(words).split(",") if words else []:
        name, _, value = word.partition("=")
        if name not in ("p", "n", "ms") or name in options:
            raise _wrong(text, f"{word!r} is not one of p=, n= and ms=, each at most once")
        if _NUMBER.fullmatch(value) is None or (name != "p" and "." in value):
            raise _wrong(text, f"{value!r} is not a number for {name}")
        options[name] = float(value)
    if options.get("p", 0.0) > 1:
        raise _wrong(text, "a chance p is between 0 and 1")
    if "ms" in options and kind.ms is None:
        raise _wrong(text, "this kind lasts no time, so it takes no ms")
    return options


def _wrong(text: str, why: str) -> InputError:
    return InputError(f"The fault {text!r} cannot be understood: {why}.", _HINT)
