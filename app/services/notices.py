"""What the window tells the person beside the work."""

from __future__ import annotations

from collections.abc import Callable

from app.services.model import Level, Notice

__all__ = ["Notices"]


class Notices:
    """Notices in the order in which they came, until they are dismissed.

    Parameters
    ----------
    changed : callable
        Called after every change.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._notices: list[Notice] = []

    def all(self) -> tuple[Notice, ...]:
        """Return what is told now."""
        return tuple(self._notices)

    def notify(self, level: Level, text: str, remedy: str = "") -> None:
        """Show a notice; the same one is shown once."""
        notice = Notice(level, text, remedy)
        if notice not in self._notices:
            self._notices.append(notice)
        self._changed()

    def dismiss(self, notice: Notice) -> None:
        """Take a notice away."""
        self._notices = [known for known in self._notices if known is not notice]
        self._changed()
