"""Examples for a language model from what the person has answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from connectome.errors import InputError, NotFoundError, ServiceError
from inference.judges.questions import question_roots
from inference.judges.vlm.seeing import QuestionPictures
from inference.prompts.shots import Shot
from proofreading.decisions import Answer, Decider, Decision
from proofreading.sites import Site
from proofreading.verdicts import Task

__all__ = ["own_shots"]

_YES = {Answer.ACCEPT: True, Answer.REJECT: False}


def own_shots(
    decisions: Iterable[Decision],
    site_of: Callable[[str], Site | None],
    pictures: QuestionPictures,
    task: Task,
    each: int = 2,
) -> list[Shot]:
    """Return the newest answers of the person to a task as examples, newest first.

    Only a person's own yes and no count. A pair that was joined since, or that cannot be
    shown, is passed over: its pictures today would not be those that were answered.

    Parameters
    ----------
    decisions : iterable of Decision
        The standing ones.
    site_of : callable
        Returns a site by its id.
    pictures : QuestionPictures
        Makes them as the question's own are made.
    each : int
        Examples of either answer.
    """
    found: list[Shot] = []
    wanted = {True: each, False: each}
    for decision in sorted(decisions, key=lambda one: one.decided_at, reverse=True):
        yes = _YES.get(decision.answer)
        if yes is None or not wanted[yes] or not _is_own(decision, task):
            continue
        shot = _shot(decision, site_of(decision.site_id), pictures, yes)
        if shot is not None:
            found.append(shot)
            wanted[yes] -= 1
    return found


def _is_own(decision: Decision, task: Task) -> bool:
    return decision.decider is Decider.PERSON and decision.task is task and decision.follows is None


def _shot(
    decision: Decision, site: Site | None, pictures: QuestionPictures, yes: bool
) -> Shot | None:
    if site is None:
        return None
    named = [p for p in site.partners if p.supervoxel == decision.partner_supervoxel]
    if decision.partner_supervoxel is not None and not named:
        return None
    try:
        own, other, center = question_roots(pictures.datastack, site, named[0] if named else None)
        shown = pictures.at(center, own, other)
    except (InputError, NotFoundError, ServiceError):
        return None
    return Shot(site.id, yes, shown, decision.reason)
