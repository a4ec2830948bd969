"""What a cut in the making consists of, and what is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.services.model import Phase
from app.services.splitting_desk import Previewed
from connectome.graph import GraphPoint, SplitRequest
from connectome.space import PointNm
from ngplugin.points import Mark
from proofreading.decisions import Decision
from proofreading.edits import SplitEdit

__all__ = ["CutPoint", "CutSide", "CutView", "Draft", "kept_points"]

KEPT = "cut"
"""Where a decision's view keeps the points of a cut that is not made yet."""

SUGGESTED = "Suggested points: move them, add more, or press P for the preview."
FIRST = "E puts a blue point where the mouse is, Shift+E an orange one."
OTHER_SIDE = {
    "source": "Now the other side: Shift+E puts an orange point where the mouse is.",
    "sink": "Now the other side: E puts a blue point where the mouse is.",
}
READY = "P shows what the cut would do."
SAME = "Both sides name the same supervoxel: move the points further apart."
LOOKING = "Looking for the object under the point…"
ASKING = "Asking what the cut would do…"
DONE = "Enter makes this cut, Esc leaves it."


class CutSide(StrEnum):
    """The two sides of a cut, in the words of the chunked graph."""

    SOURCE = "source"
    """Drawn blue, as A."""
    SINK = "sink"
    """Drawn orange, as B."""


SIDES = tuple(CutSide)
LETTERS = ("A", "B")
"""Of the two segments of a pair."""


@dataclass(frozen=True)
class CutPoint:
    """A point of a cut; its supervoxel is 0 until it is known, or for good with a trouble."""

    number: int
    side: CutSide
    position_nm: PointNm
    supervoxel: int = 0
    trouble: str = ""


@dataclass(frozen=True)
class CutView:
    """The cut at the site on the screen, as the window shows it.

    Parameters
    ----------
    phase : Phase
        ``empty`` without points on both sides, ``loading`` while something is asked,
        ``partial`` with points that were not previewed, ``ready`` with a cut that can be
        made, ``failed`` where it cannot.
    text, remedy : str
        What to do now, or what is wrong.
    volumes_nm3 : tuple of float or None
        Of the two sides, once previewed.
    whole : bool
        Whether these are the whole sides, or only what lies near the points.
    of : str
        ``A`` or ``B``, where one of a pair is cut.
    aside : bool
        Whether the cut answers another question than that of the site, which stays open.
    """

    site_id: str
    points: tuple[CutPoint, ...]
    phase: Phase
    text: str
    remedy: str = ""
    volumes_nm3: tuple[float, float] | None = None
    whole: bool = False
    of: str = ""
    aside: bool = False

    def on(self, side: CutSide) -> tuple[CutPoint, ...]:
        """Return the points of a side."""
        return tuple(point for point in self.points if point.side is side)


@dataclass
class Draft:
    """The points of one site, and the preview of exactly these.

    Parameters
    ----------
    suggested : bool
        Whether they are the detector's, untouched.
    watched : bool
        Whether the person asked for the preview, so that it follows the points.
    note : str
        What was asked of the person last.
    which : int or None
        Which of the objects in question the points lie in; None until that is known.
    """

    points: list[CutPoint] = field(default_factory=list)
    preview: Previewed | None = None
    suggested: bool = False
    watched: bool = False
    note: str = ""
    which: int | None = None

    @property
    def marks(self) -> list[Mark]:
        """The points as the page shows them."""
        return [Mark(p.number, SIDES.index(p.side), p.position_nm) for p in self.points]

    @property
    def request(self) -> SplitRequest | None:
        """The cut, once both sides have points and all supervoxels are known."""
        if self.trouble or any(not point.supervoxel for point in self.points):
            return None
        sources, sinks = (
            tuple(GraphPoint(p.supervoxel, p.position_nm) for p in self.points if p.side is side)
            for side in SIDES
        )
        return SplitRequest(sources, sinks) if sources and sinks else None

    @property
    def trouble(self) -> str:
        """What is wrong with the points; empty if nothing is."""
        told = next((point.trouble for point in self.points if point.trouble), "")
        sources, sinks = (
            {p.supervoxel for p in self.points if p.side is side and p.supervoxel} for side in SIDES
        )
        return told or (SAME if sources & sinks else "")

    @property
    def kept(self) -> dict[str, object]:
        """The points as plain values, for a decision that leaves the cut for later."""
        plain = [
            {"side": p.side.value, "supervoxel": str(p.supervoxel), "nm": list(p.position_nm)}
            for p in self.points
            if p.supervoxel
        ]
        return {KEPT: plain} if plain else {}

    def state(self, *, asking: bool) -> tuple[Phase, str, str]:
        """Return the phase, what to do or what is wrong, and the remedy."""
        if asking:
            return Phase.LOADING, ASKING, ""
        if self.trouble:
            return Phase.FAILED, self.trouble, ""
        if any(not point.supervoxel for point in self.points):
            return Phase.LOADING, LOOKING, ""
        sides = {point.side for point in self.points}
        if len(sides) < len(SIDES):
            return Phase.EMPTY, OTHER_SIDE[sides.pop()] if sides else FIRST, ""
        return self._previewed()

    def _previewed(self) -> tuple[Phase, str, str]:
        found = self.preview
        if found is None:
            return Phase.PARTIAL, self.note or (SUGGESTED if self.suggested else READY), ""
        if not found.legal:
            return Phase.FAILED, found.trouble, found.remedy
        return Phase.READY, found.trouble or DONE, ""


def kept_points(decision: Decision | None, edit: object = None) -> list[CutPoint]:
    """Return the points that a decision keeps: of a cut left for later, or of one made.

    Parameters
    ----------
    edit : SplitEdit or other
        The edit that was derived from the decision, if any.
    """
    if isinstance(edit, SplitEdit):
        sides = ((CutSide.SOURCE, edit.sources), (CutSide.SINK, edit.sinks))
        return [CutPoint(0, s, p.position_nm, p.supervoxel) for s, points in sides for p in points]
    plain = decision.view.get(KEPT) if decision is not None else None
    if not isinstance(plain, list):
        return []
    return [_from_plain(each) for each in plain if isinstance(each, Mapping)]


def _from_plain(plain: Mapping[str, object]) -> CutPoint:
    nm = plain["nm"]
    assert isinstance(nm, Sequence)
    x, y, z = (float(value) for value in nm)
    return CutPoint(0, CutSide(str(plain["side"])), (x, y, z), int(str(plain["supervoxel"])))
