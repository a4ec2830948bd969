"""A session with very many sites, written in a process of its own the way workers write them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectome.space import BoxNm
    from proofreading.catalogue import Catalogue
    from proofreading.sites import Site
    from proofreading.verdicts import Verdict

__all__ = ["Cost", "add_sites", "make_session"]

SEED = 20
BATCH = 1000
MEASURED = 5_000
"""So many sites before each step of the curve are those whose cost is told."""
_MADE = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cost:
    """What a site costs when there are so many, in microseconds."""

    sites: int
    added: float
    judged: float


def make_session(folder: Path, address: str, steps: tuple[int, ...]) -> list[Cost]:
    """Write a session with as many judged sites as the last step; return what they cost."""
    return _child("make", folder, address, *map(str, steps))


def add_sites(folder: Path, address: str, first: int, count: int) -> None:
    """Add sites to a session that is open elsewhere."""
    _child("add", folder, address, str(first), str(count))


def _child(what: str, folder: Path, address: str, *numbers: str) -> list[Cost]:
    command = [sys.executable, "-m", __name__, what, str(folder), address, *numbers]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    return [Cost(**plain) for plain in json.loads(done.stdout)]


def main(what: str, folder: str, address: str, *numbers: str) -> None:
    """Do what the functions above ask of a process of its own."""
    from app.services.opening import open_session
    from connectome.opening import open_datastack

    datastack = open_datastack(address)
    try:
        bounds = datastack.segmentation.scales[0].bounds_nm
        new = what == "make"
        with open_session(
            Path(folder), datastack=datastack, role="writer" if new else "worker"
        ) as session:
            catalogue = session.catalogue
            if new:
                costs = list(_made(catalogue, bounds, tuple(map(int, numbers))))
                session.artifacts.mkdir(exist_ok=True)
                _mark_detected(session.artifacts)
            else:
                first, count = map(int, numbers)
                catalogue.add_sites(_site(bounds, n) for n in range(first, first + count))
                costs = []
    finally:
        datastack.close()
    sys.stdout.write(json.dumps([asdict(cost) for cost in costs]))


def _mark_detected(artifacts: Path) -> None:
    from app.services.detecting import DETECTED

    (artifacts / DETECTED).touch()


def _made(catalogue: Catalogue, bounds: BoxNm, steps: tuple[int, ...]) -> Iterator[Cost]:
    done = 0
    for step in steps:
        _write(catalogue, bounds, done, step - MEASURED)
        added, judged = _write(catalogue, bounds, step - MEASURED, step)
        yield Cost(step, 1e6 * added / MEASURED, 1e6 * judged / MEASURED)
        done = step


def _write(catalogue: Catalogue, bounds: BoxNm, begin: int, end: int) -> tuple[float, float]:
    """Add sites and verdicts in batches; return the seconds of each."""
    added = judged = 0.0
    for first in range(begin, end, BATCH):
        sites = [_site(bounds, number) for number in range(first, min(end, first + BATCH))]
        verdicts = [_verdict(site, n) for n, site in enumerate(sites, first)]
        started = time.perf_counter()
        catalogue.add_sites(sites)
        between = time.perf_counter()
        catalogue.add_verdicts(verdicts)
        judged += time.perf_counter() - between
        added += between - started
    return added, judged


def _site(bounds: BoxNm, number: int) -> Site:
    """Return a contact of two segments of its own, anywhere in the box."""
    from proofreading.sites import Partner, Site, SiteKind

    chance = random.Random(SEED * 10**9 + number)
    low, size = bounds.lower, bounds.size
    x, y, z = (edge + chance.random() * length for edge, length in zip(low, size, strict=True))
    own = (1 << 60) + 4 * number
    partner = Partner(
        root=own + 1,
        supervoxel=own + 3,
        own_supervoxel=own + 2,
        own_point_nm=(x, y, z),
        point_nm=(x, y, z),
        distance_nm=0.0,
        contact_area_nm2=1e4 * chance.random(),
        direction_agreement=chance.uniform(-1, 1),
    )
    return Site(
        id=f"{chance.getrandbits(64):016x}",
        kind=SiteKind.CONTACT,
        datastack="offline_demo",
        root=own,
        supervoxel=own + 2,
        point_nm=(x, y, z),
        radius_nm=100.0,
        detector="bench 1",
        partners=(partner,),
    )


def _verdict(site: Site, number: int) -> Verdict:
    from proofreading.verdicts import Provenance, Task, Verdict

    return Verdict(
        site_id=site.id,
        task=Task.SPLIT_ERROR_CORRECTION,
        partner_supervoxel=site.partners[0].supervoxel,
        probability=(number * 0.618034) % 1.0,
        raw_score=0.0,
        made_at=_MADE,
        provenance=Provenance("bench", "0" * 64, "bench", "bench", "bench", "CPU", 1.0),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
