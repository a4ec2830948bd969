"""What a campaign did wrong: the client's ledger against the graph's own log."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectome.graph import GraphPoint
from connectome.offline.annotations import AnnotationStore
from connectome.offline.checking import check_datastack
from connectome.offline.layout import DatastackFolder
from connectome.offline.store import EditStore, Operation
from connectome.space import PointNm
from proofreading.edits import Edit, EditRecord, EditState, MergeEdit
from proofreading.ledger.store import Ledger

__all__ = ["Verdict", "judge_world"]

_Key = tuple[str, tuple[str, ...], tuple[str, ...]]
_APPLIED = (EditState.COMMITTED, EditState.PARTIAL, EditState.UNDONE)
_WRONG = ("twice", "lost", "hidden", "rows_twice", "rows_missing", "open", "broken")
_NOT_APPLIED = (EditState.CONFLICT, EditState.FAILED)


@dataclass
class Verdict:
    """Counts over edits, and a sentence for everything that is wrong."""

    edits: int = 0
    operations: int = 0
    states: Counter[str] = field(default_factory=Counter)
    twice: list[str] = field(default_factory=list)
    """Edits (or undos) that were applied more than once."""
    lost: list[str] = field(default_factory=list)
    """Edits that the ledger calls applied and the graph does not know."""
    hidden: list[str] = field(default_factory=list)
    """Edits that were applied although the ledger says that they were not."""
    rows_twice: list[str] = field(default_factory=list)
    """Keys of verdict rows that stand in a table more than once."""
    rows_missing: list[str] = field(default_factory=list)
    """Committed edits without a verdict row."""
    open: list[str] = field(default_factory=list)
    """Edits whose outcome is still not known at the end."""
    broken: list[str] = field(default_factory=list)
    """Invariants of the graph that do not hold."""

    @property
    def wrong(self) -> int:
        """Number of things that are wrong."""
        return sum(len(getattr(self, name)) for name in _WRONG)

    def add(self, other: Verdict) -> None:
        """Take in another world's verdict."""
        self.edits += other.edits
        self.operations += other.operations
        self.states.update(other.states)
        for name in _WRONG:
            getattr(self, name).extend(getattr(other, name))


def judge_world(folder: Path, ledger_path: Path) -> Verdict:
    """Compare the ledger with the graph's log, and check the graph."""
    opened = DatastackFolder.open(folder)
    store = EditStore(opened.graph_db, read_only=True)
    try:
        log = store.log()
    finally:
        store.close()
    with Ledger.open(ledger_path, read_only=True) as ledger:
        records = ledger.state.edits()
    verdict = compare(records, log, opened.manifest.resolution_nm)
    _judge_rows(verdict, records, _row_keys(opened))
    report = check_datastack(folder)
    for finding in report.findings:
        verdict.broken += [f"{folder.name}: {text}" for text in finding.broken]
    return verdict


def _row_keys(folder: DatastackFolder) -> list[str]:
    """Return the key that each valid row of any table carries."""
    if not folder.annotations_db.is_file():
        return []
    store = AnnotationStore(folder.annotations_db)
    try:
        rows = [row for table in store.tables() for row in store.rows(table)]
    finally:
        store.close()
    return [str(row.get("tag2") or row.get("tag")) for row in rows]


def _judge_rows(verdict: Verdict, records: Sequence[EditRecord], keys: Sequence[str]) -> None:
    counts = Counter(keys)
    verdict.rows_twice += [key for key, n in counts.items() if n > 1]
    for record in records:
        told = any(record.edit.id in key for key in counts)
        if record.state is EditState.COMMITTED and not told:
            verdict.rows_missing.append(record.edit.id)


def compare(
    records: Iterable[EditRecord], log: Sequence[Operation], voxel_nm: tuple[float, float, float]
) -> Verdict:
    """Return what is wrong between a ledger and the log of a graph; free of I/O."""
    applied: defaultdict[_Key, list[Operation]] = defaultdict(list)
    undone: Counter[int] = Counter()
    for row in log:
        if row.status != 0:
            continue
        if row.target is None:
            applied[_key_of_row(row)].append(row)
        elif row.kind == "undo":
            undone[row.target] += 1
    verdict = Verdict(operations=sum(row.status == 0 for row in log))
    for record in records:
        rows = applied[_key_of_edit(record.edit, voxel_nm)]
        verdict.edits += 1
        verdict.states[record.state.value] += 1
        _judge(verdict, record, rows, sum(undone[row.id] for row in rows))
    return verdict


def _judge(verdict: Verdict, record: EditRecord, rows: list[Operation], undos: int) -> None:
    name = f"{record.edit.id} ({record.state.value}: {record.message})"
    if len(rows) > 1 or undos > 1:
        verdict.twice.append(name)
    if record.state in _APPLIED and not rows:
        verdict.lost.append(name)
    if record.state is EditState.UNDONE and not undos:
        verdict.lost.append(f"undo of {name}")
    if record.state in _NOT_APPLIED and rows:
        verdict.hidden.append(name)
    if record.state is EditState.COMMITTED and undos:
        verdict.hidden.append(f"undo of {name}")
    if record.state not in (*_APPLIED, *_NOT_APPLIED):
        verdict.open.append(name)


def _key_of_row(row: Operation) -> _Key:
    sides = []
    for side in ("source", "sink"):
        ids = [str(i) for i in row.request.get(f"{side}_ids", ())]
        coords = [tuple(c) for c in row.request.get(f"{side}_coords", ())]
        sides.append(tuple(sorted(f"{i}@{c}" for i, c in zip(ids, coords, strict=True))))
    return row.kind, sides[0], sides[1]


def _key_of_edit(edit: Edit, voxel_nm: tuple[float, float, float]) -> _Key:
    sides: tuple[Sequence[GraphPoint], Sequence[GraphPoint]]
    if isinstance(edit, MergeEdit):
        kind, sides = "merge", ((edit.a,), (edit.b,))
    else:
        kind, sides = "split", (edit.sources, edit.sinks)
    one, other = (
        tuple(sorted(f"{p.supervoxel}@{_voxel(p.position_nm, voxel_nm)}" for p in side))
        for side in sides
    )
    return kind, one, other


def _voxel(position_nm: PointNm, voxel_nm: tuple[float, float, float]) -> tuple[int, ...]:
    return tuple(int(p // v) for p, v in zip(position_nm, voxel_nm, strict=True))
