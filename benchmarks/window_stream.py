"""Sites that stream into a session from a process of their own, judged, as workers do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proofreading.catalogue import Catalogue
    from proofreading.sites import Site
    from proofreading.verdicts import Verdict

__all__ = ["Stream"]

BATCH = 250
PATTERNS = 200


class Stream:
    """A child process that adds sites with verdicts; `tell` is called after each batch.

    Parameters
    ----------
    folder : Path
        The session.
    sites : int
        How many are added.
    per_second : float
        How fast at most.
    tell : callable
        Called on a thread of its own.
    """

    def __init__(
        self, folder: Path, sites: int, per_second: float, tell: Callable[[], None]
    ) -> None:
        command = [sys.executable, "-m", __name__, str(folder), str(sites), str(per_second)]
        self._child = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )
        self._tell = tell
        self._reader = threading.Thread(target=self._read, daemon=True, name="stream")
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether more may come."""
        return self._reader.is_alive()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for _line in self._child.stdout:
            self._tell()
        self._child.wait()


def main(folder: str, sites: str, per_second: str) -> None:
    """Add sites in batches, each with its verdicts, and say so line by line."""
    from proofreading.catalogue import Catalogue

    with Catalogue.open(Path(folder) / "catalogue.sqlite") as catalogue:
        patterns = list(islice(_judged(catalogue), PATTERNS))
        began = time.monotonic()
        for begin in range(0, int(sites), BATCH):
            made = [_copy(*patterns[n % len(patterns)], n) for n in range(begin, begin + BATCH)]
            catalogue.add_sites([site for site, _ in made])
            catalogue.add_verdicts([verdict for _, verdict in made])
            sys.stdout.write("more\n")
            sys.stdout.flush()
            ahead = (begin + BATCH) / float(per_second) - (time.monotonic() - began)
            time.sleep(max(0.0, ahead))


def _judged(catalogue: Catalogue) -> Iterator[tuple[Site, Verdict]]:
    for site in catalogue.sites():
        verdict = catalogue.best_verdict(site.id)
        if verdict is not None and site.partners:
            yield site, verdict


def _copy(site: Site, verdict: Verdict, number: int) -> tuple[Site, Verdict]:
    """Return a site near another one, of other segments, and what a judge could say of it."""
    x, y, z = site.point_nm
    moved = (x + number % 97, y + number % 89, z + number % 83)
    fresh = 10**12 + 10 * number
    partners = tuple(
        replace(partner, supervoxel=fresh + 2 + i, root=fresh + 6 + i, own_supervoxel=fresh)
        for i, partner in enumerate(site.partners[:4])
    )
    made = replace(
        site,
        id=f"{number + 1:016x}",
        point_nm=moved,
        supervoxel=fresh,
        root=fresh + 1,
        partners=partners,
    )
    said = replace(
        verdict,
        site_id=made.id,
        partner_supervoxel=partners[0].supervoxel,
        probability=(number * 0.618034) % 1.0,
        made_at=datetime.now(UTC),
    )
    return made, said


if __name__ == "__main__":
    main(*sys.argv[1:])
