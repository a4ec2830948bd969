"""From any thread to the GUI thread, and many changes into few redraws."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal

__all__ = ["Coalescer", "Dispatcher", "ScriptBatch"]


class Dispatcher(QObject):
    """Runs callables on the thread it was made on, in the order they were posted."""

    _posted = pyqtSignal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        # The stubs of PyQt6 6.11 do not know the connection type.
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    def post(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the GUI thread, soon; dropped silently after `close`."""
        if not self._closed:
            self._posted.emit(action)

    def close(self) -> None:
        """Drop everything that is still waiting."""
        self._closed = True

    def _run(self, action: Callable[[], None]) -> None:
        if not self._closed:
            action()


class ScriptBatch:
    """Gathers the scripts of one turn of the event loop into one.

    The page may draw between two scripts, which costs a frame that nobody is to see. Any
    thread may add.

    Parameters
    ----------
    post : callable
        Runs a callable on the GUI thread, soon.
    run : callable
        Runs a script in the page; called on the GUI thread.
    """

    def __init__(
        self, post: Callable[[Callable[[], None]], None], run: Callable[[str], None]
    ) -> None:
        self._post = post
        self._run = run
        self._waiting: deque[str] = deque()

    def add(self, script: str) -> None:
        """Run a script soon, after those that were added before."""
        self._waiting.append(script)
        self._post(self._flush)

    def _flush(self) -> None:
        scripts = []
        while self._waiting:
            scripts.append(self._waiting.popleft())
        if scripts:
            self._run("\n;".join(scripts))


class Coalescer(QObject):
    """Calls ``action`` at most once per interval, and always after the last request."""

    def __init__(
        self, action: Callable[[], None], interval_ms: int, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._action = action
        self._again = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(interval_ms)
        self._timer.timeout.connect(self._elapsed)

    def request(self) -> None:
        """Ask for a call: at once if the interval has passed, else at its end."""
        if self._timer.isActive():
            self._again = True
            return
        self._timer.start()
        self._action()

    def stop(self) -> None:
        """Forget what was asked."""
        self._again = False
        self._timer.stop()

    def _elapsed(self) -> None:
        if self._again:
            self._again = False
            self._timer.start()
            self._action()
