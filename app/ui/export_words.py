"""What the export says: headings, sentences and what can be done, free of Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.services.model import EditList, Fate, PlannedEdit, SecondLook
from app.ui.widgets import short_id

__all__ = [
    "Section",
    "actions_of",
    "common_actions",
    "confirm_text",
    "sections",
    "send_text",
    "short_text",
    "summary",
]

_TITLES = {
    Fate.LOOK: "want a second look",
    Fate.WARNED: "held by a warning",
    Fate.FAILED: "refused",
    Fate.UNKNOWN: "not known yet",
    Fate.PARTIAL: "applied in part",
    Fate.READY: "ready to send",
    Fate.WAITING: "waiting",
    Fate.APPLIED: "applied",
    Fate.NEEDLESS: "",
}
"""In the order of what needs the person most."""

_NEEDLESS = {"joined": "already one object", "apart": "already apart"}
_ACTIONS = {
    Fate.LOOK: (SecondLook.APPROVE, SecondLook.DROP),
    Fate.WARNED: (SecondLook.OVERRIDE, SecondLook.DROP),
    Fate.FAILED: (SecondLook.RETRY, SecondLook.DROP),
}


@dataclass(frozen=True)
class Section:
    """Edits of one fate under a heading; quiet ones are folded until somebody asks."""

    fate: Fate
    title: str
    edits: tuple[PlannedEdit, ...]

    @property
    def quiet(self) -> bool:
        """Whether nobody needs to read it."""
        return self.fate is Fate.NEEDLESS


def sections(edits: Iterable[PlannedEdit]) -> list[Section]:
    """Return the edits by fate, what needs the person first."""
    by_fate: dict[Fate, list[PlannedEdit]] = {fate: [] for fate in _TITLES}
    for edit in edits:
        by_fate[edit.fate].append(edit)
    return [
        Section(fate, _title(fate, found), tuple(found)) for fate, found in by_fate.items() if found
    ]


def summary(edits: Iterable[PlannedEdit]) -> str:
    """Return one line over all edits."""
    return "   ·   ".join(section.title for section in sections(edits))


def short_text(edit: PlannedEdit) -> str:
    """Return an edit in words, its ids shortened."""
    text = edit.text
    for root in edit.roots:
        text = text.replace(str(root), short_id(root))
    return text


def actions_of(edit: PlannedEdit) -> tuple[SecondLook, ...]:
    """Return what a person can decide about an edit."""
    found = _ACTIONS.get(edit.fate, ())
    return tuple(a for a in found if not edit.hopeless or a is SecondLook.DROP)


def common_actions(edits: Sequence[PlannedEdit]) -> tuple[SecondLook, ...]:
    """Return what can be decided about all of these edits at once."""
    every = [actions_of(edit) for edit in edits]
    return tuple(a for a in SecondLook if every and all(a in one for one in every))


def confirm_text(edits: Sequence[PlannedEdit], person: str) -> str:
    """Return the question before warnings are set aside."""
    what = "the warning" if len(edits) == 1 else f"the warnings of {len(edits)} edits"
    return f"Set {what} aside? It is recorded that {person} did."


def send_text(edits: EditList, waiting: int) -> str:
    """Return the word on the button that starts the export.

    Parameters
    ----------
    waiting : int
        Edits that a run would take in hand, those with nothing left to do included.
    """
    ready = sum(edit.fate.waits for edit in edits.edits)
    if ready:
        return f"Send {ready:,}"
    if any(edit.fate is Fate.UNKNOWN for edit in edits.edits):
        return "Look up"
    # Nothing leaves: what needs nothing is put away, what changed is held.
    return "Settle" if waiting else "Send"


def _title(fate: Fate, edits: Sequence[PlannedEdit]) -> str:
    if fate is not Fate.NEEDLESS:
        return f"{len(edits):,} {_TITLES[fate]}"
    counts = Counter(_NEEDLESS.get(edit.reason, "with nothing left to do") for edit in edits)
    return ", ".join(f"{n:,} {words}" for words, n in counts.items())
