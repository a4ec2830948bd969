"""What the interpreter does of its own accord must not hold the window up."""

from __future__ import annotations

import gc
import sys

__all__ = ["keep_steady"]

SWITCH_S = 0.001
"""How long another thread may go on when the window's wants to run."""


def keep_steady() -> None:
    """Let no full collection of garbage, and no other thread, stop the window for long.

    A full collection looks at every object there is: with the program's modules some hundred
    thousand, for a quarter of a second. What is there by now stays until the end, so it need not
    be looked at. Call it once, in a process that lives for one window.

    See https://docs.python.org/3/library/gc.html#gc.freeze and
    https://docs.python.org/3/library/sys.html#sys.setswitchinterval.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
