"""The data card of a data set: what a person must know before training on it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inference.datasets.facts import Count, DatasetFacts
from inference.datasets.samples import Origin, Part

__all__ = ["card"]

_PARTS = tuple(part.value for part in Part)
_LIMITS = {
    Origin.TRUTH.value: "Labels come from a segmentation drawn by people, errors included.",
    Origin.HISTORY.value: (
        "Labels come from edits: a place where nobody looked has no label, and the point of "
        "an edit is where a person clicked, several hundred nm from the error at times."
    ),
    Origin.DIFFERENCE.value: (
        "Labels come from the difference of two segmentations: what the later one left wrong "
        "is labelled as right."
    ),
}


def card(facts: DatasetFacts) -> str:
    """Return the data card as Markdown."""
    counts = facts.counts
    real = [count for count in counts if not count.synthetic]
    made = [count for count in counts if count.synthetic]
    sections = [
        f"# {facts.name}\n\n{facts.total()} labelled questions about segmentations.",
        f"SHA-256 of the content: `{facts.sha256}`",
        f"Licence of the data: {facts.licence or 'not stated'}",
        "## Samples of real segmentations\n\n" + _counts(real),
        "## Samples with errors that were made on purpose\n\n" + _counts(made),
        "## Left out\n\n" + _table(("reason", "candidates"), sorted(facts.excluded.items())),
        "## Known limits\n\n" + _limits(facts),
        "## How it was made\n\n```json\n" + _pretty(facts.settings) + "\n```",
        "## What the checks found\n\n```json\n" + _pretty(facts.notes) + "\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _counts(counts: Sequence[Count]) -> str:
    """Return a table with a row for each kind of sample and a column for each part."""
    kinds: dict[tuple[str, ...], dict[str, int]] = {}
    for count in counts:
        key = (count.task, count.strategy, "yes" if count.label else "no", count.origin)
        row = kinds.setdefault(key, {})
        row[count.part] = row.get(count.part, 0) + count.samples
    head = ("task", "strategy", "answer", "origin", *_PARTS)
    return _table(
        head, [(*key, *(row.get(part, 0) for part in _PARTS)) for key, row in sorted(kinds.items())]
    )


def _limits(facts: DatasetFacts) -> str:
    origins = sorted({count.origin for count in facts.counts})
    lines = [_LIMITS[origin] for origin in origins]
    lines.append(
        f"{facts.total(part=Part.BUFFER.value)} samples lie in the buffer between parts and are "
        "used for nothing."
    )
    if any(count.synthetic for count in facts.counts):
        lines.append(
            "Errors made on purpose are easier or harder than real ones; report the two apart."
        )
    lines += [f"{task}: one answer only." for task in _one_sided(facts.counts)]
    return "\n".join(f"- {line}" for line in lines)


def _one_sided(counts: Iterable[Count]) -> list[str]:
    answers: dict[str, set[bool]] = {}
    for count in counts:
        answers.setdefault(count.task, set()).add(count.label)
    return sorted(task for task, found in answers.items() if len(found) == 1)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    if len(lines) == 2:
        return "None."
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), indent=1, sort_keys=True)
