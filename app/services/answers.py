"""Answers on their way into the ledger, and what the queue and the viewer show of them.

One answer settles every site that asks about the same two segments: they follow it, and are
taken back with it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from app.services.answering import Answering, cut_event, seen_merge
from app.services.model import LastAnswer
from proofreading.decisions import Answer, Decision
from proofreading.ledger.events import DecisionMade

if TYPE_CHECKING:
    from app.services.place import Place
    from app.services.queue import Queue
    from app.services.site_pairs import SitePairs
    from app.services.splitting_bench import CutOutcome
    from connectome.graph import SplitRequest
    from ngplugin.viewer import SiteViewer
    from proofreading.session import Session

__all__ = ["Answers", "last_answer"]

_WORDS = {
    Answer.ACCEPT: "accepted",
    Answer.REJECT: "rejected",
    Answer.UNSURE: "unsure",
    Answer.LATER: "left for later",
    Answer.SKIP: "skipped",
}


class Answers:
    """Writes a person's answers and keeps queue and viewer true to them."""

    def __init__(
        self, session: Session, queue: Queue, viewer: SiteViewer, pairs: SitePairs
    ) -> None:
        self._session = session
        self._queue = queue
        self._viewer = viewer
        self._pairs = pairs
        self._answering = Answering()

    def give(
        self,
        place: Place,
        answer: Answer,
        reason: str,
        *,
        verdict_visible: bool = True,
        cut: CutOutcome | None = None,
    ) -> Decision | None:
        """Record an answer to the question on the screen, and on its twins; return it.

        With a cut that was previewed, an acceptance queues it.
        """
        site, tracker = place.site, place.tracker
        if site is None:
            return None
        events = self._answering.decide(
            site,
            tracker.partner,
            answer,
            verdict=tracker.verdict(),
            elapsed_ms=place.elapsed_ms,
            verdict_visible=verdict_visible,
            reason=reason,
            point_nm=site.point_nm if answer is Answer.LATER else None,
            view={**self._viewer.view_state(), **(cut.view if cut is not None else {})},
            seen_roots=place.seen_pair(),
        )
        made = events[0]
        assert isinstance(made, DecisionMade)
        if cut is not None and cut.request is not None:
            events.append(cut_event(made.decision, cut.request, cut.root))
        pair = place.seen_pair() if place.asks_about_a_pair() else None
        twins = self._twins(made.decision, pair)
        self._session.ledger.append_all([*events, *twins])
        self.show([site.id, *(event.decision.site_id for event in twins)])
        return made.decision

    def cut_aside(self, place: Place, request: SplitRequest, root: int) -> Decision | None:
        """Record a merge error that a person saw where they were asked something else.

        It is a site of its own, accepted with its cut; the question on the screen stays open.
        """
        if place.site is None:
            return None
        seen = seen_merge(place.site, request, root)
        events = self._answering.decide(
            seen,
            None,
            Answer.ACCEPT,
            verdict=None,
            elapsed_ms=place.elapsed_ms,
            reason=f"seen at {place.site.id}",
            view=self._viewer.view_state(),
        )
        made = events[0]
        assert isinstance(made, DecisionMade)
        self._session.catalogue.add_sites([seen])
        self._session.ledger.append_all([*events, cut_event(made.decision, request, root)])
        return made.decision

    def show(self, site_ids: Collection[str]) -> None:
        """Show the standing answers of sites."""
        answers = []
        for site_id in site_ids:
            decision = self._session.ledger.state.decision(site_id)
            self._settle_pair(site_id, decision)
            answer = decision.answer if decision is not None else None
            follows = decision is not None and decision.follows is not None
            self._queue.set_answer(site_id, answer, follows=follows)
            answers.append(answer)
        self._viewer.set_answers(list(site_ids), answers)

    def changed_by(self, decision: Decision) -> list[str]:
        """Return the sites whose answer came or went with a decision, its own first."""
        return [decision.site_id, *self._session.ledger.state.followers(decision.id)]

    def _twins(self, leader: Decision, pair: tuple[int, int] | None) -> list[DecisionMade]:
        """Return the answers that follow from the leader's at other sites of its pair."""
        if pair is None or pair[0] == pair[1]:
            return []
        found = []
        for site_id in self._queue.sites_of(pair):
            supervoxel = self._pairs.supervoxel(site_id)
            site = self._session.catalogue.site(site_id)
            if site_id != leader.site_id and site is not None and supervoxel is not None:
                found.append(self._answering.follow(leader, site, supervoxel))
        return found

    def _settle_pair(self, site_id: str, decision: Decision | None) -> None:
        """Let a site ask about the partner that was answered, or again about the proposed one."""
        partner = decision.partner_supervoxel if decision is not None else None
        if partner is None:
            partner = self._session.catalogue.score(site_id).partner_supervoxel
        self._pairs.choose(site_id, partner)
        if self._pairs.known([site_id]):
            self._queue.set_pair(site_id, *self._pairs.pair(site_id))


def last_answer(decision: Decision | None, twins: int = 0) -> LastAnswer | None:
    """Return the answer just given in words, with how many other sites it settled."""
    if decision is None:
        return None
    text = _WORDS[decision.answer]
    if twins:
        text += f" · {twins} more of the same question"
    return LastAnswer(decision.site_id, decision.answer, text)
