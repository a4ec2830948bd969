"""The order of a scan's tasks: volume, joins, points, skeletons, verdicts.

What is there and still holds is left alone. A result holds while every root that it saw is
a root of the datastack now, so that after edits only what they touched is done again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from app.services.scan_board import Board
from app.services.scan_present import PresentRoots
from app.services.scan_runners import Runner
from app.services.scan_units import (
    Job,
    JoinUnit,
    JudgeUnit,
    KeepUnit,
    Outcome,
    PlaceUnit,
    SurveyUnit,
    TraceUnit,
    Unit,
)
from connectome.contact_blocks import Block, blocks
from connectome.space import curve_order
from proofreading.catalogue_schema import PAIR_TASKS, kinds_for
from proofreading.detection.bottlenecks import CUT_DETECTOR
from proofreading.detection.contacts import CONTACT_DETECTOR, working_level
from proofreading.detection.detector import Detector, SeenPairs
from proofreading.scan.folder import ResultFolder
from proofreading.scan.keys import content_key, digest_of_numbers
from proofreading.scan.record import Present, write_present
from proofreading.sites import SiteKind

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.base import SiteJudge
    from proofreading.verdicts import Task

__all__ = ["ScanGraph"]

T = TypeVar("T")
JUDGED_TOGETHER = 64
"""Sites of one task of a model: neighbours share the voxels they read."""
_NEAR_NM = 250.0
"""Sites in a cube of this edge keep the order of their files."""


class ScanGraph:
    """One run over a scan's folder.

    Parameters
    ----------
    job : Job
        What every task needs.
    datastack : Datastack
        What is scanned, as it is now.
    roots : sequence of int or None
        Only sites of these; None for all.
    """

    def __init__(
        self,
        job: Job,
        datastack: Datastack,
        runner: Runner,
        board: Board,
        roots: Sequence[int] | None,
    ) -> None:
        self.job, self.datastack, self.runner, self.board = job, datastack, runner, board
        self.folder = ResultFolder(job.folder)
        self.settings = job.record.settings
        self.present = PresentRoots(datastack)
        self.roots = roots
        self.sites: list[str] = []
        self.verdicts: list[str] = []
        self.complete = True
        self._counted: dict[tuple[str, str], int] = {}
        board.on_tick = self.note

    def detect(self) -> None:
        """Find all sites."""
        joined: str | None = None
        if SiteKind.CONTACT in self.settings.kinds:
            joined = self._volume("touching", "contacts", CONTACT_DETECTOR)
        if SiteKind.BOTTLENECK in self.settings.kinds and CUT_DETECTOR not in self.settings.off:
            self._volume("links", "cuts", CUT_DETECTOR)
        if Detector(self.settings).needs_skeletons:
            self._skeletons(joined)

    def judge(self, judges: Mapping[str, SiteJudge]) -> None:
        """Ask every model about every site that it has not judged as it is now."""
        units = [unit for name, judge in judges.items() for unit in self._questions(name, judge)]
        there = len(set(self.verdicts))
        self._run("judged", units, lambda unit: self.verdicts.append(_verdicts_of(unit)), there)

    def note(self, *, complete: bool = False) -> None:
        """Write down which results hold now, for those who follow."""
        sites, verdicts = tuple(sorted(set(self.sites))), tuple(sorted(set(self.verdicts)))
        write_present(self.job.folder, Present(sites, verdicts, complete))

    def count_sites(self) -> int:
        """Return how many sites hold now."""
        return sum(self._rows("sites", name) for name in set(self.sites))

    def count_verdicts(self) -> int:
        """Return how many verdicts and failures stand in the files that hold now."""
        return sum(self._rows("verdicts", name) for name in set(self.verdicts))

    def _rows(self, kind: str, name: str) -> int:
        if (kind, name) not in self._counted:
            self._counted[kind, name] = self.folder.rows(kind, name)
        return self._counted[kind, name]

    def _run(
        self, task: str, units: Sequence[Unit], done: Callable[[Any], None], there: int = 0
    ) -> bool:
        """Do the tasks whose results are missing; tell whether all results are there now.

        `there` are results that hold and for which no task was made.
        """
        missing = []
        for unit in units:
            if self._has(unit):
                done(unit)
            else:
                missing.append(unit)
        self.board.begin(task, there + len(units), there + len(units) - len(missing))
        failed = 0
        for outcome in self.runner.run(self.job, missing):
            failed += self._ended(outcome, done)
        self.complete &= not failed
        return not failed

    def _ended(self, outcome: Outcome, done: Callable[[Any], None]) -> bool:
        if not outcome.problem:
            done(outcome.unit)
        self.board.take(outcome)
        return bool(outcome.problem)

    def _has(self, unit: Unit) -> bool:
        return self.folder.has(_kind_of(unit), unit.name)

    # Contacts and weak cuts: read blocks, join, find points.

    def _volume(self, task: str, what: str, detector: str) -> str | None:
        """Return the name of the joined pairs, None if a part is missing."""
        record, segmentation = self.job.record, self.datastack.segmentation
        scale = segmentation.scales[working_level(segmentation, self.settings)]
        every = blocks(scale, self.settings.block_voxels, record.box)
        tag = content_key(detector, record.version, self._parameters())
        units = self._surveys(task, tag, every)
        if not self._run(task, units, _nothing):
            return None
        names = tuple(unit.name for unit in units)
        roots = None if self.roots is None else tuple(sorted(self.roots))
        scope = None if roots is None else digest_of_numbers(roots)
        join = JoinUnit(f"join {what}", content_key("joined", tag, names, scope), names, roots)
        if self._run(join.task, [join], _nothing):
            self._run(what, self._places(what, tag, join.name, every), self._add_site_file)
        return join.name if self.complete else None

    def _surveys(self, task: str, tag: str, every: Sequence[Block]) -> list[Unit]:
        known = self._known_parts(task)
        units: list[Unit] = []
        for group in _chunks(every, self.job.record.unit_blocks):
            name = content_key(tag, [[*block.first, *block.last] for block in group])
            before = known.get(name, {})
            holding = sorted(part for part, holds in before.items() if holds)
            # A part of an earlier state of the datastack stays; the new one needs another name.
            part = holding[0] if holding else content_key(name, sorted(before))
            units.append(SurveyUnit(task, part, tuple(group), name))
        return units

    def _known_parts(self, task: str) -> dict[str, dict[str, bool]]:
        """Return for every group of blocks which parts there are, and whether they hold."""
        table, column = ("links/roots", "root") if task == "links" else ("touching/labels", "label")
        found: dict[str, dict[str, bool]] = defaultdict(dict)
        for name in self.folder.names(task):
            roots = self.folder.read(table, name, [column]).column(column).to_numpy()
            group = str(self.folder.about(task, name)["group"])
            found[group][name] = self.present.hold(roots)
        return found

    def _places(self, what: str, tag: str, source: str, every: Sequence[Block]) -> list[Unit]:
        rows = self.folder.read("joined/blocks", source).to_pylist()
        return [
            PlaceUnit(
                what,
                content_key(what, tag, row["block"], row["digest"]),
                source,
                every[row["block"]],
                row["block"],
            )
            for row in rows
        ]

    # Skeletons: trace groups of roots, then keep one site for each pair.

    def _skeletons(self, joined: str | None) -> None:
        scope = self.present.listed() if self.roots is None else list(self.roots)
        covered = self._covered(scope)
        units = self._traces([root for root in scope if root not in covered])
        self._run("traced", units, _nothing, len(set(covered.values())))
        covered = self._covered(scope)
        self._run("kept", self._keeps(covered, self._sizes(joined)), self._add_site_file)

    def _covered(self, scope: Iterable[int]) -> dict[int, str]:
        """Return for each root the file with its sites, if none of them speaks of a gone root."""
        wanted = set(scope)
        covered: dict[int, str] = {}
        for name in self.folder.names("traced"):
            table = self.folder.read("traced", name, ["root", "partners"])
            stale = {
                root
                for root, partners in zip(
                    table.column("root").to_pylist(),
                    table.column("partners").to_pylist(),
                    strict=True,
                )
                if not self.present.hold(partners)
            }
            for root in map(int, self.folder.about("traced", name)["roots"]):
                if root in wanted and root not in stale and self.present.hold([root]):
                    covered.setdefault(root, name)
        return covered

    def _traces(self, roots: Sequence[int]) -> list[Unit]:
        buckets: dict[int, list[int]] = defaultdict(list)
        for root in roots:
            digest = hashlib.blake2b(str(root).encode(), digest_size=8).digest()
            buckets[int.from_bytes(digest, "big") % self.job.record.buckets].append(root)
        record = self.job.record
        tag = content_key("traced", record.version, self._parameters(), list(record.kinds))
        before = self._traced_before(set(roots))
        return [
            TraceUnit(
                content_key(
                    tag, digest_of_numbers(group), sorted({n for r in group for n in before[r]})
                ),
                tuple(sorted(group)),
            )
            for _, group in sorted(buckets.items())
        ]

    def _traced_before(self, roots: set[int]) -> dict[int, list[str]]:
        """Return the files of earlier states in which these roots stand."""
        before: dict[int, list[str]] = defaultdict(list)
        for name in self.folder.names("traced"):
            for root in map(int, self.folder.about("traced", name)["roots"]):
                if root in roots:
                    before[root].append(name)
        return before

    def _sizes(self, joined: str | None) -> dict[int, int]:
        """Return the voxels of every root, as far as the volume was read."""
        sizes: dict[int, int] = defaultdict(int)
        if joined is None:
            return sizes
        for name, holds in (
            pair for known in self._known_parts("touching").values() for pair in known.items()
        ):
            if holds:
                table = self.folder.read("touching/labels", name)
                labels, voxels = (table.column(c).to_pylist() for c in ("label", "voxels"))
                for label, count in zip(labels, voxels, strict=True):
                    sizes[label] += count
        return sizes

    def _keeps(self, covered: Mapping[int, str], sizes: Mapping[int, int]) -> list[Unit]:
        """Keep the first site of each pair, that of the larger segment, as detection does."""
        columns = ["id", "kind", "root", "partner", "x", "y", "z"]
        rows: list[tuple[str, dict[str, Any]]] = []
        for name in sorted(set(covered.values())):
            table = self.folder.read("traced", name, columns)
            rows += [(name, row) for row in table.to_pylist() if covered.get(row["root"]) == name]
        rows.sort(key=lambda each: (-sizes.get(each[1]["root"], 0), each[1]["root"]))
        seen, kept = SeenPairs(self.settings.same_pair_nm), defaultdict(list)
        for name, row in rows:
            point = (row["x"], row["y"], row["z"])
            alone = row["kind"] != SiteKind.ENDPOINT.value or not row["partner"]
            if alone or seen.add_pair(row["root"], row["partner"], point):
                kept[name].append(row["id"])
        return [
            KeepUnit(content_key("kept", name, ids), name, tuple(ids))
            for name, ids in sorted(kept.items())
        ]

    # Verdicts.

    def _questions(self, name: str, judge: SiteJudge) -> Iterator[Unit]:
        done = self._answered(name)
        asked = self._asked(judge.manifest.task)
        self.verdicts += sorted({done[key] for key, _ in asked if key in done})
        missing = [(key, file) for key, file in asked if key not in done]
        for chunk in _chunks(missing, JUDGED_TOGETHER):
            keys = tuple(key for key, _ in chunk)
            files = tuple(sorted({file for _, file in chunk}))
            yield JudgeUnit(content_key(name, keys), name, files, keys)

    def _asked(self, task: Task) -> list[tuple[str, str]]:
        """Return the sites that a task asks about and their files, neighbours together."""
        kinds = {kind.value for kind in kinds_for(task)}
        found: list[tuple[str, str]] = []
        points: list[tuple[float, float, float]] = []
        for file in sorted(set(self.sites)):
            table = self.folder.read("sites", file, ["key", "kind", "partner", "x", "y", "z"])
            for row in table.to_pylist():
                if row["kind"] in kinds and (row["partner"] or task not in PAIR_TASKS):
                    found.append((row["key"], file))
                    points.append((row["x"], row["y"], row["z"]))
        along = curve_order(np.array(points, np.float64).reshape(-1, 3), _NEAR_NM)
        return [found[row] for row in along.tolist()]

    def _answered(self, judge: str) -> dict[str, str]:
        """Return for every site that a model has judged the file in which it has."""
        kind = f"verdicts/{judge}"
        done: dict[str, str] = {}
        for name in self.folder.names(kind):
            table = self.folder.read(kind, name, ["key"])
            done |= dict.fromkeys(table.column("key").to_pylist(), f"{judge}/{name}")
        return done

    def _add_site_file(self, unit: Unit) -> None:
        self.sites.append(unit.name)

    def _parameters(self) -> dict[str, object]:
        """Return what decides about sites; kinds and blocks decide only which are looked for."""
        left_out = ("kinds", "off", "block_voxels", "max_voxels")
        return {k: v for k, v in asdict(self.settings).items() if k not in left_out}


def _kind_of(unit: Unit) -> str:
    if isinstance(unit, SurveyUnit | TraceUnit):
        return unit.task
    if isinstance(unit, JoinUnit):
        return "joined"
    return f"verdicts/{unit.judge}" if isinstance(unit, JudgeUnit) else "sites"


def _verdicts_of(unit: JudgeUnit) -> str:
    return f"{unit.judge}/{unit.name}"


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


def _nothing(_unit: object) -> None:
    """Nobody waits for this task's result by name."""
