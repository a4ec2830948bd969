"""The site on the screen: what was asked for, and what has arrived for it.

Every request carries a generation. An answer of an older one is kept in the cache but
never shown: the person has moved on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.services.model import Current, JudgeStatus, PartnerChoice, Phase
from app.services.questions import question_of, task_of
from app.services.worker.messages import Look, LookAhead, Looked
from proofreading.catalogue import Catalogue
from proofreading.decisions import Answer
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Verdict

if TYPE_CHECKING:
    from rendering.pictures import SitePictures

__all__ = ["Tracker"]

KEPT_PICTURES = 12
VEILED = "Hidden until you have answered: this site measures how good the model is."

Outcome = Verdict | FailedVerdict


@dataclass
class Tracker:
    """Holds the current site and the pictures of it and of the next ones."""

    send: Callable[[Look | LookAhead], None]
    catalogue: Catalogue
    site: Site | None = None
    partner_index: int = 0
    generation: int = 0
    message: str = ""
    roots: dict[tuple[str, int], tuple[int, int | None]] = field(default_factory=dict)
    _pictures: OrderedDict[tuple[str, int], SitePictures] = field(default_factory=OrderedDict)
    _asked: dict[tuple[str, int], Look] = field(default_factory=dict)
    _said: tuple[str, dict[int | None, Outcome], list[FailedVerdict]] | None = None
    _stale: bool = False
    _last: Current | None = None

    def show(self, site: Site | None, partner_index: int = 0) -> None:
        """Make a site (and one of its partners) the current one and ask for its pictures."""
        self.site, self.partner_index, self.message = site, partner_index, ""
        if site is not None and (site.id, partner_index) not in self._pictures:
            self.send(self._request((site.id, partner_index)))

    def prefetch(self, places: Sequence[tuple[str, int]]) -> None:
        """Ask for the pictures of the sites (and partners) that come next, and of no others."""
        missing = [key for key in places if key not in self._pictures]
        self.send(LookAhead(tuple(map(self._request, missing))))

    def _request(self, key: tuple[str, int]) -> Look:
        """Return the request for pictures: the one that is on its way, if there is one."""
        if key not in self._asked:
            self.generation += 1
            self._asked[key] = Look(*key, self.generation)
        return self._asked[key]

    def take(self, reply: Looked) -> bool:
        """Keep what arrived; tell whether it belongs to the site on the screen."""
        key = (reply.site_id, reply.partner_index)
        self._asked.pop(key, None)
        if reply.roots is not None:
            self.roots[key] = reply.roots
        if reply.pictures is not None:
            self._pictures[key] = reply.pictures
            self._pictures.move_to_end(key)
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        here = self.site is not None and key == (self.site.id, self.partner_index)
        if here and reply.pictures is None:
            self.message = reply.message
        return here

    def forget_pictures(self, changed: Collection[int]) -> None:
        """Drop what shows one of these roots, because an edit used them up."""
        stale = [key for key, roots in self.roots.items() if not set(roots).isdisjoint(changed)]
        for key in stale:
            del self.roots[key]
            self._pictures.pop(key, None)
            self._asked.pop(key, None)

    def forget_requests(self) -> None:
        """Ask anew for what a lost worker will never answer."""
        self._asked.clear()
        if self.site is not None:
            self.show(self.site, self.partner_index)

    def verdict(self) -> Verdict | None:
        """Return the verdict on the pair on the screen."""
        if self.site is None:
            return None
        outcome = self._known(self.site)[0].get(self._partner_key())
        return outcome if isinstance(outcome, Verdict) else None

    @property
    def partner(self) -> Partner | None:
        """The partner that the question is about."""
        if self.site is None or not self.site.partners:
            return None
        return self.site.partners[self.partner_index]

    def present_roots(self) -> tuple[int, int | None] | None:
        """Roots of the pair: as they are now if known, else as when the site was found."""
        if self.site is None:
            return None
        own, *other = self.roots_of(self.site, self.partner_index)
        return own, other[0] if other else None

    def roots_of(self, site: Site, partner_index: int) -> tuple[int, ...]:
        """Return the one or two roots of a site's question, now if known, else when found."""
        known = self.roots.get((site.id, partner_index))
        if known is None:
            partner = site.partners[partner_index] if site.partners else None
            known = (site.root, partner.root if partner is not None else None)
        return tuple(root for root in known if root is not None)

    def current(
        self, answer: Answer | None, judge: JudgeStatus, *, veiled: bool = False
    ) -> Current | None:
        """Return the site on the screen with everything known about it.

        As long as nothing about it changes it is the same object, so that nothing is drawn anew.

        Veiled, nothing that a model said is told: the answer is to be the person's own.
        """
        if self.site is None:
            return None
        pictures = self._pictures.get((self.site.id, self.partner_index))
        made = self._made(self.site, pictures, answer, judge, veiled=veiled)
        if not _alike(made, self._last):
            self._last = made
        return self._last

    def heard(self) -> None:
        """Take in that there may be news about the site on the screen."""
        self._stale = True

    def _made(
        self,
        site: Site,
        pictures: SitePictures | None,
        answer: Answer | None,
        judge: JudgeStatus,
        *,
        veiled: bool,
    ) -> Current:
        verdicts = {} if veiled else self._known(site)[0]
        verdict = verdicts.get(self._partner_key())
        phase, text = _verdict_phase(site, verdict, judge)
        if veiled:
            phase, text = Phase.READY, VEILED
        return Current(
            site=site,
            question=question_of(site),
            partners=_choices(site, verdicts),
            partner_index=self.partner_index,
            verdict=verdict if isinstance(verdict, Verdict) else None,
            verdict_phase=phase,
            verdict_text=text,
            failed_beside=self._failure_beside(site, verdict),
            pictures=pictures,
            pictures_phase=_pictures_phase(pictures, self.message),
            pictures_text=self.message,
            answer=answer,
        )

    def _known(self, site: Site) -> tuple[dict[int | None, Outcome], list[FailedVerdict]]:
        """Return outcomes and failures of a site, read anew only when there may be others."""
        if self._stale or self._said is None or self._said[0] != site.id:
            failures = self.catalogue.failures(site.id)
            self._said = (site.id, self._outcomes(site, failures), failures)
            self._stale = False
        return self._said[1], self._said[2]

    def _outcomes(self, site: Site, failures: list[FailedVerdict]) -> dict[int | None, Outcome]:
        """Return the newest outcome of the site's question for each partner."""
        task = task_of(site)
        found: dict[int | None, Outcome] = dict(self.catalogue.newest_verdicts(site.id, task))
        for failure in failures:
            other = found.get(failure.partner_supervoxel)
            if failure.task is task and not _stands_beside(other, failure):
                found[failure.partner_supervoxel] = failure
        return found

    def _failure_beside(self, site: Site, shown: Outcome | None) -> FailedVerdict | None:
        """Return the failure of another model than the one whose verdict is shown."""
        if not isinstance(shown, Verdict):
            return None
        mine = [
            failure
            for failure in self._known(site)[1]
            if failure.task is shown.task
            and failure.partner_supervoxel == shown.partner_supervoxel
            and _stands_beside(shown, failure)
        ]
        return mine[0] if mine else None

    def _partner_key(self) -> int | None:
        return self.partner.supervoxel if self.partner is not None else None


def _alike(made: Current, last: Current | None) -> bool:
    """Tell whether two are the same to look at; pictures are compared by identity."""
    if last is None or made.pictures is not last.pictures:
        return False
    return replace(made, pictures=None) == replace(last, pictures=None)


def _stands_beside(shown: Outcome | None, failure: FailedVerdict) -> bool:
    """Tell whether a verdict counts although a model, another one, failed on its question."""
    if not isinstance(shown, Verdict) or failure.model_id is None:
        return False
    return failure.model_id != shown.provenance.model_id


def _choices(site: Site, verdicts: dict[int | None, Outcome]) -> tuple[PartnerChoice, ...]:
    choices = []
    for index, partner in enumerate(site.partners):
        verdict = verdicts.get(partner.supervoxel)
        choices.append(
            PartnerChoice(
                index=index,
                root=partner.root,
                distance_nm=partner.distance_nm,
                contact_area_nm2=partner.contact_area_nm2,
                direction_agreement=partner.direction_agreement,
                probability=verdict.probability if isinstance(verdict, Verdict) else None,
            )
        )
    return tuple(choices)


def _verdict_phase(site: Site, verdict: Outcome | None, judge: JudgeStatus) -> tuple[Phase, str]:
    if isinstance(verdict, Verdict):
        return Phase.READY, ""
    if isinstance(verdict, FailedVerdict):
        return Phase.FAILED, f"{verdict.reason} {verdict.hint}".strip()
    if not site.partners:
        return Phase.EMPTY, "No model answers this question yet; your own eyes decide."
    if judge.phase is Phase.FAILED:
        return Phase.FAILED, judge.text
    return Phase.LOADING, "The model is looking at it."


def _pictures_phase(pictures: SitePictures | None, message: str) -> Phase:
    if pictures is not None:
        return Phase.READY
    return Phase.FAILED if message else Phase.LOADING
