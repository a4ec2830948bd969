"""A window in a process of its own, for tests that kill it: answers sites and says so."""

from __future__ import annotations

import sys
from pathlib import Path

from app.services.opening import Opened
from app.ui.driver import Driver


def main(session: str, address: str) -> None:
    """Answer sites with keys; write one line for each answer that the window acknowledged."""
    driver = Driver(Opened(Path(session), address))
    bench = driver.workbench
    driver.until(lambda: bench.snapshot().current is not None, "the first site")
    driver.until(lambda: len(bench.queue) >= 6, "a few sites")
    for key in "DSDSDS":
        current = bench.snapshot().current
        assert current is not None
        before = bench.snapshot().progress.decided
        driver.press(key)
        driver.until(lambda: bench.snapshot().progress.decided > before, "the answer")  # noqa: B023
        sys.stdout.write(f"{current.site.id}\n")
        sys.stdout.flush()
    driver.until(lambda: False, "the end", 300)


if __name__ == "__main__":
    main(*sys.argv[1:])
