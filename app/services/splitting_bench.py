"""Cuts of an open session: what the window asks for, and what an answer takes along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.services.splitting import PREVIEW_FIRST, Splitting, is_aside
from app.services.splitting_desk import CutDesk
from app.services.splitting_model import CutPoint, CutSide, CutView, kept_points
from app.services.workers import Post
from connectome.graph import SplitRequest
from proofreading.decisions import Answer
from proofreading.edits import EditState

if TYPE_CHECKING:
    from app.services.place import Place
    from connectome.datastack import Datastack
    from ngplugin.viewer import SiteViewer
    from proofreading.session import Session

__all__ = ["CutBench", "CutOutcome"]


@dataclass(frozen=True)
class CutOutcome:
    """What an answer takes along of a cut.

    Parameters
    ----------
    request : SplitRequest or None
        The cut that was previewed, for an acceptance.
    root : int
        The object on the screen.
    view : dict
        The points, for an answer that leaves them for later.
    """

    request: SplitRequest | None = None
    root: int = 0
    view: dict[str, object] = field(default_factory=dict)


class CutBench:
    """Brings together the points, the datastack, the page and the ledger.

    Parameters
    ----------
    changed : callable
        Called after every change.
    """

    def __init__(
        self,
        session: Session,
        datastack: Datastack,
        viewer: SiteViewer,
        place: Place,
        post: Post,
        changed: Callable[[], None],
    ) -> None:
        self._session, self._place = session, place
        self._desk = CutDesk(datastack, post)
        self._splitting = Splitting(
            self._desk,
            viewer.marks,
            viewer.show_after,
            changed=changed,
            stale=lambda root: place.edited({root}),
        )
        viewer.marks.on_pointed(lambda side, at: post(lambda: self._splitting.pointed(side, at)))
        viewer.marks.on_moved(lambda marks: post(lambda: self._splitting.moved(marks)))

    @property
    def active(self) -> bool:
        """Whether a cut is being made."""
        return self._splitting.active

    def view(self) -> CutView | None:
        """Return what the window shows; None while nothing is cut."""
        return self._splitting.view()

    def follow(self) -> None:
        """Keep to the site on the screen."""
        roots = self._place.tracker.present_roots() or (0, None)
        known = tuple(root for root in roots if root is not None)
        self._splitting.follow(self._place.site, known, self._kept)

    def point(self, side: CutSide) -> None:
        """Put a point where the mouse is."""
        self._splitting.add(side)

    def remove(self, number: int | None = None) -> None:
        """Take a point away: the newest if no number is given."""
        self._splitting.remove(number)

    def preview(self) -> str:
        """Ask what the cut would do; return why that cannot be, or nothing."""
        if not self.active:
            return "Nothing is being cut: E puts the first point."
        self._splitting.preview()
        return ""

    def toggle(self) -> str:
        """Show the parts that were previewed, or the object; return what comes first."""
        return self._splitting.toggle_parts()

    def leave(self) -> bool:
        """Go back to the question; tell whether a cut was being made."""
        return self._splitting.leave()

    def may_cut(self) -> bool:
        """Tell whether the cut was previewed and may be made; else say what comes first."""
        if self._splitting.finished() is not None:
            return True
        self._splitting.say(PREVIEW_FIRST)
        return False

    @property
    def aside(self) -> bool:
        """Whether a cut here answers another question than the site's own."""
        return self._place.site is not None and is_aside(self._place.site)

    def made_aside(self) -> tuple[SplitRequest, int] | None:
        """Return the cut that was previewed beside the site's own question, and forget it."""
        cut = self._splitting.finished()
        self._splitting.made()
        return cut

    def outcome(self, answer: Answer) -> CutOutcome:
        """Return what an answer takes along; nothing of a cut beside the question."""
        if self.aside:
            return CutOutcome()
        if answer is Answer.ACCEPT and (cut := self._splitting.finished()) is not None:
            return CutOutcome(*cut)
        return CutOutcome(view=self._splitting.kept() if answer is Answer.LATER else {})

    def close(self) -> None:
        """Ask nothing any more."""
        self._desk.close()

    def _kept(self, site_id: str) -> list[CutPoint] | None:
        """Return the points that the ledger keeps; None where the cut is made already."""
        state = self._session.ledger.state
        decision = state.decision(site_id)
        record = None if decision is None else state.edit_of(decision.id)
        if record is not None and record.state is EditState.COMMITTED:
            return None
        return kept_points(decision, None if record is None else record.edit)
