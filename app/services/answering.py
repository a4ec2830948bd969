"""An answer becomes a decision and, where it repairs something, a queued edit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from app.services.questions import task_of
from connectome.graph import SplitRequest
from connectome.space import PointNm
from proofreading.decisions import Answer, Decider, Decision
from proofreading.export.merges import asks_for_merge, merge_edit
from proofreading.export.splits import split_edit
from proofreading.ledger.events import DecisionMade, EditQueued, Event
from proofreading.session_lock import person
from proofreading.sites import Partner, Site, SiteKind, make_site_id
from proofreading.verdicts import Verdict

__all__ = ["SEEN", "Answering", "cut_event", "events_of", "seen_merge"]

SEEN = "person 1"
"""What found a merge error that somebody saw while asked something else."""


def events_of(
    decision: Decision, site: Site, seen_roots: tuple[int, int] | None = None
) -> list[Event]:
    """Return what a decision writes: itself and, for an accepted pair, its merge edit."""
    events: list[Event] = [DecisionMade(decision)]
    if asks_for_merge(decision):
        events.append(EditQueued(merge_edit(decision, site, seen_roots=seen_roots)))
    return events


def cut_event(decision: Decision, request: SplitRequest, seen_root: int) -> EditQueued:
    """Return the event that queues the cut which a person has seen and accepted.

    Raises
    ------
    InputError
        If the decision asks for no cut, or its points do not make one.
    """
    return EditQueued(split_edit(decision, request.sources, request.sinks, seen_root=seen_root))


def seen_merge(site: Site, request: SplitRequest, root: int) -> Site:
    """Return the merge error that a person saw at a site which asks something else.

    It lies in the middle of the points that take it apart.
    """
    points = [*request.sources, *request.sinks]
    x, y, z = (fmean(axis) for axis in zip(*(p.position_nm for p in points), strict=True))
    kind, supervoxels = SiteKind.BOTTLENECK, [point.supervoxel for point in points]
    return Site(
        id=make_site_id(site.datastack, kind, supervoxels, (x, y, z), SEEN),
        kind=kind,
        datastack=site.datastack,
        root=root,
        supervoxel=points[0].supervoxel,
        point_nm=(x, y, z),
        radius_nm=site.radius_nm,
        detector=SEEN,
        proposed_cut=request,
    )


@dataclass(frozen=True)
class Answering:
    """What a decision states besides the answer itself."""

    decider: Decider = Decider.PERSON
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def decide(
        self,
        site: Site,
        partner: Partner | None,
        answer: Answer,
        *,
        verdict: Verdict | None,
        elapsed_ms: int = 0,
        verdict_visible: bool = True,
        reason: str = "",
        point_nm: PointNm | None = None,
        view: dict[str, object] | None = None,
        seen_roots: tuple[int, int] | None = None,
    ) -> list[Event]:
        """Return the events that record an answer about a site and one partner of it."""
        decision = Decision(
            id=str(uuid.uuid4()),
            site_id=site.id,
            task=task_of(site),
            answer=answer,
            decider=self.decider,
            author=person(),
            decided_at=self.clock(),
            elapsed_ms=elapsed_ms,
            verdict_visible=verdict_visible and verdict is not None,
            probability=verdict.probability if verdict is not None else None,
            partner_supervoxel=partner.supervoxel if partner is not None else None,
            point_nm=point_nm,
            reason=reason,
            view=view or {},
        )
        return events_of(decision, site, seen_roots)

    def follow(self, leader: Decision, site: Site, partner_supervoxel: int) -> DecisionMade:
        """Return the event that answers another site of the same question alike."""
        return DecisionMade(
            Decision(
                id=str(uuid.uuid4()),
                site_id=site.id,
                task=task_of(site),
                answer=leader.answer,
                decider=Decider.SAME_QUESTION,
                author=leader.author,
                decided_at=leader.decided_at,
                elapsed_ms=0,
                verdict_visible=leader.verdict_visible,
                partner_supervoxel=partner_supervoxel,
                reason=f"same question as {leader.site_id}",
                follows=leader.id,
            )
        )
