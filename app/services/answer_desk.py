"""Giving an answer, taking it back and giving it again, with all that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.model import Level
from app.services.undoing import Undoing
from proofreading.decisions import Answer, Decision
from proofreading.edits import EditState

if TYPE_CHECKING:
    from app.services.desks import Desks
    from app.services.export_desk import JobEvent
    from app.services.model import Current, UndoQuestion
    from rendering.pictures import SitePictures

__all__ = ["AnswerDesk"]

CUT_ASIDE = "The cut waits for the export. The question here is still open."


class AnswerDesk:
    """The person's answers on the site on the screen.

    Parameters
    ----------
    desks : Desks
        What an answer changes.
    select : callable
        Makes a site the current one.
    told : callable
        Called with what the exporter says of an undo.
    changed : callable
        Called after every change that shows.
    """

    def __init__(
        self,
        desks: Desks,
        select: Callable[[str], None],
        told: Callable[[JobEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._desks = desks
        self._select = select
        self._changed = changed
        self._ledger = desks.session.ledger
        self._undoing = Undoing(
            self._ledger,
            desks.export,
            desks.jobs,
            withdrawn=self._after_history,
            told=told,
            changed=changed,
        )
        self.suggests_breaks = True

    @property
    def question(self) -> UndoQuestion | None:
        """What is asked before an undo."""
        return self._undoing.question

    def give(self, answer: Answer, reason: str, current: Current | None) -> None:
        """Record an answer to the current question and go to the next open site.

        One that a sure judge contradicts has to be given twice, if the person wants that.
        """
        desks, site = self._desks, self._desks.place.site
        if site is None:
            self._tell("There is nothing to answer yet.")
            return
        if desks.second.asks(site.id, answer, None if current is None else current.verdict):
            self._changed()
            return
        upcoming = desks.queue.next_open(site.id)
        hidden = desks.quality.hides(site.id)
        made = desks.answers.give(
            desks.place,
            answer,
            reason,
            verdict_visible=not hidden,
            cut=desks.cutting.outcome(answer),
        )
        desks.cutting.leave()
        if made is not None:
            self._measured(made, current.pictures if current is not None else None)
        desks.learning.decided()
        desks.follower.show_aside()
        if upcoming:
            self._select(upcoming[0])
        else:
            self._end_of_queue()
        self._changed()

    def cut_aside(self) -> None:
        """Accept a cut of a segment that the person was asked something else about.

        The question on the screen stays open, and its time begins anew.
        """
        place = self._desks.place
        site, cut = place.site, self._desks.cutting.made_aside()
        made = None if cut is None else self._desks.answers.cut_aside(place, *cut)
        if made is None or site is None:
            return
        self._measured(made, None)
        place.show(site, place.tracker.partner_index)
        self._tell(CUT_ASIDE)

    def undo(self) -> None:
        """Take back the person's last answer, and its edit if that was sent already.

        Where others have built on that edit, nothing happens before `confirm_undo`.
        """
        decision = self._ledger.state.last_undoable()
        if self._undoing.busy:
            self._tell("The last undo is not finished yet.")
        elif decision is None:
            self._tell("There is nothing to undo.")
        else:
            self._undoing.undo(decision)

    def confirm_undo(self, *, confirmed: bool) -> None:
        """Undo the edit after all, or leave it."""
        self._undoing.answer(confirmed=confirmed)
        self._changed()

    def redo(self) -> None:
        """Give the answer again that was taken back last."""
        decision = self._ledger.redo()
        if decision is None:
            self._tell("There is nothing to redo.")
            return
        record = self._ledger.state.edit_of(decision.id)
        if record is not None and record.state is EditState.UNDONE:
            self._desks.export.requeue(record.edit.id)
        self._after_history(decision)

    def _measured(self, decision: Decision, pictures: SitePictures | None) -> None:
        """Keep what the answer was based on, and let the figures follow it."""
        desks = self._desks
        suggestion = desks.quality.answered(decision, pictures)
        settled = desks.answers.changed_by(decision)
        desks.quality.changed(settled[1:])
        desks.follower.unveil(settled)
        if suggestion and self.suggests_breaks:
            self._tell(suggestion)

    def _end_of_queue(self) -> None:
        """Go back to the top, and say so, or say that everything is answered."""
        first = self._desks.queue.next_open(None)
        if first:
            self._select(first[0])
            self._tell("That was the last one below; back at the top of the queue.")
        else:
            self._tell(self._desks.looking.done)

    def _after_history(self, decision: Decision) -> None:
        """Show a site whose answer came or went by undo or redo."""
        changed = self._desks.answers.changed_by(decision)
        self._desks.quality.changed(changed)
        self._desks.answers.show(changed)
        self._desks.follower.show_aside()
        self._select(decision.site_id)

    def _tell(self, text: str) -> None:
        self._desks.notices.notify(Level.INFO, text)
