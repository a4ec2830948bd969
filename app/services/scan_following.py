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
    """What was new, and whether the scan is complete."""

    sites: int = 0
    verdicts: int = 0
    complete: bool = False

    def __bool__(self) -> bool:
        return bool(self.sites or self.verdicts)

    def __add__(self, other: Followed) -> Followed:
        return Followed(self.sites + other.sites, self.verdicts + other.verdicts, other.complete)


class ScanFollower:
    """Adds to a catalogue what a scan has found and judged since it was last asked.

    What the catalogue has already stays as it is; results of earlier states of the
    datastack are left out.

    Parameters
    ----------
    folder : Path
        The scan's folder; it may be empty still.
    """

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        self._folder = ResultFolder(folder)
        self._catalogue = catalogue
        self._read: set[str] = set()

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
            self._read.add(f"{kind}/{name}")
        return found

    def _added(self, kind: str, name: str, *, complete: bool) -> Followed:
        if kind == "sites":
            new = self._catalogue.add_sites(read_sites(self._folder, kind, name))
            return Followed(sites=len(new), complete=complete)
        known = [
            result
            for result in read_verdicts(self._folder, kind, name)
            # A chunk that was judged before an edit may speak of a site that is no more.
            if self._catalogue.site(result.site_id) is not None
            and result not in self._catalogue.verdicts(result.site_id, result.task)
        ]
        self._catalogue.add_verdicts(known)
        return Followed(verdicts=len(known), complete=complete)


def _verdict_file(name: str) -> tuple[str, str]:
    judge, _, file = name.partition("/")
    return f"verdicts/{judge}", file
