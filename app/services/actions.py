"""Every action of the window by name: its words, its keys for either hand, and where it shows.

The same bindings are registered with Qt and inside Neuroglancer, so that a key does the
same wherever the focus is.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTIONS", "Action"]


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    Parameters
    ----------
    name : str
        Stable name, as settings store it.
    label : str
        Short words for buttons and the help overlay.
    left, right : str
        Default keys for the left and right hand in Qt's notation; may be empty.
    commits : bool
        Whether it writes a decision: such keys ignore auto-repeat and double presses.
    """

    name: str
    label: str
    left: str
    right: str = ""
    commits: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("accept", "accept", "F", "J", commits=True),
    Action("reject", "reject", "D", "K", commits=True),
    Action("unsure", "unsure", "S", "L", commits=True),
    Action("later", "later", "A", ";", commits=True),
    Action("skip", "skip", "G", "H", commits=True),
    Action("undo", "undo", "Z"),
    Action("redo", "redo", "Shift+Z"),
    Action("next", "next", "Space"),
    Action("previous", "previous", "Shift+Space"),
    Action("partner1", "partner 1", "1"),
    Action("partner2", "partner 2", "2"),
    Action("partner3", "partner 3", "3"),
    Action("partner4", "partner 4", "4"),
    Action("point", "blue point of a cut", "E"),
    Action("other_point", "orange point of a cut", "Shift+E"),
    Action("unpoint", "take a point away", "Backspace"),
    Action("preview", "preview the cut", "P"),
    Action("cut", "make the cut", "Return", "Enter", commits=True),
    Action("after", "before and after", "C"),
    Action("map", "bird's-eye map", "B"),
    Action("tint", "tint what is done", "T"),
    Action("layout", "2-D, 3-D, 4-panel", "X"),
    Action("filter", "filter", "/"),
    Action("improbable", "show improbable", "I"),
    Action("why", "where the judge looked", "V"),
    Action("help", "help", "?"),
    Action("palette", "all commands", "Ctrl+K"),
    Action("settings", "settings", "Ctrl+,"),
)
