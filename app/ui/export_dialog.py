"""Export: what would become of every edit, second looks, and, on request, the sending."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from app.services.model import EditList, Job, Phase, PlannedEdit, SecondLook, Snapshot
from app.ui.banner import Banner
from app.ui.export_detail import EditDetail
from app.ui.export_table import ExportTable
from app.ui.export_words import send_text, summary
from app.ui.ports import WorkbenchPort
from app.ui.shortcuts import on_key
from app.ui.theme import GRID, question_font
from app.ui.widgets import Message, button, label, shown

__all__ = ["EXPORT_JOB", "ExportDialog"]

EXPORT_JOB = "export"
_RUNS = (Phase.LOADING, Phase.PARTIAL)


class ExportDialog(QDialog):
    """Lists, then applies. Closing it does not stop an export that runs.

    The window stays usable beside it, so that a site can be looked at.
    """

    look = pyqtSignal(object)
    """The person wants to see the site of this edit."""

    def __init__(self, workbench: WorkbenchPort, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumSize(90 * GRID, 60 * GRID)
        self.resize(110 * GRID, 80 * GRID)
        self._workbench = workbench
        self._asked = 0
        self._running = self._listing = self._stopping = self._deciding = False
        self._trouble = self._told = ""
        self._job: Job | None = None
        self.list = EditList(Phase.LOADING)
        self._build()
        self.finished.connect(self._forget)
        self.refresh()
        self.show_snapshot(workbench.snapshot())
        self.table.setFocus()

    # ---- building ------------------------------------------------------------------

    def _build(self) -> None:
        heading = label("Edits to send")
        heading.setFont(question_font())
        self.summary = label("", "dim", wrap=True)
        self.message = Message()
        self.table = ExportTable()
        self.table.chosen.connect(self._show_chosen)
        self.detail = EditDetail()
        self.detail.look.connect(self._look)
        self.detail.decided.connect(self._decide)
        self.banner = Banner("Try again", "R", self.refresh)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(heading)
        column.addWidget(self.summary)
        column.addWidget(self.table, 1)
        column.addWidget(self.message, 1)
        for part in (self.detail, self.banner, self.progress):
            column.addWidget(part)
        column.addLayout(self._buttons())
        on_key(self, "R", self.banner.retry.press)
        for key in ("Ctrl+Return", "Ctrl+Enter"):
            on_key(self, key, self.apply.click)

    def _buttons(self) -> QHBoxLayout:
        self.apply = button("Send", self._apply, kind="primary")
        self.apply.setToolTip("Each is sent exactly once (Ctrl+Enter)")
        self.stop = button("Stop", self._stop)
        self.shut = button("Close", self.close)
        line = QHBoxLayout()
        line.addStretch(1)
        for part in (self.stop, self.shut, self.apply):
            # Enter in the list must not send anything.
            part.setAutoDefault(False)
            part.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            line.addWidget(part)
        return line

    # ---- listing -------------------------------------------------------------------

    def refresh(self) -> None:
        """Look at the edits once more; what is listed stays until the answer is there."""
        self._asked += 1
        self._listing = True
        generation = self._asked
        self._workbench.plan_export(lambda edits: self._listed(generation, edits))
        self._redraw()

    def _listed(self, generation: int, edits: EditList) -> None:
        if generation != self._asked:
            return  # A newer list was asked for.
        self._listing = edits.phase is Phase.PARTIAL
        # What was looked at before says more than what the ledger alone knows.
        if not self._listing or not self.list.edits:
            self.list = edits
            self.table.take(edits.edits)
        self._redraw()

    def _forget(self) -> None:
        self._asked += 1  # What still arrives finds nobody.

    # ---- deciding ------------------------------------------------------------------

    def come_back(self, edit: PlannedEdit | None = None, action: SecondLook | None = None) -> None:
        """Show the list again after a look at a site, and decide about its edit if asked to."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.show_snapshot(self._workbench.snapshot())
        if edit is not None:
            self.table.choose(edit.edit_id)
        if edit is not None and action is not None:
            self.detail.decide(action)
        else:
            self.refresh()

    def _look(self, edit: PlannedEdit) -> None:
        self.hide()
        self.look.emit(edit)

    def _decide(self, action: SecondLook, edits: list[PlannedEdit]) -> None:
        self._deciding, self._trouble = True, ""
        self._workbench.look_again(action, edits, self._decided)
        self._redraw()

    def _decided(self, trouble: str) -> None:
        self._deciding, self._trouble = False, trouble
        self.refresh()

    # ---- sending -------------------------------------------------------------------

    def _apply(self) -> None:
        self._running, self._stopping = True, False
        self._trouble = self._told = ""
        self._workbench.start_export()
        self.show_snapshot(self._workbench.snapshot())

    def _stop(self) -> None:
        self._stopping = True
        self._workbench.cancel(EXPORT_JOB)
        self._redraw()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Follow a running export; when it has ended, ask for every edit's outcome."""
        job = next((job for job in snapshot.jobs if job.name == EXPORT_JOB), None)
        runs = job is not None and job.phase in _RUNS
        ended, self._running, self._job = self._running and not runs, runs, job
        if ended and job is not None:
            failed = job.phase is Phase.FAILED
            self._trouble, self._told = (job.text, "") if failed else ("", job.text)
            self.refresh()
        self._redraw()

    # ---- showing -------------------------------------------------------------------

    def _redraw(self) -> None:
        has_rows = bool(self.list.edits)
        shown(self.table, when=has_rows)
        shown(self.detail, when=has_rows)
        shown(self.message, when=not has_rows)
        if not has_rows:
            self._say_why_empty()
        self._show_chosen()
        self._show_banner()
        self._show_progress()
        self.apply.setText(send_text(self.list, self._workbench.snapshot().outbox.waiting))
        self.apply.setEnabled(self._may_send())
        self.summary.setText(self._summary())

    def _say_why_empty(self) -> None:
        if self._listing:
            self.message.say("Looking at the edits…", "Nothing is sent yet.")
        elif self.list.phase in (Phase.FAILED, Phase.OFFLINE):
            self.message.say("The edits cannot be listed now.", "They are safe in the session.")
        else:
            self.message.say("There is nothing to send.", "Accept a site first: key F.")

    def _show_chosen(self) -> None:
        free = not (self._running or self._deciding)
        self.detail.show_edits(self.table.edits(), self.list.person, enabled=free)

    def _show_banner(self) -> None:
        failed = self.list.phase is Phase.FAILED
        cut_off = failed or self.list.phase is Phase.OFFLINE
        if self._trouble:
            self.banner.say(self._trouble, error=True)
        elif self._running or (self._listing and cut_off):
            self.banner.say("")
        elif self.list.text:
            self.banner.say(self.list.text, self.list.remedy, error=failed, retry=cut_off)
        else:
            self.banner.say(self._told)

    def _show_progress(self) -> None:
        shown(self.stop, when=self._running)
        self.stop.setEnabled(not self._stopping)
        busy = self._running or self._listing or self._deciding
        shown(self.progress, when=busy)
        fraction = self._job.fraction if self._running and self._job is not None else None
        self.progress.setRange(0, 0 if fraction is None else 1000)
        self.progress.setValue(round((fraction or 0) * 1000))

    def _may_send(self) -> bool:
        ready = self.list.phase is Phase.READY and self.list.may_send
        free = not (self._running or self._listing or self._deciding)
        outbox = self._workbench.snapshot().outbox
        return ready and free and bool(self.list.edits and outbox.waiting + outbox.unknown)

    def _summary(self) -> str:
        if self._stopping and self._running:
            return "Stopping after the edit that is on its way…"
        if self._running:
            return (self._job.label if self._job else "") or "Sending, one edit at a time…"
        if self._listing and self.list.edits:
            return f"{summary(self.list.edits)}   ·   looking at them as they are now…"
        return summary(self.list.edits)
