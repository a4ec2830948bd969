"""What the window shows now, put together from every part behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.services.answers import last_answer
from app.services.model import JudgeStatus, Progress, Snapshot, UndoQuestion
from app.services.summary import outbox_of, queue_phase, queue_text

if TYPE_CHECKING:
    from app.services.desks import Desks
    from app.services.model import Current

__all__ = ["current_of", "snapshot_of"]


def current_of(desks: Desks, judge: JudgeStatus) -> Current | None:
    """Return the site on the screen with everything known about it."""
    site = desks.place.site
    decision = desks.session.ledger.state.decision(site.id) if site is not None else None
    answer = decision.answer if decision is not None else None
    veiled = site is not None and desks.quality.hides(site.id)
    return desks.place.tracker.current(answer, judge, veiled=veiled)


def snapshot_of(desks: Desks, judge: JudgeStatus, question: UndoQuestion | None) -> Snapshot:
    """Return everything that the window shows.

    Parameters
    ----------
    question : UndoQuestion or None
        What is asked before an undo.
    """
    state, site = desks.session.ledger.state, desks.place.site
    detecting = desks.jobs.running("detect")
    per_hour, median = desks.quality.pace
    current = current_of(desks, judge)
    last = state.last_undoable()
    return Snapshot(
        session_name=desks.session.name,
        datastack_name=desks.datastack.name,
        progress=Progress(desks.queue.answered, desks.queue.questions, per_hour, median),
        outbox=outbox_of(state),
        judge=judge,
        jobs=desks.jobs.all(),
        queue_phase=queue_phase(desks.queue.total, detecting=detecting),
        queue_text=queue_text(desks.queue.total, detecting=detecting),
        current=current,
        last_answer=last_answer(last, len(state.followers(last.id)) if last else 0),
        can_undo=last is not None,
        can_redo=state.last_redoable() is not None,
        notices=desks.notices.all(),
        undo_question=question,
        hidden=desks.improbable.hidden(),
        learned=desks.learning.learned.words,
        language=desks.language.status,
        through=desks.looking.through(None if site is None else site.id),
        doubt=desks.second.doubt,
        why=desks.why.of(current),
        cut=desks.cutting.view(),
        after=desks.after.view(),
    )
