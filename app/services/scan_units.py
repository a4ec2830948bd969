"""The tasks of a scan: each reads what is there, and writes one result that is named by it.

A task may be done twice, by two workers at once or after one was lost: both write the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.services.judging import load_panel
from app.services.panel import Panel
from connectome.cave.pace import Pace
from connectome.closing import Closing
from connectome.contact_blocks import Block, blocks, blocks_of, touching_of, touching_part
from connectome.opening import open_datastack
from proofreading.detection.bottlenecks import cut_site, weak_links, weakest
from proofreading.detection.contacts import block_sites, large_enough, working_level
from proofreading.detection.detector import Detector
from proofreading.scan.folder import ResultFolder
from proofreading.scan.keys import content_key, site_key
from proofreading.scan.record import ScanRecord
from proofreading.scan.rows import (
    cut_columns,
    cuts_of,
    pair_columns,
    pairs_of,
    read_links,
    read_part,
    read_sites,
    site_columns,
    verdict_columns,
    write_links,
    write_part,
)
from proofreading.sites import Site

if TYPE_CHECKING:
    from connectome.space import Scale
    from inference.judges.base import SiteJudge
    from inference.models.manifest import ModelManifest

__all__ = [
    "Job",
    "JoinUnit",
    "JudgeUnit",
    "KeepUnit",
    "Outcome",
    "PlaceUnit",
    "SurveyUnit",
    "TraceUnit",
    "Unit",
    "execute",
    "judge_name",
    "judges_of",
    "release",
]


@dataclass(frozen=True)
class Job:
    """What every task of a scan needs to know.

    Parameters
    ----------
    folder : Path
        The scan's folder.
    record : ScanRecord
        What is scanned.
    models : tuple of str
        Ids or folders; the bundled ones if empty.
    quick : bool
        Ask only the quick member of an ensemble.
    per_second : float or None
        How many requests a second one worker may send to CAVE.
    """

    folder: Path
    record: ScanRecord
    models: tuple[str, ...] = ()
    quick: bool = False
    per_second: float | None = None


@dataclass(frozen=True)
class SurveyUnit:
    """Read some blocks for what touches in them; `task` is ``touching`` or ``links``."""

    task: str
    name: str
    blocks: tuple[Block, ...]
    group: str


@dataclass(frozen=True)
class JoinUnit:
    """Put the parts of a volume together; `task` says of what."""

    task: str
    name: str
    parts: tuple[str, ...]
    roots: tuple[int, ...] | None


@dataclass(frozen=True)
class PlaceUnit:
    """Find the points of the contacts or cuts that have their middle in a block."""

    task: str
    name: str
    source: str
    block: Block
    number: int


@dataclass(frozen=True)
class TraceUnit:
    """Look along the skeletons of some roots."""

    name: str
    roots: tuple[int, ...]
    task: str = "traced"


@dataclass(frozen=True)
class KeepUnit:
    """Keep, of the sites of a group of roots, one for each pair."""

    name: str
    source: str
    ids: tuple[str, ...]
    task: str = "kept"


@dataclass(frozen=True)
class JudgeUnit:
    """Ask one model about some sites, which stand in these files."""

    name: str
    judge: str
    sources: tuple[str, ...]
    keys: tuple[str, ...]
    task: str = "judged"


Unit = SurveyUnit | JoinUnit | PlaceUnit | TraceUnit | KeepUnit | JudgeUnit


@dataclass(frozen=True)
class Outcome:
    """What became of a task: how many rows it wrote in how many seconds, or why it failed."""

    unit: Unit
    count: int
    seconds: float
    problem: str = ""
    worker: int = 0


def execute(job: Job, unit: Unit) -> Outcome:
    """Do a task in this process.

    Raises
    ------
    ProofdeskError
        Whatever keeps it from being done.
    """
    began = time.perf_counter()
    count = _Hand(job).do(unit)
    return Outcome(unit, count, time.perf_counter() - began, worker=os.getpid())


def judge_name(manifest: ModelManifest) -> str:
    """Return the folder of a model's verdicts: another model, calibration or weights, another."""
    return content_key(manifest.id, manifest.sha256, manifest.calibration.id)


def judges_of(panel: Panel, *, quick: bool) -> dict[str, SiteJudge]:
    """Return the judges of a scan by `judge_name`."""
    from inference.judges.ensemble import EnsembleJudge

    judges = [
        judge.members[0] if quick and isinstance(judge, EnsembleJudge) else judge
        for judge in panel.judges
    ]
    return {judge_name(judge.manifest): judge for judge in judges}


class _Place(Closing):
    """What tasks share in one process: the datastack and the judges, opened when needed."""

    def __init__(self, address: str, models: tuple[str, ...], *, quick: bool) -> None:
        self.datastack = open_datastack(address)
        self._models = models
        self._quick = quick
        self._judges: dict[str, SiteJudge] | None = None

    def judge(self, name: str) -> SiteJudge:
        """Return a judge by its `judge_name`."""
        if self._judges is None:
            self._judges = judges_of(load_panel(self._models), quick=self._quick)
        return self._judges[name]

    def close(self) -> None:
        """Close the datastack."""
        self.datastack.close()


_OPEN: list[_Place] = []


@lru_cache(maxsize=1)
def _place(address: str, models: tuple[str, ...], quick: bool, per_second: float | None) -> _Place:
    release_open()
    if per_second is not None:
        from connectome.cave.transport import limit_requests

        limit_requests(Pace(per_second))
    _OPEN.append(_Place(address, models, quick=quick))
    return _OPEN[0]


def release_open() -> None:
    """Close what this process holds open."""
    while _OPEN:
        _OPEN.pop().close()


def release() -> None:
    """Close what tasks opened in this process; the next one opens it again."""
    _place.cache_clear()
    release_open()


class _Hand:
    """Does tasks."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = ResultFolder(job.folder)
        self.settings = job.record.settings
        self.place = _place(job.record.address, job.models, job.quick, job.per_second)
        self.datastack = self.place.datastack

    @property
    def _level(self) -> int:
        return working_level(self.datastack.segmentation, self.settings)

    @property
    def _scale(self) -> Scale:
        return self.datastack.segmentation.scales[self._level]

    def do(self, unit: Unit) -> int:
        """Do a task and return how many rows it wrote."""
        if isinstance(unit, SurveyUnit):
            return self._survey(unit)
        if isinstance(unit, JoinUnit):
            return self._join(unit)
        if isinstance(unit, PlaceUnit):
            return self._sites(unit.name, self._placed(unit))
        if isinstance(unit, TraceUnit):
            return self._trace(unit)
        if isinstance(unit, KeepUnit):
            wanted = set(unit.ids)
            sites = read_sites(self.folder, "traced", unit.source)
            return self._sites(unit.name, [site for site in sites if site.id in wanted])
        return self._judge(unit)

    def _survey(self, unit: SurveyUnit) -> int:
        about: dict[str, object] = {"group": unit.group}
        if unit.task == "links":
            links = weak_links(self.datastack, self.settings, unit.blocks)
            write_links(self.folder, unit.task, unit.name, links, about)
            return len(links.part.patches.pairs)
        level = self._level
        part = touching_part(
            lambda box: self.datastack.segmentation.read_roots(box, level),
            self._scale,
            unit.blocks,
            gap_nm=self.settings.gap_nm,
        )
        write_part(self.folder, unit.task, unit.name, part, about)
        return len(part.patches.pairs)

    def _join(self, unit: JoinUnit) -> int:
        if unit.task == "join contacts":
            parts = [read_part(self.folder, "touching", name) for name in unit.parts]
            pairs = large_enough(touching_of(parts, self._scale), self.settings, unit.roots)
            return self._by_block(unit.name, pair_columns(pairs), pairs.middle_nm)
        links = [read_links(self.folder, "links", name) for name in unit.parts]
        cuts = weakest(links, self.settings, self._scale, unit.roots)
        points = np.array([cut.point_nm for cut in cuts], np.float64).reshape(-1, 3)
        return self._by_block(unit.name, cut_columns(cuts), points)

    def _by_block(self, name: str, columns: dict[str, object], points: NDArray[np.float64]) -> int:
        """Write rows in the order of their blocks, and beside them what each block has."""
        import pyarrow

        record, scale = self.job.record, self._scale
        number = {
            block: place
            for place, block in enumerate(blocks(scale, self.settings.block_voxels, record.box))
        }
        found = list(blocks_of(scale, self.settings.block_voxels, points, record.box))
        rows = np.concatenate([rows for _, rows in found]) if found else np.zeros(0, np.intp)
        places = np.concatenate(
            [np.full(len(rows), number[block]) for block, rows in found] or [np.zeros(0, np.int64)]
        )
        table = pyarrow.table(columns).take(rows)
        ends = np.cumsum([len(rows) for _, rows in found], dtype=np.int64)
        digests = [
            content_key(table.slice(int(end) - len(rows), len(rows)).to_pylist())
            for end, (_, rows) in zip(ends, found, strict=True)
        ]
        self.folder.write(
            "joined/blocks",
            name,
            {
                "block": np.array([number[block] for block, _ in found], np.int64),
                "digest": pyarrow.array(digests, pyarrow.string()),
            },
        )
        self.folder.write(
            "joined",
            name,
            {"block": places, **{each: table.column(each) for each in table.column_names}},
        )
        return len(rows)

    def _placed(self, unit: PlaceUnit) -> list[Site]:
        table = self.folder.read("joined", unit.source, where=("block", unit.number))
        if unit.task == "contacts":
            return block_sites(self.datastack, pairs_of(table), unit.block, self._level)
        found = (cut_site(self.datastack, cut, self.settings) for cut in cuts_of(table))
        return [site for site in found if site is not None]

    def _trace(self, unit: TraceUnit) -> int:
        sites = list(Detector(self.settings).along_skeletons(self.datastack, unit.roots))
        roots = [str(root) for root in unit.roots]
        self.folder.write("traced", unit.name, site_columns(sites), about={"roots": roots})
        return len(sites)

    def _sites(self, name: str, sites: list[Site]) -> int:
        self.folder.write("sites", name, site_columns(sites))
        return len(sites)

    def _judge(self, unit: JudgeUnit) -> int:
        wanted = set(unit.keys)
        every = chain.from_iterable(
            read_sites(self.folder, "sites", source) for source in unit.sources
        )
        sites = _with_keys(every, wanted)
        results = Panel([self.place.judge(unit.judge)]).judge(
            self.datastack, [site for _, site in sites]
        )
        keys = {site.id: key for key, site in sites}
        kind = f"verdicts/{unit.judge}"
        self.folder.write(kind, unit.name, verdict_columns(results, keys))
        return len(sites)


def _with_keys(sites: Iterable[Site], wanted: set[str]) -> list[tuple[str, Site]]:
    return [(key, site) for site in sites if (key := site_key(site)) in wanted]
