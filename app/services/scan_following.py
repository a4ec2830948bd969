"""From a scan's folder into a session, also while the folder grows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proofreading.catalogue import Catalogue
from proofreading.scan.folder import ResultFolder
from proofreading.scan.record import read_present
from proofreading.scan.rows import read_sites, read_verdicts

__all__ = ["Followed", "ScanFollower"]


@dataclass(frozen=True)
class Followed:
    """What was new, from how many files, and whether the scan is complete."""

    sites: int = 0
    verdicts: int = 0
    files: int = 0
    complete: bool = False

    def __bool__(self) -> bool:
        return bool(self.sites or self.verdicts)

    def __add__(self, other: Followed) -> Followed:
        return Followed(
            self.sites + other.sites,
            self.verdicts + other.verdicts,
            self.files + other.files,
            other.complete,
        )


class ScanFollower:
    """Adds to a catalogue what a scan has found and judged since it was last asked.

    What the catalogue has already stays as it is; results of earlier states of the
    datastack are left out. The catalogue notes which files it has, so that a later follower
    goes on where this one ends.

    Parameters
    ----------
    folder : Path
        The scan's folder; it may be empty still.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = ResultFolder(folder)
        self._catalogue = catalogue
        self._read = catalogue.taken()

    def poll(self, *, files: int | None = None) -> Followed:
        """Add what is new, from at most so many files, and tell how much it was.

        Call it again until the answer is false and `complete`.

        Raises
        ------
        InputError
            If a result cannot be read.
        """
        present = read_present(self._folder.path)
        names = [("sites", name) for name in present.sites]
        names += [_verdict_file(name) for name in present.verdicts]
        fresh = [pair for pair in names if "/".join(pair) not in self._read][:files]
        found = Followed(complete=present.complete)
        for kind, name in fresh:
            found += self._added(kind, name, complete=present.complete)
            self._catalogue.take(f"{kind}/{name}")
            self._read.add(f"{kind}/{name}")
        return found

    def _added(self, kind: str, name: str, *, complete: bool) -> Followed:
        if kind == "sites":
            new = self._catalogue.add_sites(read_sites(self._folder, kind, name))
            return Followed(sites=len(new), files=1, complete=complete)
        results = list(read_verdicts(self._folder, kind, name))
        # A chunk that was judged before an edit may speak of a site that is no more.
        there = self._catalogue.known({result.site_id for result in results})
        before = self._catalogue.counts().verdicts
        self._catalogue.add_verdicts(r for r in results if r.site_id in there)
        new_verdicts = self._catalogue.counts().verdicts - before
        return Followed(verdicts=new_verdicts, files=1, complete=complete)


def _verdict_file(name: str) -> tuple[str, str]:
    judge, _, file = name.partition("/")
    return f"verdicts/{judge}", file
