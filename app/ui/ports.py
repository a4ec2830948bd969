"""What the window asks of the program: the use-cases, the queue and the viewer, as Protocols.

Everything here is called on the GUI thread. Callbacks of the viewer arrive on
Neuroglancer's server thread; the window marshals them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from app.services.model import EditList, Notice, PlannedEdit, QueueRow, SecondLook, Snapshot
from connectome.space import PointNm
from proofreading.decisions import Answer

if TYPE_CHECKING:
    from app.services.dashboard import DashboardView
    from app.services.map_raster import SiteMap
    from app.services.splitting_model import CutSide
    from app.services.through import QueueOrder
    from app.services.triage import TriageView
    from proofreading.triage import Lane
    from rendering.record import PictureRecord

__all__ = ["MakeWorkbench", "PictureLike", "Post", "QueuePort", "ViewerPort", "WorkbenchPort"]

Post = Callable[[Callable[[], None]], None]
"""Run a callable on the GUI thread, soon; may be called on any thread."""


class PictureLike(Protocol):
    """A picture of a site, or the reason why there is none."""

    @property
    def rgb(self) -> NDArray[Any] | None:
        """Pixels, uint8 of shape (height, width, 3), or None."""
        ...

    @property
    def caption(self) -> str:
        """Such as ``front`` or ``xy``."""
        ...

    @property
    def nm_per_px(self) -> float:
        """Edge of a pixel in nm."""
        ...

    @property
    def reason(self) -> str:
        """Why there is no picture; empty if there is one."""
        ...

    @property
    def record(self) -> PictureRecord | None:
        """How it was made: where its middle lies and where its edges point."""
        ...


class ViewerPort(Protocol):
    """Neuroglancer with sites, as the window needs it."""

    @property
    def url(self) -> str:
        """The page to load."""
        ...

    def attach(self, run_script: Callable[[str], None]) -> None:
        """Take the function that runs JavaScript in the page."""
        ...

    def mark_ready(self) -> None:
        """Tell that the page has loaded; scripts waited until now."""
        ...

    def mark_loading(self) -> None:
        """Tell that the page loads, perhaps again: scripts wait from now on."""
        ...

    def on_site_click(self, callback: Callable[[str], None]) -> None:
        """Call back with a site's id, on the server thread."""
        ...

    def on_moved(self, callback: Callable[[PointNm], None]) -> None:
        """Call back with where the page looks when that has changed, on the server thread."""
        ...

    def look_at(self, point_nm: PointNm) -> None:
        """Move the page's cross-section to a point."""
        ...

    def set_layout(self, layout: str) -> None:
        """Change the panels: ``xy-3d``, ``3d`` or ``4panel``."""
        ...


class QueuePort(Protocol):
    """The rows of the queue, by number."""

    def __len__(self) -> int:
        """Return how many rows pass the filter."""
        ...

    def row(self, index: int) -> QueueRow:
        """Return one row."""
        ...

    def index_of(self, site_id: str) -> int | None:
        """Return where a site stands, or None if it is filtered out."""
        ...

    def set_filter(self, text: str) -> None:
        """Keep the rows that match; the empty text keeps all."""
        ...


class QualityPort(Protocol):
    """What the risk dial and the dashboard show."""

    def lanes(self, error_rate: float | None = None) -> TriageView:
        """Return the lanes, at the dial's error if none is given."""
        ...

    def accept_error(self, error_rate: float) -> None:
        """Set the dial; recorded."""
        ...

    def figures(self) -> DashboardView:
        """Return what the dashboard shows."""
        ...

    def report(self, name: str, datastack: str) -> Callable[[Path], list[Path]]:
        """Return what writes the report of now; any thread may call it, and it takes seconds."""
        ...


class MapPort(Protocol):
    """The map of all sites; it is drawn elsewhere, and comes back on the GUI thread."""

    def draw(self, plane: str, done: Callable[[SiteMap], None]) -> None:
        """Draw the map of now in a plane: ``xy``, ``xz`` or ``yz``."""
        ...

    def find(
        self, seen: SiteMap, right_nm: float, down_nm: float, done: Callable[[str | None], None]
    ) -> None:
        """Find the site nearest to a place of the map."""
        ...


class CuttingPort(Protocol):
    """The cut at the site on the screen."""

    def remove(self, number: int | None = None) -> None:
        """Take a point away: the newest if no number is given."""
        ...

    def leave(self) -> bool:
        """Go back to the question; tell whether a cut was being made."""
        ...


class WorkbenchPort(Protocol):
    """The use-cases behind the window."""

    @property
    def viewer(self) -> ViewerPort:
        """Neuroglancer."""
        ...

    @property
    def queue(self) -> QueuePort:
        """The sites in order."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener on the GUI thread after any change."""
        ...

    def snapshot(self) -> Snapshot:
        """Return what to show now."""
        ...

    def select(self, site_id: str) -> None:
        """Make a site the current one."""
        ...

    def choose_partner(self, index: int) -> None:
        """Ask the question of another partner, counted from 0."""
        ...

    def answer(self, answer: Answer, *, reason: str = "") -> None:
        """Answer the current site's question and go on to the next."""
        ...

    def undo(self) -> None:
        """Take back the last answer."""
        ...

    def redo(self) -> None:
        """Give the answer again that was taken back."""
        ...

    def next(self) -> None:
        """Go on without answering."""
        ...

    def previous(self) -> None:
        """Go back without answering."""
        ...

    def hide_below(self, limit: float) -> None:
        """Show no open site that is less probable than this."""
        ...

    def look_through(self, lane: Lane | None, order: QueueOrder) -> None:
        """Look through the sites of a lane (None: of all) in an order."""
        ...

    def view_box(self) -> str:
        """Return the filter's word for the region on the screen; empty if unknown."""
        ...

    def toggle_overlay(self) -> None:
        """Show on the pictures where the judge looked, or hide it again."""
        ...

    def toggle_why(self) -> None:
        """Unfold the judge's reasons, or fold them."""
        ...

    def ask_twice(self, *, wanted: bool) -> None:
        """Ask back, once for a site, where an answer contradicts a sure judge; or never."""
        ...

    def suggest_breaks(self, *, wanted: bool) -> None:
        """Say it once when a person has answered for long, or never."""
        ...

    @property
    def map(self) -> MapPort:
        """The map of all sites."""
        ...

    @property
    def cutting(self) -> CuttingPort:
        """The points of a cut."""
        ...

    def put_point(self, side: CutSide) -> None:
        """Put a point of a cut where the mouse is."""
        ...

    def preview_cut(self) -> None:
        """Show what the cut between the points would do."""
        ...

    def toggle_tint(self) -> None:
        """Tint the parts of A whose sites are answered, or stop that."""
        ...

    def toggle_after(self) -> None:
        """Show what the edit in question would leave, or again what is there."""
        ...

    def make_cut(self) -> None:
        """Accept the cut that was previewed."""
        ...

    @property
    def quality(self) -> QualityPort:
        """Lanes and figures of the session."""
        ...

    def toggle_improbable(self) -> None:
        """Show the improbable sites, too, or hide them again."""
        ...

    def start_detection(self) -> None:
        """Look for sites in the background."""
        ...

    def start_judging(self) -> None:
        """Let the model judge the sites in the background."""
        ...

    def retry_failed(self) -> None:
        """Judge the failed sites again."""
        ...

    def ask_language(self) -> None:
        """Ask the language model about the current site."""
        ...

    def use_words(self, words: Mapping[str, str]) -> None:
        """Ask the language model with these words, by slot, from now on."""
        ...

    def answer_undo(self, *, confirmed: bool) -> None:
        """Undo the edit that the snapshot's `undo_question` is about, or leave it."""
        ...

    def plan_export(self, done: Callable[[EditList], None]) -> None:
        """List the edits: as they are known, then as they are now.

        `done` is called on the GUI thread, once or twice; only the last list is whole.
        """
        ...

    def look_again(
        self, action: SecondLook, edits: Sequence[PlannedEdit], done: Callable[[str], None]
    ) -> None:
        """Decide about edits that were not simply sent; `done` is told what did not work."""
        ...

    def start_export(self) -> None:
        """Send the edits in the background."""
        ...

    def save_tables(self, folder: Path) -> list[Path]:
        """Write all decisions as CSV and JSON; return the files."""
        ...

    def cancel(self, job: str) -> None:
        """Stop a background job by name."""
        ...

    def dismiss_notice(self, notice: Notice) -> None:
        """Take a notice away."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


MakeWorkbench = Callable[[Post], WorkbenchPort]
"""Builds the use-cases once there is a GUI thread to post to."""
