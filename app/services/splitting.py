"""The cut that a person is making: points on two sides, their preview, and what came of it.

Lives on the owner's thread. Every question to the datastack is about certain points; what
comes back for others is dropped in one place each (`_resolved`, `_previewed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from app.services.questions import task_of
from app.services.splitting_desk import Previewed, Resolved
from app.services.splitting_model import LETTERS, SIDES, CutPoint, CutSide, CutView, Draft
from connectome.graph import SplitRequest
from connectome.space import PointNm
from ngplugin.points import Mark
from proofreading.export.splits import SPLIT_TASKS
from proofreading.sites import Site

if TYPE_CHECKING:
    from ngplugin.after import AfterPicture

__all__ = ["PREVIEW_FIRST", "Splitting", "is_aside"]

PREVIEW_FIRST = "Preview the cut first: press P."


def is_aside(site: Site) -> bool:
    """Tell whether a cut at a site answers another question than the site's own.

    A person who is asked whether two segments are one may see that one of them is two.
    """
    return task_of(site) not in SPLIT_TASKS


class DeskPort(Protocol):
    """What answers questions about cuts; see `CutDesk`."""

    def resolve(
        self, roots: Sequence[int], point_nm: PointNm, done: Callable[[Resolved], None]
    ) -> None:
        """Find the supervoxel of one of these objects at or next to a point."""
        ...

    def preview(self, root: int, request: SplitRequest, done: Callable[[Previewed], None]) -> None:
        """Find out what a cut would do."""
        ...


class MarksPort(Protocol):
    """The points in the page; see `ngplugin.points.Marks`."""

    def show(self, marks: Sequence[Mark]) -> None:
        """Show exactly these points."""
        ...

    def ask(self, side: int) -> None:
        """Ask where the mouse is."""
        ...


class Splitting:
    """Places, moves and removes points of a cut and has it previewed.

    Parameters
    ----------
    desk, marks : DeskPort, MarksPort
        Who answers, and who shows the points.
    show_after : callable
        Shows what a cut would leave; None shows what is there.
    changed : callable
        Called after every change.
    stale : callable
        Called with a root that somebody else has edited.
    """

    def __init__(
        self,
        desk: DeskPort,
        marks: MarksPort,
        show_after: Callable[[AfterPicture | None], None],
        *,
        changed: Callable[[], None],
        stale: Callable[[int], None],
    ) -> None:
        self._desk, self._marks, self._show_after = desk, marks, show_after
        self._changed, self._stale = changed, stale
        self._drafts: dict[str, Draft] = {}
        self._site: Site | None = None
        self._roots: tuple[int, ...] = (0,)
        self._draft: Draft | None = None
        self._generation = 0
        self._asking = False
        self._before = False
        self._numbers = 0

    # ---- what is on the screen -------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether a cut is being made at the site on the screen."""
        return self._draft is not None

    def follow(
        self,
        site: Site | None,
        roots: tuple[int, ...],
        kept: Callable[[str], list[CutPoint] | None],
    ) -> None:
        """Keep to the site on the screen; points that it had come back with it.

        Parameters
        ----------
        roots : tuple of int
            The object in question; of a pair both, of which the first point chooses one.
        kept : callable
            Returns the points that the ledger keeps for a site, None where the cut is made
            already; asked once for each visit.
        """
        self._roots = roots
        if (site and site.id) == (self._site and self._site.id):
            return
        self._close()
        self._site = site
        if site is None:
            return
        points = [] if is_aside(site) else kept(site.id)
        if points is None:
            return
        if points and site.id not in self._drafts:
            self._drafts[site.id] = Draft([replace(p, number=self._number()) for p in points])
        if site.id in self._drafts:
            self._open(self._drafts[site.id])

    def view(self) -> CutView | None:
        """Return what the window shows; None while nothing is cut."""
        draft = self._draft
        if draft is None or self._site is None:
            return None
        phase, text, remedy = draft.state(asking=self._asking)
        found = draft.preview
        whole = found.whole_nm3 if found is not None else None
        near = found.shown.volumes_nm3 if found is not None and found.shown is not None else None
        return CutView(
            self._site.id,
            tuple(draft.points),
            phase,
            text,
            remedy,
            whole or near,
            whole=whole is not None,
            of=LETTERS[draft.which or 0] if is_aside(self._site) and draft.points else "",
            aside=is_aside(self._site),
        )

    # ---- what the person does ----------------------------------------------------------

    def add(self, side: CutSide) -> None:
        """Put a point where the mouse is; the first time the suggested ones, if there are any."""
        site = self._site
        if site is None:
            return
        if self._draft is None:
            again = site.id in self._drafts
            suggested = [] if again else self._suggested(site)
            draft = self._drafts.setdefault(site.id, Draft(suggested, suggested=True))
            self._open(draft)
            if draft.points:
                return  # these are to be looked at first
        self._marks.ask(SIDES.index(side))

    def pointed(self, side: int, position_nm: PointNm) -> None:
        """Take the answer where the mouse is."""
        if self._draft is None or not 0 <= side < len(SIDES):
            return
        point = CutPoint(self._number(), SIDES[side], position_nm)
        self._draft.points.append(point)
        self._touched()
        self._resolve(point)

    def moved(self, marks: Sequence[Mark]) -> None:
        """Take points that were dragged or deleted in the page."""
        if self._draft is None:
            return
        at = {mark.number: mark.position_nm for mark in marks}
        kept = [point for point in self._draft.points if point.number in at]
        fresh = [
            CutPoint(p.number, p.side, at[p.number])
            for p in kept
            if _apart(at[p.number], p.position_nm)
        ]
        if not fresh and len(kept) == len(self._draft.points):
            return
        renewed = {point.number: point for point in fresh}
        self._draft.points = [renewed.get(point.number, point) for point in kept]
        self._touched()
        for point in fresh:
            self._resolve(point)

    def remove(self, number: int | None = None) -> None:
        """Take a point away: the newest if no number is given."""
        draft = self._draft
        if draft is None or not draft.points:
            return
        gone = draft.points[-1].number if number is None else number
        draft.points = [point for point in draft.points if point.number != gone]
        self._touched()

    def preview(self) -> None:
        """Ask what the cut would do, now and again whenever the points change."""
        if self._draft is not None:
            self._draft.watched = True
            self._ask()
            self._changed()

    def toggle_parts(self) -> str:
        """Show the previewed parts, or the object as it is; return what comes first, or nothing."""
        draft = self._draft
        if draft is None or draft.preview is None or draft.preview.shown is None:
            return PREVIEW_FIRST
        self._before = not self._before
        self._show_after(None if self._before else draft.preview.shown.picture)
        return ""

    def leave(self) -> bool:
        """Go back to the question; tell whether a cut was being made. The points are kept."""
        was = self.active
        self._close()
        if was:
            self._changed()
        return was

    def finished(self) -> tuple[SplitRequest, int] | None:
        """Return the cut that was previewed and may be made, with the root that was shown."""
        draft = self._draft
        if draft is None or draft.preview is None or not draft.preview.legal:
            return None
        return None if draft.request is None else (draft.request, self._object)

    def made(self) -> None:
        """Forget the points of a cut that is made beside the site's own question."""
        if self._site is not None:
            self._drafts.pop(self._site.id, None)
        self._close()

    def say(self, text: str) -> None:
        """Say what is to be done first."""
        if self._draft is not None:
            self._draft.note = text
            self._changed()

    def kept(self) -> dict[str, object]:
        """Return the points as plain values, for a decision that leaves the cut for later."""
        return {} if self._draft is None else self._draft.kept

    # ---- what comes back ---------------------------------------------------------------

    def _resolved(self, draft: Draft, asked: CutPoint, found: Resolved) -> None:
        if asked not in draft.points:
            return  # moved or taken away meanwhile
        if found.point is None:
            known = replace(asked, trouble=found.trouble)
        else:
            at, supervoxel = found.point.position_nm, found.point.supervoxel
            known = replace(asked, supervoxel=supervoxel, position_nm=at)
            draft.which = self._which(draft, found.root)
        draft.points[draft.points.index(asked)] = known
        if draft is self._draft:
            self._points_changed()
            if found.stale:
                self._tell_stale()

    def _previewed(self, generation: int, found: Previewed) -> None:
        if generation != self._generation or self._draft is None:
            return
        self._asking = False
        self._draft.preview = found
        self._before = False
        self._show_after(found.shown.picture if found.shown is not None else None)
        self._changed()
        if found.stale:
            self._tell_stale()

    # ---- inside --------------------------------------------------------------------------

    @property
    def _object(self) -> int:
        """The object that is cut: of a pair the one that the first point lies in."""
        which = None if self._draft is None else self._draft.which
        return self._roots[0 if which is None or which >= len(self._roots) else which]

    def _which(self, draft: Draft, root: int) -> int:
        """Return the place of the object that a point was found in; the first one decides."""
        if draft.which is not None:
            return draft.which
        return self._roots.index(root) if root in self._roots else 0

    def _tell_stale(self) -> None:
        self._stale(self._object)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _suggested(self, site: Site) -> list[CutPoint]:
        cut = site.proposed_cut
        if cut is None:
            return []
        sides = ((CutSide.SOURCE, cut.sources), (CutSide.SINK, cut.sinks))
        return [
            CutPoint(self._number(), side, p.position_nm, p.supervoxel)
            for side, points in sides
            for p in points
        ]

    def _open(self, draft: Draft) -> None:
        self._draft = draft
        self._points_changed()

    def _close(self) -> None:
        if self._draft is None:
            return
        self._draft.preview, self._draft.note, self._draft.watched = None, "", False
        self._draft, self._asking = None, False
        self._generation += 1
        self._marks.show([])
        self._show_after(None)

    def _touched(self) -> None:
        """Show points that the person changed."""
        if self._draft is not None:
            self._draft.suggested = False
            if not self._draft.points:
                self._draft.which = None
        self._points_changed()

    def _points_changed(self) -> None:
        """Show the points; what was previewed was another cut."""
        draft = self._draft
        assert draft is not None
        self._generation += 1
        shown = draft.preview is not None and draft.preview.shown is not None
        draft.preview, draft.note, self._asking = None, "", False
        self._marks.show(draft.marks)
        if shown:
            self._show_after(None)
        if draft.watched:
            self._ask()
        self._changed()

    def _resolve(self, point: CutPoint) -> None:
        draft = self._draft
        assert draft is not None
        roots = self._roots if draft.which is None else (self._object,)
        self._desk.resolve(
            roots, point.position_nm, lambda found: self._resolved(draft, point, found)
        )

    def _ask(self) -> None:
        draft = self._draft
        if draft is None or draft.request is None:
            return
        self._asking, generation = True, self._generation
        self._desk.preview(
            self._object, draft.request, lambda found: self._previewed(generation, found)
        )


def _apart(a: PointNm, b: PointNm) -> bool:
    # The page counts in 32-bit voxels: what was not moved comes back almost the same.
    return any(abs(p - q) > 0.5 for p, q in zip(a, b, strict=True))
