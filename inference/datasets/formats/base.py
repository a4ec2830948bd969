"""What every format is read into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from inference.datasets.formats.pictures import SamplePictures
from inference.datasets.samples import Part, Sample

__all__ = ["Exported", "Format", "ImportedSamples", "Row", "datastack_of", "species_of", "unique"]


class Format(StrEnum):
    """A kind of file or folder with labelled questions."""

    OPERATION_BANK = "operation-bank"
    """Edits, and labelled proposals (controls), one JSON object a line."""
    CANDIDATES = "adjacent-candidates"
    """A cache of touching pairs: a header, then one pair a line."""
    HISTORY = "history"
    """An edit history that Proofdesk has read from a server."""
    EVENTS = "events"
    """A JSON list of edits: ConnectomeBench, and lists of split operations."""
    CB2_V1 = "cb2-v1"
    """ConnectomeBench2 parquet, release of May 2026."""
    CB2_V2 = "cb2-v2"
    """ConnectomeBench2 parquet, since June 2026."""
    CUBE_SPLITS = "cube-splits"
    """Which edit belongs to which part, without the questions themselves."""


@dataclass(frozen=True)
class Row:
    """A labelled question on its way between formats.

    Parameters
    ----------
    sample : Sample
        The question.
    part : Part or None
        What it may be used for, where that is known.
    pictures : SamplePictures or None
        Its pictures, where the format has any.
    """

    sample: Sample
    part: Part | None = None
    pictures: SamplePictures | None = None


@dataclass(frozen=True)
class ImportedSamples:
    """The labelled questions of a file or folder.

    Parameters
    ----------
    format : Format
        What the file was.
    samples : tuple of Sample
        The questions, in the file's order, each once.
    parts : mapping of str to Part
        By sample id, where the file states a split.
    dropped : Counter
        What was left out, in words, and how often.
    notes : tuple of str
        What a person has to know of the whole file, one sentence each.
    read_rows : callable
        Yields the questions again, with their pictures where there are any; a row
        group at a time, so that a shard is never in memory as a whole.
    """

    format: Format
    samples: tuple[Sample, ...]
    parts: Mapping[str, Part] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    read_rows: Callable[[], Iterator[Row]] | None = None

    def rows(self) -> Iterator[Row]:
        """Yield every question with its part and its pictures."""
        if self.read_rows is None:
            yield from (Row(sample, self.parts.get(sample.id)) for sample in self.samples)
        else:
            yield from self.read_rows()


@dataclass(frozen=True)
class Exported:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        The files.
    written : int
        How many questions they hold.
    left_out : Counter
        What the format has no place for, in words, and how often.
    """

    files: tuple[Path, ...]
    written: int
    left_out: Counter[str] = field(default_factory=Counter)


# CB2 names species where Proofdesk names datastacks.
_DATASTACKS = {
    "mouse": "minnie65_public",
    "fly": "flywire_fafb_public",
    "human": "h01_c3_flat",
    "zebrafish": "fish1_full",
}
_SPECIES = {datastack: species for species, datastack in _DATASTACKS.items()}


def datastack_of(species: str) -> str:
    """Return the datastack that the benchmark's word for it means, or the word itself."""
    return _DATASTACKS.get(species, species)


def species_of(dataset: str) -> str:
    """Return the benchmark's word for a datastack, or its name."""
    return _SPECIES.get(dataset, dataset)


def unique(samples: Iterable[Sample], dropped: Counter[str]) -> tuple[Sample, ...]:
    """Return each sample once; repeats are counted."""
    found: dict[str, Sample] = {}
    for sample in samples:
        if sample.id in found:
            dropped["the same question again"] += 1
        else:
            found[sample.id] = sample
    return tuple(found.values())
