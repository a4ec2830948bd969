"""Language models in the judging worker: asked in between, never waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from app.services.panel import Panel
from app.services.second_opinions import SecondOpinions
from app.services.worker.language_messages import LanguageState
from connectome.errors import ProofdeskError
from inference.judges.vlm.process import Health
from inference.prompts.slots import slots_of
from proofreading.catalogue import Catalogue
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.vlm.judge import VlmJudge

__all__ = ["LanguageBench"]

_WORST_FIRST = (Health.GONE, Health.WAITING, Health.STARTING, Health.STOPPED, Health.READY)


class LanguageBench:
    """The second opinions of a worker, and how their models are.

    Parameters
    ----------
    tell : callable
        Called with every new state.
    changed : callable
        Called when verdicts were written.
    wake : callable
        Called on any thread when `step` may have something to do.
    """

    def __init__(
        self,
        tell: Callable[[LanguageState], None],
        changed: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._tell, self._changed, self._wake = tell, changed, wake
        self._second: SecondOpinions | None = None
        self._words: Mapping[str, str] = {}
        self._told: LanguageState | None = None

    def open(self, panel: Panel, datastack: Datastack, catalogue: Catalogue) -> None:
        """Load the models of a panel; returns at once."""
        if not panel.routers:
            return
        self._second = SecondOpinions(panel.routers, datastack, catalogue)
        self.use(self._words)
        self._second.start(self._wake)
        self._report()

    def fail(self, error: ProofdeskError) -> None:
        """Say that there is none, and why."""
        text = f"{error.message} {error.hint}".strip()
        self._tell(LanguageState("", Health.GONE.value, text=text))

    def close(self) -> None:
        """End the models."""
        if self._second is not None:
            self._second.close()

    def use(self, words: Mapping[str, str]) -> None:
        """Ask with these words of the person from the next question on."""
        self._words = dict(words)
        for judge in self._judges():
            judge.slots = slots_of(self._words, judge.slots)

    def consider(self, results: Sequence[Verdict | FailedVerdict]) -> None:
        """Take in what first judges have said."""
        if self._second is not None:
            self._second.consider(results)

    def consider_sites(self, site_ids: Sequence[str]) -> None:
        """Take in that first judges have answered about these sites."""
        if self._second is not None:
            self._second.consider_sites(site_ids)

    def prefer(self, site_id: str) -> None:
        """Ask about the site on the screen before all others."""
        if self._second is not None:
            self._second.prefer(site_id)

    def ask(self, site: Site) -> None:
        """Ask about a site because the person wants it."""
        if self._second is not None:
            self._second.ask_about(site)

    def recall(self) -> None:
        """Look again for what is open, after failures were given another chance."""
        if self._second is None:
            return
        for judge in self._judges():
            if judge.model.health is Health.GONE:
                judge.model.start()
        self._second.recall()

    @property
    def due(self) -> bool:
        """Whether `step` has something to do now."""
        return self._second is not None and self._second.due

    def step(self) -> None:
        """Do one thing if there is one, and tell how the models are if that is new.

        Raises
        ------
        ProofdeskError
            If the catalogue cannot be written.
        """
        if self._second is None:
            return
        if self._second.due and self._second.step():
            self._changed()
        self._report()

    def _judges(self) -> list[VlmJudge]:
        return [] if self._second is None else [r.second for r in self._second.routers]

    def _report(self) -> None:
        state = self._state()
        # How many seconds are left changes all the time; that it waits is the news.
        if self._told is None or replace(state, retry_s=None) != replace(self._told, retry_s=None):
            self._told = state
            self._tell(state)

    def _state(self) -> LanguageState:
        judges = self._judges()
        judge = min(judges, key=lambda each: _WORST_FIRST.index(each.model.health))
        model, asking = judge.model, self._second.asking if self._second else None
        trouble, retry_at = model.trouble, model.retry_at
        return LanguageState(
            model=judge.manifest.id,
            health=model.health.value,
            provider=model.provider,
            text="" if trouble is None else f"{trouble.message} {trouble.hint}".strip(),
            retry_s=None if retry_at is None else max(0.0, retry_at - time.monotonic()),
            waiting=self._second.waiting if self._second else 0,
            site_id="" if asking is None else asking.key[1],
        )
