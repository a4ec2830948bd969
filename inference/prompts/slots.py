"""A person's words, as settings keep them, as prompts take them, and as verdicts record them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inference.prompts.writing import Slots

__all__ = ["SLOT_NAMES", "recorded", "slots_of"]

SLOT_NAMES = ("region", "cell_type", "heuristic", "conservative")
"""What can be filled in; ``conservative`` is on where it is not empty."""


def slots_of(words: Mapping[str, str], known: Slots | None = None) -> Slots:
    """Return slots with these words; names that are no slots are left out."""
    wishes = {name: words.get(name, "").strip() for name in SLOT_NAMES}
    return replace(
        known or Slots(),
        region=wishes["region"],
        cell_type=wishes["cell_type"],
        heuristic=wishes["heuristic"],
        conservative=bool(wishes["conservative"]),
    )


def recorded(slots: Slots) -> tuple[tuple[str, str], ...]:
    """Return what was filled in, by name, for a verdict's provenance."""
    told = [
        ("region", slots.region),
        ("cell_type", slots.cell_type),
        ("heuristic", slots.heuristic),
        ("conservative", "yes" if slots.conservative else ""),
        *((f"example {n}", text) for n, (text, _) in enumerate(slots.examples, 1)),
    ]
    return tuple((name, text.strip()) for name, text in told if text.strip())
