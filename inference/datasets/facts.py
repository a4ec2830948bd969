"""What a data set is, without its samples: name, hash, counts, exclusions, settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from inference.datasets.samples import Part, Sample

__all__ = ["Count", "DatasetFacts", "count_rows"]


@dataclass(frozen=True, order=True)
class Count:
    """How many samples are alike in everything that a report tells apart."""

    task: str
    strategy: str
    label: bool
    origin: str
    synthetic: bool
    part: str
    samples: int


@dataclass(frozen=True)
class DatasetFacts:
    """A data set without its samples; see `inference.datasets.store.Dataset`."""

    name: str
    sha256: str
    counts: tuple[Count, ...]
    excluded: Mapping[str, int]
    settings: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)

    def total(self, **wanted: object) -> int:
        """Return how many samples have these values, such as ``task=..., part=...``."""
        return sum(
            count.samples
            for count in self.counts
            if all(getattr(count, name) == value for name, value in wanted.items())
        )

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "samples": self.total(),
            "counts": [asdict(count) for count in self.counts],
            "excluded": dict(self.excluded),
            "settings": dict(self.settings),
            "licence": self.licence,
            "notes": dict(self.notes),
        }


def count_rows(rows: Iterable[tuple[Sample, Part]]) -> tuple[Count, ...]:
    """Count samples by task, strategy, label, origin, whether synthetic, and part."""
    found: Counter[tuple[str, str, bool, str, bool, str]] = Counter(
        (s.task.value, s.strategy, s.label, s.origin.value, s.synthetic, part.value)
        for s, part in rows
    )
    return tuple(sorted(Count(*key, samples=number) for key, number in found.items()))
