"""What a person does in a day of proofreading, decided by a seed; and what was shown as done."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

__all__ = ["ANSWERS", "CUT", "REDO", "SENT", "UNDO", "Entry", "Journal", "plan"]

ANSWERS = {"F": "accept", "D": "reject", "S": "unsure", "A": "later", "G": "skip"}
UNDO, REDO, CUT = "Z", "Shift+Z", "cut"
SENT = "sent and undone"
"""An acceptance that is exported at once and taken back on the server."""
_WEIGHTS = {"F": 4, "D": 10, "S": 2, "A": 2, "G": 1}
_UNDO_SHARE, _REDO_SHARE = 0.08, 0.5


def plan(seed: int, decisions: int, cuts: int, sent: int = 0) -> list[str]:
    """Return keys in order: so many answers, with undo and redo in between.

    Some of the answers are cuts, and some are sent and undone.
    """
    chance = random.Random(seed)
    keys = chance.choices([*_WEIGHTS], [*_WEIGHTS.values()], k=decisions)
    for number, place in enumerate(chance.sample(range(decisions), cuts + sent)):
        keys[place] = CUT if number < cuts else SENT
    planned: list[str] = []
    for key in keys:
        planned.append(key)
        if chance.random() < _UNDO_SHARE and key != SENT:
            planned.append(UNDO)
            planned += [REDO] if chance.random() < _REDO_SHARE else []
    return planned


@dataclass(frozen=True)
class Entry:
    """One line of the journal.

    Parameters
    ----------
    step : int
        Place in the plan.
    what : str
        ``pressing`` a key, or what is ``shown`` after it, or ``back`` after a fault.
    key : str
        The key, or the fault.
    site : str
        The site that it was about, as far as known.
    answer : str or None
        The answer that the window shows for it.
    """

    step: int
    what: Literal["pressing", "shown", "back"]
    key: str
    site: str = ""
    answer: str | None = None


class Journal:
    """What the window showed, line by line in a file that outlives the window."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: Entry) -> None:
        """Add a line; it is with the operating system when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")

    def entries(self) -> Iterator[Entry]:
        """Yield every line."""
        if self.path.exists():
            for line in self.path.read_text("utf-8").splitlines():
                yield Entry(**json.loads(line))

    def shown(self) -> dict[str, str]:
        """Return the answers that stand, as the window showed them last."""
        found: dict[str, str] = {}
        for entry in self.entries():
            if entry.what == "shown":
                found.pop(entry.site, None)
                if entry.answer is not None:
                    found[entry.site] = entry.answer
        return found

    @property
    def last(self) -> Entry | None:
        """The newest line."""
        return next(reversed([*self.entries()]), None)
