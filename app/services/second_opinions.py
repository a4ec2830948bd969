"""Second opinions in the background: which question is asked next, and what came of it.

Nothing here waits. `SecondOpinions.step` does one thing if there is one to do: it sends
the next question, or writes down the answer of the last one; in between the caller does
other things, and is told when to come back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.services.panel import can_be_asked
from inference.judges.questions import asked_partners
from inference.judges.router import Reason, Router, Wanted, only
from inference.judges.vlm.process import Health
from proofreading.catalogue import Catalogue
from proofreading.sites import Site
from proofreading.verdicts import FailedVerdict, Verdict

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.vlm.judge import AskedSites

__all__ = ["Asking", "SecondOpinions"]

Result = Verdict | FailedVerdict
Key = tuple[int, str, int | None]
"""The router's place, the site, the partner's supervoxel."""

RECALLED = 64
"""Sites a step of looking through what is in the catalogue already."""


@dataclass(frozen=True)
class Asking:
    """The question on its way: whose, about which, why, and since when."""

    router: Router
    key: Key
    wanted: Wanted
    asked: AskedSites
    since: float


class SecondOpinions:
    """Asks language models what quick judges leave open, the most doubtful first.

    Parameters
    ----------
    routers : sequence of Router
        At most one for each task.
    datastack : Datastack
        Where pictures come from.
    catalogue : Catalogue
        Where verdicts are read and written.
    clock : callable
        Seconds that never go backwards.
    """

    def __init__(
        self,
        routers: Sequence[Router],
        datastack: Datastack,
        catalogue: Catalogue,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.routers = tuple(routers)
        self._datastack = datastack
        self._catalogue = catalogue
        self._clock = clock
        self._open: dict[Key, Wanted] = {}
        self._counted: set[tuple[int, str]] = set()
        self._preferred = ""
        self._recalling: Iterator[None] = iter(())
        self._looking_back = False
        self.asking: Asking | None = None
        self.recall()

    @property
    def waiting(self) -> int:
        """How many questions are left open."""
        return len(self._open)

    def start(self, told: Callable[[], None]) -> None:
        """Load the models; ``told`` is called, on any thread, when a step may be due."""
        for router in self.routers:
            router.second.model.listen(told)
            router.second.start()

    def close(self) -> None:
        """End the models."""
        for router in self.routers:
            router.second.close()

    def recall(self) -> None:
        """Look through the catalogue again for what is open: at the start, and after a retry."""
        self._open = {k: w for k, w in self._open.items() if w.reason is Reason.WISH}
        self._looking_back = bool(self.routers)
        self._recalling = self._recall()

    def consider(self, results: Sequence[Result]) -> None:
        """Take in what first judges have just said."""
        for place, router in enumerate(self.routers):
            mine = [result for result in results if _is_first(router, result)]
            for result in mine:
                self._earn(place, result.site_id)
                self._want((place, result.site_id, result.partner_supervoxel), router.wants(result))

    def consider_sites(self, site_ids: Sequence[str]) -> None:
        """Take in what the catalogue holds of sites that first judges answered about."""
        for site in filter(None, map(self._catalogue.site, site_ids)):
            self._recall_routers(site)

    def prefer(self, site_id: str) -> None:
        """Ask about the site on the screen before all others."""
        self._preferred = site_id

    def ask_about(self, site: Site) -> None:
        """Ask about a site because the person wants it, whatever it costs."""
        for place, router in enumerate(self.routers):
            if not can_be_asked(router.task, site):
                continue
            if router.second.model.health is Health.GONE:
                router.second.model.start()
            for partner in asked_partners(router.task, site):
                supervoxel = None if partner is None else partner.supervoxel
                self._open[place, site.id, supervoxel] = Wanted(Reason.WISH, 1.0)

    @property
    def due(self) -> bool:
        """Whether `step` has something to do now."""
        if self._looking_back:
            return True
        if self.asking is not None:
            return self.asking.asked.finished
        return self._next() is not None

    @property
    def unfinished(self) -> bool:
        """Whether an answer, or a model that could be asked, is still to come."""
        coming = (Health.READY, Health.STARTING, Health.WAITING)
        return self.asking is not None or any(
            self.routers[key[0]].second.model.health in coming and self._affords(key, wanted)
            for key, wanted in self._open.items()
        )

    def drain(self) -> Iterator[list[Result]]:
        """Do everything that is left, waiting for the models; yield what was written."""
        changed = threading.Event()
        self.start(changed.set)
        while True:
            changed.clear()
            while self.due:
                yield self.step()
            if not self.unfinished:
                return
            changed.wait()

    def step(self) -> list[Result]:
        """Do one thing, and return what was written into the catalogue."""
        if self.asking is not None and self.asking.asked.finished:
            return self._settle(self.asking)
        if self._looking_back:
            self._looking_back = next(self._recalling, self) is None
        elif self.asking is None and (key := self._next()) is not None:
            self._ask(key)
        return []

    def _earn(self, place: int, site_id: str) -> None:
        """Let a site bring its time, once."""
        if (place, site_id) not in self._counted:
            self._counted.add((place, site_id))
            self.routers[place].purse.earn(1)

    def _want(self, key: Key, wanted: Wanted | None) -> None:
        if wanted is not None:
            self._open[key] = wanted

    def _next(self) -> Key | None:
        """Return the question to ask now: one that is affordable, of a model that is ready."""
        able = [key for key, wanted in self._open.items() if self._can_ask(key, wanted)]
        return max(able, key=self._matters, default=None)

    def _can_ask(self, key: Key, wanted: Wanted) -> bool:
        ready = self.routers[key[0]].second.model.health is Health.READY
        return ready and self._affords(key, wanted)

    def _affords(self, key: Key, wanted: Wanted) -> bool:
        router = self.routers[key[0]]
        # With nobody else to answer, or for a wish, time is no reason to say nothing.
        free = router.first is None or wanted.reason is Reason.WISH
        return free or router.purse.affords()

    def _matters(self, key: Key) -> tuple[bool, bool, float]:
        wanted = self._open[key]
        return wanted.reason is Reason.WISH, key[1] == self._preferred, wanted.urgency

    def _ask(self, key: Key) -> None:
        wanted, router = self._open.pop(key), self.routers[key[0]]
        site = self._catalogue.site(key[1])
        assert site is not None
        part = only(site, frozenset(() if key[2] is None else (key[2],)))
        since = self._clock()
        asked = router.second.ask(self._datastack, [part])
        self.asking = Asking(router, key, wanted, asked, since)

    def _settle(self, asking: Asking) -> list[Result]:
        self.asking = None
        results = asking.router.second.results(asking.asked)
        if asking.router.second.model.health is Health.GONE and not _any_verdict(results):
            # Nothing is wrong with this question: it waits until the model is back.
            self._open[asking.key] = asking.wanted
            return []
        written: list[Result] = []
        for result in results:
            asking.router.purse.spend(self._took(asking, result))
            written += self._with_joint(asking.router, result)
        self._catalogue.add_verdicts(written)
        return written

    def _took(self, asking: Asking, result: Result) -> float:
        if isinstance(result, Verdict):
            return result.provenance.latency_ms / 1000
        return self._clock() - asking.since

    def _with_joint(self, router: Router, second: Result) -> list[Result]:
        if isinstance(second, FailedVerdict) or router.first is None:
            return [second]
        first = self._first(router, second.site_id, second.partner_supervoxel)
        return [second] if first is None else [second, router.together(first, second)]

    def _first(self, router: Router, site_id: str, partner: int | None) -> Verdict | None:
        """Return the newest word of the first judge on a question."""
        assert router.first is not None
        known = router.first.manifest.id
        for verdict in self._catalogue.verdicts(site_id, router.task):
            if verdict.partner_supervoxel == partner and verdict.provenance.model_id == known:
                return verdict
        return None

    def _recall(self) -> Iterator[None]:
        for number, site in enumerate(self._catalogue.sites(), 1):
            self._recall_routers(site)
            if number % RECALLED == 0:
                yield

    def _recall_routers(self, site: Site) -> None:
        for place, router in enumerate(self.routers):
            if can_be_asked(router.task, site):
                self._recall_site(place, router, site)

    def _recall_site(self, place: int, router: Router, site: Site) -> None:
        verdicts = self._catalogue.verdicts(site.id, router.task)
        failed = {
            failure.partner_supervoxel
            for failure in self._catalogue.failures(site.id)
            if failure.model_id == router.second.manifest.id
        }
        done = {v.partner_supervoxel for v in verdicts if v.provenance.model_id in router.own_ids}
        first = [v for v in verdicts if _is_first(router, v)]
        if first:
            self._earn(place, site.id)
        newest = {verdict.partner_supervoxel: verdict for verdict in reversed(first)}
        for partner in asked_partners(router.task, site):
            supervoxel = None if partner is None else partner.supervoxel
            key = (place, site.id, supervoxel)
            under_way = self.asking is not None and self.asking.key == key
            if under_way or supervoxel in done | failed:
                continue
            if router.first is None:
                self._want(key, Wanted(Reason.TASK, 0.5))
            elif supervoxel in newest:
                self._want(key, router.wants(newest[supervoxel]))


def _is_first(router: Router, result: Result) -> bool:
    if router.first is None or result.task is not router.task:
        return False
    known = router.first.manifest.id
    if isinstance(result, FailedVerdict):
        return result.model_id == known
    return result.provenance.model_id == known


def _any_verdict(results: Sequence[Result]) -> bool:
    return any(isinstance(result, Verdict) for result in results)
