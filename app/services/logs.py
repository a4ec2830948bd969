"""What went on, kept: a log for every run of the window, and word of one that ended badly.

Each run has one file and a lock that lasts as long as its process. A file whose lock is
free although its run never ended belongs to a run that crashed or was killed.
"""

from __future__ import annotations

import faulthandler
import logging
import os
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from connectome.closing import Closing
from connectome.errors import SessionError, StorageError
from proofreading.files import storage_errors
from proofreading.session_lock import OwnerLock

__all__ = ["RunLog"]

KEPT = 20
"""Files of earlier runs that stay."""
REMEMBERED = 1_000
"""Lines that the log window shows."""

_RUNNING, _ENDED, _CRASHED = ".running", ".log", ".crash.log"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Ring(logging.Handler):
    """Keeps the last lines in memory."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=REMEMBERED)
        self.setFormatter(logging.Formatter(_FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class RunLog(Closing):
    """The log of this run; closing it says that the run ended well.

    Parameters
    ----------
    folder : Path
        Where the logs are.

    Raises
    ------
    StorageError
        If no file can be written there.
    """

    def __init__(self, folder: Path) -> None:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.crashed = self._find_crashed()
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{os.getpid()}"
        self.path = folder / f"{name}{_RUNNING}"
        self._lock = OwnerLock(self.path.with_suffix(".lock"))
        with storage_errors(self.path):
            self._file: IO[str] = self.path.open("w", encoding="utf-8")
        self._ring = _Ring()
        self._written = logging.StreamHandler(self._file)
        self._written.setFormatter(logging.Formatter(_FORMAT))
        for handler in (self._ring, self._written):
            logging.getLogger().addHandler(handler)
        # Only this can still write when the interpreter itself is broken.
        faulthandler.enable(self._file)
        self._closed = False
        self._forget_old()

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines, the newest at the end."""
        return tuple(self._ring.lines)

    def close(self) -> None:
        """End the run well, once."""
        if self._closed:
            return
        self._closed = True
        faulthandler.disable()
        for handler in (self._ring, self._written):
            logging.getLogger().removeHandler(handler)
        self._file.close()
        self._lock.release()
        _end(self.path, _ENDED)

    def _find_crashed(self) -> tuple[Path, ...]:
        """Return the logs of runs that neither ended nor go on, told of only once."""
        found = []
        for path in sorted(self._folder.glob(f"*{_RUNNING}")):
            try:
                OwnerLock(path.with_suffix(".lock")).release()
            except (SessionError, StorageError):
                continue
            found.append(_end(path, _CRASHED))
        return tuple(found)

    def _forget_old(self) -> None:
        ended = [path for path in self._folder.glob("*.log") if path.is_file()]
        for path in sorted(ended)[:-KEPT]:
            with suppress(OSError):
                path.unlink()


def _end(path: Path, suffix: str) -> Path:
    """Give a log its last name; where that fails it keeps the one it has."""
    with suppress(OSError):
        path.with_suffix(".lock").unlink(missing_ok=True)
    ended = path.with_suffix(suffix)
    try:
        return path.replace(ended)
    except OSError:
        return path
