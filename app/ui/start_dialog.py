"""What to begin with: a session of before, the demo, a folder, a server, a volume."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QCloseEvent
from PyQt6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.services.opening import Opened, resolve
from app.services.starting import Recent, cave_address, connect, precomputed_address
from app.ui.dispatch import Dispatcher
from app.ui.theme import GRID, question_font
from app.ui.widgets import button, label, rule, set_tone, title
from connectome.errors import ProofdeskError

__all__ = ["StartDialog"]

Work = Callable[[], tuple[Opened | None, str]]

_WIDTH, _HEIGHT = 118 * GRID, 66 * GRID
_FORM = 54 * GRID


class StartDialog(QDialog):
    """Ends accepted with `opened`, or rejected when nothing was chosen.

    Parameters
    ----------
    recent : sequence of Recent
        Sessions of before, the newest first.
    """

    def __init__(self, recent: Sequence[Recent]) -> None:
        super().__init__()
        self.setWindowTitle("Proofdesk")
        self.resize(_WIDTH, _HEIGHT)
        self.opened: Opened | None = None
        self._recent = tuple(recent)
        self._dispatcher = Dispatcher(self)
        self._work: threading.Thread | None = None
        self.status = label("", "dim", wrap=True)
        self.status.setMinimumHeight(5 * GRID)
        columns = QHBoxLayout()
        columns.setSpacing(3 * GRID)
        columns.addLayout(self._before(), 1)
        self._choices = QWidget()
        self._choices.setFixedWidth(_FORM)
        self._choices.setLayout(self._anew())
        columns.addWidget(self._choices)
        column = QVBoxLayout(self)
        column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 2 * GRID)
        heading = label("What to proofread")
        heading.setFont(question_font())
        column.addWidget(heading)
        column.addLayout(columns, 1)
        column.addWidget(self.status)

    # ---- building ----------------------------------------------------------------

    def _before(self) -> QVBoxLayout:
        self.list = QTreeWidget()
        self.list.setColumnCount(3)
        self.list.setHeaderLabels(["session", "datastack", "last used"])
        self.list.setRootIsDecorated(False)
        self.list.setAccessibleName("Recent sessions")
        for each in self._recent:
            used = "" if each.used is None else f"{each.used.astimezone():%d %b %H:%M}"
            item = QTreeWidgetItem([each.session.stem, each.datastack, used or "gone"])
            item.setToolTip(0, each.problem or str(each.session))
            item.setDisabled(bool(each.problem))
            self.list.addTopLevelItem(item)
        if (header := self.list.header()) is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
            for narrow in (1, 2):
                header.setSectionResizeMode(narrow, QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemActivated.connect(lambda _item, _column: self._open_recent())
        column = QVBoxLayout()
        column.setSpacing(GRID)
        column.addWidget(title("RECENT SESSIONS"))
        column.addWidget(self.list, 1)
        go_on = QPushButton("Go on")
        go_on.setProperty("primary", "true")
        go_on.setEnabled(bool(self._recent))
        go_on.clicked.connect(lambda _checked: self._open_recent())
        self.list.setCurrentItem(self.list.topLevelItem(0))
        if not self._recent:
            column.addWidget(label("None yet. The demo is a good first look.", "dim"))
        column.addWidget(go_on, alignment=Qt.AlignmentFlag.AlignLeft)
        return column

    def _anew(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(title("ON THIS MACHINE"))
        here = QHBoxLayout()
        here.addWidget(button("The demo", self.open_demo))
        here.addWidget(button("A folder…", self._choose_folder))
        here.addStretch(1)
        column.addLayout(here)
        column.addWidget(rule())
        column.addWidget(title("A CAVE DATASTACK"))
        column.addLayout(self._cave())
        column.addWidget(rule())
        column.addWidget(title("A PRECOMPUTED SEGMENTATION, TO LOOK AT"))
        column.addLayout(self._precomputed())
        column.addStretch(1)
        return column

    def _cave(self) -> QFormLayout:
        self.datastack, self.server, self.token = QLineEdit(), QLineEdit(), QLineEdit()
        self.datastack.setPlaceholderText("minnie65_public")
        self.server.setPlaceholderText("known for public datastacks")
        self.token.setPlaceholderText("the one kept on this machine")
        self.token.setEchoMode(QLineEdit.EchoMode.Password)
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Datastack", self.datastack)
        form.addRow("Server", self.server)
        form.addRow("Token", self.token)
        line = QHBoxLayout()
        line.addWidget(button("Test", lambda: self.open_cave(only_test=True)))
        line.addWidget(button("Open", self.open_cave))
        line.addStretch(1)
        form.addRow("", line)
        return form

    def _precomputed(self) -> QFormLayout:
        self.volume = QLineEdit()
        self.volume.setPlaceholderText("gs://bucket/segmentation, or https://…")
        form = QFormLayout()
        form.setSpacing(GRID)
        form.addRow("Address", self.volume)
        line = QHBoxLayout()
        line.addWidget(button("Open", self.open_precomputed))
        line.addStretch(1)
        form.addRow("", line)
        return form

    # ---- opening -----------------------------------------------------------------

    def _open_recent(self) -> None:
        row = self.list.indexOfTopLevelItem(self.list.currentItem())
        if 0 <= row < len(self._recent):
            chosen = self._recent[row]
            self._start("Opening…", lambda: (resolve(str(chosen.session)), ""))

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Open a session or an offline datastack")
        if chosen:
            self.open_folder(Path(chosen))

    def open_demo(self) -> None:
        """Open the bundled demo, which takes half a minute to make the first time."""
        self._start("Making the demo, once…", lambda: (resolve(None), ""))

    def open_folder(self, folder: Path) -> None:
        """Open a session's folder, or an offline datastack's."""
        is_session = folder.suffix == ".proofdesk"
        address = str(folder)
        self._start("Opening…", lambda: (resolve(address), "") if is_session else connect(address))

    def open_cave(self, *, only_test: bool = False) -> None:
        """Ask the server, keep the token it takes, and open the datastack."""
        name, server, token = self.datastack.text(), self.server.text(), self.token.text()

        def work() -> tuple[Opened | None, str]:
            opened, words = connect(cave_address(name, server), token)
            return (None, words) if only_test else (opened, words)

        self._start("Asking the server…", work)

    def open_precomputed(self) -> None:
        """Open a segmentation that cannot be edited."""
        url = self.volume.text()
        self._start("Reading its description…", lambda: connect(precomputed_address(url)))

    def _start(self, words: str, work: Work) -> None:
        """Do something that may take long on a thread of its own."""
        if self._work is not None:
            return
        self._say(words)
        self._choices.setEnabled(False)
        self._work = threading.Thread(target=self._do, args=(work,), daemon=True)
        self._work.start()

    def _do(self, work: Work) -> None:
        try:
            opened, words = work()
        except ProofdeskError as error:
            said = f"{error.message} {error.hint}".strip()
            self._dispatcher.post(lambda: self._done(None, said, failed=True))
        # Whatever else a library raises must be told, or the dialog would wait forever.
        except Exception as error:  # noqa: BLE001
            said = f"That did not work: {error}"
            self._dispatcher.post(lambda: self._done(None, said, failed=True))
        else:
            self._dispatcher.post(lambda: self._done(opened, words, failed=False))

    def _done(self, opened: Opened | None, words: str, *, failed: bool) -> None:
        self._work = None
        self._choices.setEnabled(True)
        self._say(words, failed=failed)
        if opened is not None:
            self.opened = opened
            self.accept()

    def _say(self, words: str, *, failed: bool = False) -> None:
        set_tone(self.status, "error" if failed else "dim")
        self.status.setText(words)

    def closeEvent(self, a0: QCloseEvent | None) -> None:  # noqa: N802
        """Forget what still runs."""
        self._dispatcher.close()
        super().closeEvent(a0)
