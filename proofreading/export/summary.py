"""What a run of the exporter did, collected while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from connectome.errors import OfflineError, ServiceError
from proofreading.edits import EditRecord, EditState, Reason
from proofreading.export.conflicts import Conflict
from proofreading.export.journal import Journal
from proofreading.export.rows import RowSummary

__all__ = ["ExportSummary", "Progress", "Run"]

MAX_REJECTIONS = 5
"""So many refusals in a row mean that something is wrong for all edits, not for each."""

Progress = Callable[[int, int, EditRecord], None]


@dataclass(frozen=True)
class ExportSummary:
    """What a run did.

    Parameters
    ----------
    records : tuple of EditRecord
        The edits it recovered, sent or refused to send, as they are now.
    waiting : int
        Number of edits that still wait.
    stopped : str
        Why it ended early; empty if it did not.
    offline : bool
        Whether it ended because there is no network: what waits goes out with a later run.
    conflicts : tuple of Conflict
        What others changed under these edits since the person saw the objects.
    rows : RowSummary or None
        The rows written; None if none were asked for.
    """

    records: tuple[EditRecord, ...]
    waiting: int
    stopped: str = ""
    offline: bool = False
    conflicts: tuple[Conflict, ...] = ()
    rows: RowSummary | None = None

    def count(self, *states: EditState) -> int:
        """Return how many edits of this run ended in these states."""
        return sum(record.state in states for record in self.records)


@dataclass
class Run:
    """One run: its edits, and when to stop."""

    journal: Journal
    progress: Progress | None
    cancelled: Callable[[], bool]
    stopped: str = ""
    offline: bool = False
    _records: dict[str, EditRecord] = field(default_factory=dict)
    _conflicts: list[Conflict] = field(default_factory=list)
    _refused: int = 0
    _number: int = 0
    _total: int = 0

    def begin(self, recovered: list[EditRecord]) -> None:
        """Take what was recovered; edits that are still unknown hold all others."""
        self._records = {record.edit.id: record for record in recovered}
        if self.journal.state.unanswered_edits():
            self.stopped = "The server cannot tell yet what became of an earlier edit."

    def waiting(self) -> Iterator[str]:
        """Yield the edits that wait, until there is a reason to stop."""
        waiting = [record.edit.id for record in self.journal.state.pending_edits()]
        self._total = len(waiting)
        for self._number, edit_id in enumerate(waiting, start=1):
            if not self.stopped and self.cancelled():
                self.stopped = "Cancelled."
            if self.stopped:
                return
            yield edit_id

    def note(self, conflict: Conflict | None) -> None:
        """Keep what changed under an edit."""
        if conflict is not None:
            self._conflicts.append(conflict)

    def take(self, record: EditRecord | None) -> None:
        """Take an edit's outcome; None if it no longer waited."""
        if record is None:
            return
        self._records[record.edit.id] = record
        if self.progress is not None:
            self.progress(self._number, self._total, record)
        self._refused = self._refused + 1 if record.reason is Reason.REFUSED else 0
        if record.state is EditState.UNKNOWN:
            self.stopped = "The server cannot tell what became of an edit."
        elif self._refused == MAX_REJECTIONS:
            self.stopped = f"The server refused {MAX_REJECTIONS} edits in a row: {record.message}"

    def stop(self, error: ServiceError) -> None:
        """End because the graph cannot be read."""
        self.stopped = str(error)
        self.offline = isinstance(error, OfflineError)

    def summary(self, rows: RowSummary | None) -> ExportSummary:
        """Return what was done."""
        return ExportSummary(
            tuple(self._records.values()),
            len(self.journal.state.pending_edits()),
            self.stopped,
            self.offline,
            tuple(self._conflicts),
            rows,
        )
