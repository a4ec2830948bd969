"""From sites to accepted edits: how many are left at every stage, and what they still reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from proofreading.decisions import Answer, Decision
from proofreading.detection.chance import Misses, Place, TrueError, misses
from proofreading.edits import EditRecord, EditState
from proofreading.sites import Site
from proofreading.verdicts import Verdict

__all__ = ["FunnelStage", "funnel"]

Key = tuple[str, int | None]
"""A site and the supervoxel of the partner it was asked about, if any."""


@dataclass(frozen=True)
class FunnelStage:
    """How much is left at one stage.

    Parameters
    ----------
    stage : str
        found, judged, probable, decided, accepted, queued, applied.
    questions : int
        Pairs (or sites without partners) at this stage.
    right : int
        Of these, about a true error.
    reachable_errors, errors : int
        True errors that some question of this stage is about, and all there are.
    """

    stage: str
    questions: int
    right: int
    reachable_errors: int
    errors: int

    @property
    def precision(self) -> float | None:
        """Share of questions about a true error; None if there are none."""
        return self.right / self.questions if self.questions else None

    @property
    def recall(self) -> float | None:
        """Share of true errors still reachable; None if there are none."""
        return self.reachable_errors / self.errors if self.errors else None


def funnel(
    sites: Iterable[Site],
    verdicts: Iterable[Verdict],
    decisions: Iterable[Decision],
    edits: Iterable[EditRecord],
    errors: Sequence[TrueError],
    *,
    radius_nm: float = 200.0,
    probable_from: float = 0.5,
) -> list[FunnelStage]:
    """Return the stages from what was found to what was applied.

    A question about a pair is right when a true split error is that very pair, a question
    about one segment when a true error of it lies within the radius. Every partner of a site
    is a question.

    Parameters
    ----------
    errors : sequence
        True split errors or true merge errors, whichever the sites are about.
    """
    found = _questions(sites)
    settled = list(decisions)
    accepted = {d.id: _key(d) for d in settled if d.answer is Answer.ACCEPT}
    records = [record for record in edits if record.edit.decision_id in accepted]
    applied = [record for record in records if record.state is EditState.COMMITTED]
    judged = list(verdicts)
    stages: dict[str, Collection[Key]] = {
        "found": set(found),
        "judged": {_key(verdict) for verdict in judged},
        "probable": {_key(v) for v in judged if v.probability >= probable_from},
        "decided": {_key(decision) for decision in settled},
        "accepted": set(accepted.values()),
        "queued": {accepted[record.edit.decision_id] for record in records},
        "applied": {accepted[record.edit.decision_id] for record in applied},
    }
    right = _right(list(found.values()), errors, radius_nm)
    row = {key: index for index, key in enumerate(found)}
    return [
        _stage(name, sorted({row[key] for key in held if key in row}), right, len(errors))
        for name, held in stages.items()
    ]


def _questions(sites: Iterable[Site]) -> dict[Key, Place]:
    """Return what is asked about each partner of each site, or about the site alone."""
    found: dict[Key, Place] = {}
    for site in sites:
        if not site.partners:
            found[site.id, None] = Place(site.point_nm, frozenset({site.root}))
        for partner in site.partners:
            pair = frozenset({site.root, partner.root})
            found[site.id, partner.supervoxel] = Place(site.point_nm, pair)
    return found


def _key(answer: Verdict | Decision) -> Key:
    return answer.site_id, answer.partner_supervoxel


def _right(places: list[Place], errors: Sequence[TrueError], radius_nm: float) -> Misses:
    """Return which question is about which error."""
    found = misses(places, errors)
    # A merge joins a pair wherever it is asked about; a segment is asked about at one place.
    pairs = np.array([len(place.roots) > 1 for place in places], np.bool_)
    return found.take(pairs[found.place] | (found.apart_nm <= radius_nm))


def _stage(name: str, rows: list[int], right: Misses, errors: int) -> FunnelStage:
    held = right.of_places(np.array(rows, np.int64))
    return FunnelStage(
        stage=name,
        questions=len(rows),
        right=held.right(),
        reachable_errors=held.recalled(),
        errors=errors,
    )
