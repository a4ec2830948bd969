"""The window: bars, docks and the viewer, kept true to the workbench's snapshot."""

from __future__ import annotations

from PyQt6.QtCore import QEvent, QObject, Qt, QTimer
from PyQt6.QtGui import QCloseEvent, QResizeEvent
from PyQt6.QtWidgets import QApplication, QDockWidget, QMainWindow, QToolBar, QWidget

from app.services.logs import RunLog
from app.services.model import Level, Notice, PlannedEdit, SecondLook, UndoQuestion
from app.services.preferences import Preferences, PreferencesStore, bound_keys
from app.ui.birdseye import BirdsEye
from app.ui.bottom_bar import BottomBar
from app.ui.commands import Commands
from app.ui.consequence_card import ConsequenceCard
from app.ui.dispatch import Coalescer, Dispatcher, ScriptBatch
from app.ui.export_dialog import ExportDialog
from app.ui.help_overlay import HelpOverlay
from app.ui.keyed_button import KeyedButton
from app.ui.keys import CommitGate, KeyFilter
from app.ui.layout import LayoutStore
from app.ui.log_window import LogWindow
from app.ui.look_bar import LookBar
from app.ui.more_menu import MoreMenu
from app.ui.palette import Palette
from app.ui.picture_grid import EnlargedPicture
from app.ui.ports import WorkbenchPort
from app.ui.quality_dialogs import DashboardDialog, RiskDialog
from app.ui.queue_dock import QueueDock
from app.ui.settings_dialog import SettingsDialog
from app.ui.split_card import SplitCard
from app.ui.theme import DARK, GRID, LIGHT, apply_theme, theme
from app.ui.through_menus import ThroughMenus
from app.ui.toasts import Toasts
from app.ui.top_bar import TopBar
from app.ui.tour import Step, Tour
from app.ui.undo_dialog import UndoDialog
from app.ui.verdict_dock import VerdictDock
from app.ui.web_view import WebView
from connectome.space import PointNm
from proofreading.files import storage_errors
from proofreading.triage import Lane

__all__ = ["MainWindow", "verdict_width"]

_QUEUE_MS = 150
_REST_MS = 16
_ROOMY = 1440
_VERDICT_SHARE = 0.29
_VERDICT_MOST = 0.4
_VERDICT_LEAST = 440
_BESIDE_PICTURES = 360
"""Pixels of a window's height in which there are no pictures."""


def verdict_width(width: int, height: int) -> int:
    """Return how wide the verdict is in a window: on a large screen pictures grow first.

    Two columns of three squares fill the height, as far as they leave room for the tissue.
    """
    filling = round(2 / 3 * (height - _BESIDE_PICTURES)) + 4 * GRID
    wanted = max(_VERDICT_LEAST, round(width * _VERDICT_SHARE), filling)
    return min(wanted, max(_VERDICT_LEAST, round(width * _VERDICT_MOST)))


class MainWindow(QMainWindow):
    """One question, its evidence, and the answer under the fingers.

    Parameters
    ----------
    workbench : WorkbenchPort
        The use-cases; closed with the window.
    dispatcher : Dispatcher, optional
        The way from other threads to this one; closed with the window.
    layouts : LayoutStore, optional
        Where layouts are remembered.
    gate : CommitGate, optional
        What tells a press from a double press.
    preferences : PreferencesStore, optional
        Where the person's choices are kept.
    """

    def __init__(
        self,
        workbench: WorkbenchPort,
        dispatcher: Dispatcher | None = None,
        *,
        layouts: LayoutStore | None = None,
        gate: CommitGate | None = None,
        preferences: PreferencesStore | None = None,
    ) -> None:
        super().__init__()
        self._store = preferences or PreferencesStore()
        self.preferences = Preferences()
        self.log: RunLog | None = None
        self.setWindowTitle("Proofdesk")
        self.setMinimumSize(960, 600)
        self.workbench = workbench
        self.dispatcher = dispatcher or Dispatcher(self)
        self._layouts = layouts or LayoutStore()
        self._closed = False
        self._width_chosen = False
        self._notices: tuple[Notice, ...] = ()
        self.commands = Commands(workbench, self)
        self.export_dialog: ExportDialog | None = None
        self.undo_dialog: UndoDialog | None = None
        self._looking = False
        self._build()
        self.keys = KeyFilter(
            self,
            self.commands.perform,
            page_is_typing=self.web.is_typing,
            escape=self.escape,
            gate=gate,
        )
        self.keys.install()
        self._rest = Coalescer(self._show_rest, _REST_MS, self)
        self._rows = Coalescer(self._show_rows, _QUEUE_MS, self)
        self.commands.guard(lambda: self._use(self._store.read()))
        self._connect_viewer()
        workbench.subscribe(self._changed)
        self._changed()

    # ---- building ----------------------------------------------------------------

    def _build(self) -> None:
        self.web = WebView(self.workbench.viewer.url)
        self.top = TopBar(self._through_menus)
        self.queue = QueueDock(self.workbench, self.toggle_fold)
        self.verdict = VerdictDock(self.workbench)
        self.setMenuWidget(self.top)
        self.setCentralWidget(self.web)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        self.queue_dock = self._dock("Queue", self.queue, self.queue.head, left)
        self.verdict_dock = self._dock("Verdict", self.verdict, self.verdict.head, right)
        self.more = MoreMenu(self)
        self.bottom = BottomBar(
            self.commands.perform,
            cancel=self.workbench.cancel,
            skip=self.commands.skip,
            export=self.open_export,
            more=self.more,
        )
        self._add_bottom()
        self.help = HelpOverlay(self)
        self.palette_card = Palette(self, self.commands.entries, self.web.view.setFocus)
        self.tour = Tour(self, self._steps(), self._tour_seen)
        self.enlarged = EnlargedPicture(self)
        self.verdict.pictures.enlarge.connect(self.enlarged.show_picture)
        self.birdseye = BirdsEye(self, self.workbench.map, here=self._here, go=self.commands.go)
        self.toasts = Toasts(self.web, self.dismiss)
        self.look_bar = LookBar(self.web)
        self.look_bar.back.connect(self._looked)
        self.consequence_card = ConsequenceCard(
            self.web, KeyedButton("back to before", "C", lambda: self.commands.perform("after"))
        )
        self.split_card = SplitCard(
            self.web,
            self.commands.perform,
            leave=self.workbench.cutting.leave,
            remove=self.workbench.cutting.remove,
        )
        self.resize(1600, 1000)
        self.verdict_dock.installEventFilter(self)
        self._width_chosen = self._layouts.restore(self)
        if not self._width_chosen:
            self.reset_layout()

    def _steps(self) -> tuple[Step, ...]:
        return (
            Step(
                self.queue,
                "What is left to answer",
                "Probable errors, the most useful first. A click goes there; you can also "
                "just answer one after the other.",
            ),
            Step(
                self.web,
                "The tissue",
                "Neuroglancer with both segments in their colours. Every dot is a probable "
                "error: click one to go to it. Drag and scroll to look around; X changes the view.",
            ),
            Step(
                self.verdict,
                "The question and the evidence",
                "Both segments from three sides and in three slices, what the judge thinks and how "
                "sure it is. A click enlarges a picture; 1 to 4 choose another partner.",
            ),
            Step(
                self.bottom,
                "Answer with one key",
                "F accepts, D rejects, S is unsure, A comes back later, Z takes the last answer "
                "back. Every answer is saved at once. Other keys: Settings; all of them: ?",
            ),
            Step(
                self.top,
                "Nothing is sent before you say so",
                "Accepted answers wait in the outbox. Export shows what would change, then sends "
                "each edit exactly once; it can be undone afterwards too.",
            ),
        )

    def _tour_seen(self) -> None:
        self.web.view.setFocus()
        self.commands.guard(lambda: self._keep(self.preferences.changed(tour_done=True)))

    def _dock(
        self, name: str, content: QWidget, head: QWidget, area: Qt.DockWidgetArea
    ) -> QDockWidget:
        dock = QDockWidget(name, self)
        dock.setObjectName(f"dock{name}")
        dock.setTitleBarWidget(head)
        dock.setWidget(content)
        self.addDockWidget(area, dock)
        return dock

    def _add_bottom(self) -> None:
        bar = QToolBar("Answers", self)
        bar.setObjectName("answers")
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        if (toggle := bar.toggleViewAction()) is not None:
            toggle.setEnabled(False)
        bar.addWidget(self.bottom)
        self.addToolBar(Qt.ToolBarArea.BottomToolBarArea, bar)

    def _connect_viewer(self) -> None:
        viewer, post = self.workbench.viewer, self.dispatcher.post
        self.web.loading.connect(viewer.mark_loading)
        self.web.loaded.connect(viewer.mark_ready)
        viewer.attach(ScriptBatch(post, self.web.run_script).add)
        self.verdict.pictures.sent.connect(viewer.look_at)
        viewer.on_moved(lambda point: post(lambda: self.verdict.pictures.show_here(point)))
        viewer.on_site_click(lambda site_id: post(lambda: self._site_clicked(site_id)))

    def _here(self) -> PointNm | None:
        current = self.workbench.snapshot().current
        return None if current is None else current.site.point_nm

    def _site_clicked(self, site_id: str) -> None:
        # Neuroglancer reports the end of a drag as a click, too.
        if self.web.gate.was_click:
            self.commands.guard(lambda: self.workbench.select(site_id))

    # ---- showing -----------------------------------------------------------------

    def _changed(self) -> None:
        self._rest.request()
        self._rows.request()

    def _show_rest(self) -> None:
        snapshot = self.workbench.snapshot()
        self.top.show_snapshot(snapshot)
        self.verdict.show_snapshot(snapshot)
        self.bottom.show_snapshot(snapshot)
        self.split_card.show_cut(snapshot.cut)
        self.consequence_card.show_consequence(snapshot.after)
        self.birdseye.refresh()
        self.toasts.show_notices(snapshot.notices + self._notices)
        if self.export_dialog is not None and self.export_dialog.isVisible():
            self.export_dialog.show_snapshot(snapshot)
        self._ask_undo(snapshot.undo_question)

    def _show_rows(self) -> None:
        self.queue.refresh()
        self._fold_by_width()

    def notify(self, text: str, remedy: str = "", level: Level = Level.ERROR) -> None:
        """Show a notice of the window's own."""
        notice = Notice(level, text, remedy)
        if notice not in self._notices:
            self._notices = (*self._notices, notice)
        self._rest.request()

    def dismiss(self, notice: Notice) -> None:
        """Put a notice away, whoever it came from."""
        if any(n is notice for n in self._notices):
            self._notices = tuple(n for n in self._notices if n is not notice)
            self._rest.request()
        else:
            self.workbench.dismiss_notice(notice)

    # ---- what the commands open --------------------------------------------------

    def open_export(self) -> None:
        """Open the dry run beside the window, or come back to it after a look at a site."""
        self.look_bar.hide()
        if self.export_dialog is not None and (self._looking or self.export_dialog.isVisible()):
            self._looking = False
            self.export_dialog.come_back()
            return
        if self.export_dialog is not None:
            self.export_dialog.deleteLater()
        self.export_dialog = ExportDialog(self.workbench, self)
        self.export_dialog.look.connect(self._look_at)
        self.export_dialog.show()

    def _look_at(self, edit: PlannedEdit) -> None:
        """Go to the site of an edit; the list waits for the person to come back."""
        self._looking = True
        self.commands.guard(lambda: self.workbench.select(edit.site_id))
        self.look_bar.show_edit(edit)
        self.activateWindow()
        self.web.view.setFocus()

    def _looked(self, edit: PlannedEdit, action: SecondLook | None) -> None:
        self._looking = False
        if self.export_dialog is not None:
            self.export_dialog.come_back(edit, action)

    def _ask_undo(self, question: UndoQuestion | None) -> None:
        """Ask what the workbench wants to know before an undo, without holding the window up."""
        if self.undo_dialog is not None and self.undo_dialog.question is not question:
            self.undo_dialog.deleteLater()
            self.undo_dialog = None
        if question is not None and self.undo_dialog is None:
            self.undo_dialog = UndoDialog(question, self.workbench, self)
            self.undo_dialog.show()

    def escape(self) -> bool:
        """Close what lies on top, or leave the filter; tell whether there was anything."""
        if self.tour.isVisible():
            self.tour.end()
            return True
        for overlay in (self.birdseye, self.palette_card, self.enlarged, self.help):
            if overlay.isVisible():
                overlay.hide()
                return True
        if self.look_bar.isVisible():
            self.look_bar.go_back()
            return True
        if self.workbench.cutting.leave():
            return True
        if self.consequence_card.isVisible():
            self.workbench.toggle_after()
            return True
        if self.queue.filter.hasFocus():
            self.web.view.setFocus()
            return True
        return False

    def focus_filter(self) -> None:
        """Open the queue if need be and put the cursor into its filter."""
        self.queue_dock.show()
        if self.queue.folded:
            self.queue.set_folded(folded=False)
        self.queue.focus_filter()

    def _through_menus(self, parent: QWidget) -> ThroughMenus:
        """Return what chooses lane and order; both hold after the next start, too."""

        def keep(**values: str) -> None:
            self.commands.guard(lambda: self._keep(self.preferences.changed(**values)))

        return ThroughMenus(
            parent,
            lambda lane: keep(lane="" if lane is None else lane.value),
            lambda order: keep(order=order.value),
            self.open_risk_dial,
        )

    def toggle_map(self) -> None:
        """Open or close the map of all sites."""
        self.birdseye.toggle()

    def toggle_help(self) -> None:
        """Open or close the card with the keys."""
        self.help.toggle()

    def toggle_palette(self) -> None:
        """Open or close the list of all commands."""
        self.palette_card.toggle()

    def open_settings(self) -> None:
        """Open what can be chosen; it holds as soon as it is saved."""
        SettingsDialog(self.preferences, self._keep, self).open()

    def open_risk_dial(self) -> None:
        """Open the dial of accepted errors, with what falls in each lane."""
        RiskDialog(self.workbench.quality, self).show()

    def open_dashboard(self) -> None:
        """Open how the session goes."""
        snapshot = self.workbench.snapshot()
        names = (snapshot.session_name, snapshot.datastack_name)
        DashboardDialog(self.workbench.quality, names, self.dispatcher.post, self).show()

    def open_log(self) -> None:
        """Show what was logged in this run."""
        if self.log is None:
            self.notify("This run keeps no log.", "", Level.INFO)
            return
        LogWindow("This run", "\n".join(self.log.lines), self.log.path, self).show()

    def open_crash_log(self) -> None:
        """Show the log of the last run that crashed, if the last one did."""
        if self.log is None or not self.log.crashed:
            self.notify("The last run ended well.", "", Level.INFO)
            return
        path = self.log.crashed[-1]
        with storage_errors(path):
            text = path.read_text(encoding="utf-8", errors="replace")
        LogWindow("The run that ended unexpectedly", text, path, self).show()

    def begin(self) -> None:
        """Show the tour to who has not seen it."""
        if not self.preferences.tour_done:
            self.show_tour()

    def show_tour(self) -> None:
        """Show what is where, in five steps."""
        self.tour.open()

    def _keep(self, chosen: Preferences) -> None:
        self._store.write(chosen)
        self._use(chosen)

    def _use(self, chosen: Preferences) -> None:
        """Let what was chosen hold."""
        self.preferences = chosen
        self.keys.bind(bound_keys(chosen))
        self.help.show_keys(chosen)
        self.bottom.show_keys(chosen)
        self.workbench.hide_below(chosen.hide_below)
        self.workbench.suggest_breaks(wanted=chosen.suggest_breaks)
        self.workbench.ask_twice(wanted=chosen.second_look)
        self.workbench.look_through(Lane(chosen.lane) if chosen.lane else None, chosen.order)
        app = QApplication.instance()
        wanted = LIGHT if chosen.appearance == "light" else DARK
        if isinstance(app, QApplication) and wanted is not theme():
            apply_theme(app, wanted)

    def toggle_fold(self) -> None:
        """Fold the queue or open it, and remember the wish."""
        self.queue.set_folded(folded=not self.queue.folded)
        self._layouts.choose_fold(folded=self.queue.folded)

    def reset_layout(self) -> None:
        """Put the docks where they were at first."""
        self._width_chosen = False
        for dock, area in (
            (self.queue_dock, Qt.DockWidgetArea.LeftDockWidgetArea),
            (self.verdict_dock, Qt.DockWidgetArea.RightDockWidgetArea),
        ):
            dock.setFloating(False)
            self.addDockWidget(area, dock)
            dock.show()
        self._fold_by_width()
        # Docks have no width before the first layout.
        QTimer.singleShot(0, self._size_docks)

    def _size_docks(self) -> None:
        widths = [self.queue.minimumWidth(), verdict_width(self.width(), self.height())]
        self.resizeDocks([self.queue_dock, self.verdict_dock], widths, Qt.Orientation.Horizontal)

    def _grow_pictures(self) -> None:
        """Give pictures their share of another window, unless the person gave them another."""
        if not self._width_chosen and not self._closed:
            self._size_docks()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:  # noqa: N802
        """Notice that the person drags the border of the pictures."""
        resized = a1 is not None and a1.type() == QEvent.Type.Resize
        if resized and QApplication.mouseButtons() & Qt.MouseButton.LeftButton:
            self._width_chosen = True
        return super().eventFilter(a0, a1)

    def _fold_by_width(self) -> None:
        chosen = self._layouts.fold_choice
        narrow = self.width() < _ROOMY
        # An empty queue has something to say, for which a strip is too narrow.
        folded = self.queue.has_rows and (narrow if chosen is None else chosen)
        if folded != self.queue.folded:
            self.queue.set_folded(folded=folded)

    # ---- the window's own life ---------------------------------------------------

    def resizeEvent(self, a0: QResizeEvent | None) -> None:  # noqa: N802
        """Fold the queue where there is little room."""
        super().resizeEvent(a0)
        self._fold_by_width()
        QTimer.singleShot(0, self._grow_pictures)

    def load(self) -> None:
        """Load the viewer's page and give it the focus: no key is meant for the filter."""
        self.web.view.setFocus()
        self.web.load()

    def closeEvent(self, a0: QCloseEvent | None) -> None:  # noqa: N802
        """Remember the layout and let go of everything, once."""
        if not self._closed:
            self._closed = True
            self._layouts.save(self)
            self.keys.remove()
            self._rest.stop()
            self._rows.stop()
            self.dispatcher.close()
            self.web.shut_down()
            self.workbench.close()
        super().closeEvent(a0)
