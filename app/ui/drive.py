"""The demo where there is no screen: the whole loop in the real window, with pictures."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.services.model import Phase
from app.services.opening import Opened
from app.services.scoring import score_folder
from app.ui.driver import Driver

__all__ = ["DemoSummary", "drive_demo"]

ANSWERS = 40
SURE, UNLIKELY = 0.5, 0.2
WORK_SECONDS = 150.0


@dataclass(frozen=True)
class DemoSummary:
    """What happened, and where the pictures are."""

    painted_after_seconds: float
    sites: int
    judged: int
    answered: int
    accepted: int
    edits_applied: int
    vi_before: float
    vi_after: float
    screenshots: str


def drive_demo(opened: Opened, folder: Path) -> DemoSummary:
    """Open the window offscreen, answer sites with keys as the verdicts say, and export.

    There is no person here, so the answers follow the model: accept where it is sure,
    reject where it is sure of the contrary, else unsure.
    """
    with Driver(opened) as driver:
        painted = driver.until_painted()
        driver.grab(folder / "0-painted.png")
        # Only now: comparing with the truth takes seconds, and the window comes first.
        before = score_folder(Path(opened.address)).vi
        bench = driver.workbench
        driver.until(lambda: bench.snapshot().current is not None, "the first site")
        _wait_for_verdict(driver)
        driver.grab(folder / "1-first-site.png")
        # A slow machine goes on with what is judged by then: the most probable come first.
        with suppress(TimeoutError):
            driver.until(lambda: not _works(driver), "detection and verdicts", WORK_SECONDS)
        driver.click_row(0)
        _wait_for_verdict(driver)
        driver.settle()
        driver.grab(folder / "2-most-probable.png")
        answered, accepted = _answer(driver)
        driver.grab(folder / "3-answered.png")
        if bench.snapshot().outbox.waiting:
            driver.export()
        driver.settle()
        driver.grab(folder / "4-exported.png")
        snapshot = bench.snapshot()
        counts = bench.session.catalogue.counts()
    return DemoSummary(
        painted_after_seconds=round(painted, 1),
        sites=counts.sites,
        judged=counts.judged,
        answered=answered,
        accepted=accepted,
        edits_applied=snapshot.outbox.committed,
        vi_before=round(before, 4),
        vi_after=round(score_folder(Path(opened.address)).vi, 4),
        screenshots=str(folder.resolve()),
    )


def _works(driver: Driver) -> bool:
    """Tell whether sites are still being found or judged."""
    jobs = {job.name: job.phase for job in driver.workbench.snapshot().jobs}
    return Phase.LOADING in (jobs.get("detect"), jobs.get("judge"))


def _wait_for_verdict(driver: Driver) -> None:
    def there() -> bool:
        current = driver.workbench.snapshot().current
        return (
            current is not None
            and current.verdict_phase is not Phase.LOADING
            and current.pictures_phase is not Phase.LOADING
        )

    driver.until(there, "verdict and pictures of the site")


def _wait_for_answer(driver: Driver, site_id: str) -> None:
    state = driver.workbench.session.ledger.state
    driver.until(lambda: state.decision(site_id) is not None, "the answer in the ledger")


def _answer(driver: Driver) -> tuple[int, int]:
    """Answer with keys until enough are answered or the sure ones are used up."""
    answered = accepted = 0
    while answered < ANSWERS:
        _wait_for_verdict(driver)
        current = driver.workbench.snapshot().current
        if current is None or current.answer is not None or not current.partners:
            break
        chance = current.verdict.probability if current.verdict is not None else 0.5
        key = "F" if chance >= SURE else "D" if chance <= UNLIKELY else "S"
        driver.press(key)
        answered += 1
        accepted += key == "F"
        _wait_for_answer(driver, current.site.id)
    return answered, accepted
