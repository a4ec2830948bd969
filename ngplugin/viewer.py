"""Neuroglancer with the sites in it, for a window or a notebook that owns the page.

The session's state is pushed once. From then on every change goes to the page as a
script (`attach`), to the server's configuration (keys, status, prefetching), or waits
in the store until the page asks for it; the client is never reset.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from threading import Lock, Thread
from typing import Any

import neuroglancer
import numpy as np
from numpy.typing import NDArray

from connectome.datastack import ViewerSources
from connectome.space import BoxNm, PointNm
from ngplugin import scripts
from ngplugin.after import AFTER, AfterPicture
from ngplugin.camera import camera_for_pair
from ngplugin.credentials import allow_token
from ngplugin.grid import CellKey
from ngplugin.placement import levels_for
from ngplugin.points import MARKS, Marks
from ngplugin.scripts import Quaternion
from ngplugin.snapshot import Veils
from ngplugin.source import SiteSource
from ngplugin.state import (
    IMAGERY,
    SEGMENTATION,
    SITES,
    Place,
    initial_state,
    prefetch_states,
    view_of,
)
from ngplugin.store import SiteStore
from ngplugin.style import COLOR_A, COLOR_B, COLOR_OTHER
from ngplugin.updates import PageUpdates
from proofreading.decisions import Answer
from proofreading.site_columns import SiteColumns
from proofreading.sites import Site

__all__ = ["SiteViewer"]

_log = logging.getLogger(__name__)
_CLICK = "proofdesk-site-click"
PREFETCH_AFTER_S = 0.5
"""When the page has drawn where it was sent, even without a graphics card."""
_LAYERS = {
    "sites": SITES,
    "segmentation": SEGMENTATION,
    "imageryLayer": IMAGERY,
    "marks": MARKS,
    "after": AFTER,
}


class SiteViewer:
    """One Neuroglancer page with imagery, segmentation and sites.

    Parameters
    ----------
    sources : ViewerSources
        The layers.
    bounds : BoxNm
        The box of the datastack, in which every site lies.
    token_for : callable, optional
        Returns the CAVE token for an origin; asked only for `sources.token_origins`.
    dark : bool
        Dark or white ground.
    contrast : tuple of float, optional
        Imagery values shown black and white; the whole range of the type if None.
    expected_sites : int
        About how many sites will be shown: many need a finer spatial index.

    Notes
    -----
    Every method may be called from any thread and returns at once. Callbacks are called
    on Neuroglancer's server thread, and scripts may be run from it: the host passes both
    on to its own thread and must not wait inside them.
    """

    def __init__(
        self,
        sources: ViewerSources,
        bounds: BoxNm,
        *,
        token_for: Callable[[str], str] | None = None,
        dark: bool = True,
        contrast: tuple[float, float] | None = None,
        expected_sites: int = 0,
    ) -> None:
        self._sources = sources
        if not neuroglancer.server.is_server_running():
            neuroglancer.set_server_bind_address("127.0.0.1")
        if token_for is not None and sources.token_origins:
            allow_token(sources.token_origins, token_for)
        self.store = SiteStore(bounds, sources.voxel_nm, levels=levels_for(expected_sites))
        self.source = SiteSource(self.store, self._on_report)
        self.source.mount()
        self._viewer: Any = neuroglancer.Viewer()
        self._updates = PageUpdates(self.store, _later)
        self.marks = Marks(self._updates, sources.voxel_nm)
        self._pair: tuple[int, ...] = ()
        self._merged = False
        self._arranging = Lock()
        self._coming: tuple[Place, ...] = ()
        self._closed = False
        self._click_callbacks: list[Callable[[str], None]] = []
        self._ready_callbacks: list[Callable[[list[str]], None]] = []
        self.missing_internals: list[str] | None = None
        self._viewer.set_state(
            initial_state(sources, bounds, self.source.url, dark=dark, contrast=contrast)
        )
        self._configure()

    @property
    def url(self) -> str:
        """The page to load; it holds the session's secret, so it is not to be logged."""
        return str(self._viewer.get_viewer_url())

    @property
    def voxel_nm(self) -> PointNm:
        """Size of the page's voxels, in which it tells positions."""
        return self._sources.voxel_nm

    @property
    def shown_roots(self) -> tuple[int, ...]:
        """The roots that the page is to show, A first."""
        return self._pair

    # ---- the page ----------------------------------------------------------------

    def attach(self, run_script: Callable[[str], None]) -> None:
        """Say how a script reaches the page: the host's ``runJavaScript``, on its thread."""
        self._updates.attach(run_script)

    def mark_loading(self) -> None:
        """Say that the page (re)loads: changes wait until `mark_ready`."""
        self._updates.page_loading()

    def mark_ready(self) -> None:
        """Say that the page is loaded; what waited is sent to it."""
        self._updates.page_ready(
            scripts.install(
                base=self.source.path,
                layers=_LAYERS,
                imagery_url=_plain_url(self._sources.imagery),
            )
        )

    def on_ready(self, callback: Callable[[list[str]], None]) -> None:
        """Call back when the page has its layers, with the client internals it lacks.

        The list is empty with the pinned client; otherwise the page works by the slower
        fallback.
        """
        self._ready_callbacks.append(callback)

    # ---- what the person does ------------------------------------------------------

    def on_site_click(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of a site that was clicked, drags included."""
        self._click_callbacks.append(callback)

    def on_moved(self, callback: Callable[[PointNm], None]) -> None:
        """Call back with the point (nm) in the middle of the page whenever it is another one."""
        last: list[object] = [None]

        def changed() -> None:
            raw = self._viewer.shared_state.raw_state
            position = raw.get("position")
            if position is None or position == last[0]:
                return
            last[0] = position
            x, y, z = (float(p) * v for p, v in zip(position, self.voxel_nm, strict=True))
            callback((x, y, z))

        self._viewer.shared_state.add_changed_callback(changed)

    # ---- sites -------------------------------------------------------------------

    def add_sites(self, sites: Sequence[Site]) -> None:
        """Show more sites; those already shown stay as they are."""
        self._grown(len(self.store), self.store.add(sites))

    def add_columns(
        self,
        columns: SiteColumns,
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        """Show more sites, all different, given as columns with their scores (NaN: not judged)."""
        before = len(self.store)
        codes = self.store.add_columns(columns, probabilities, failed)
        self._grown(before, self.store.keys_on_page(codes))
        self._keep_order()

    def set_scores(
        self,
        numbers: NDArray[np.uint64],
        probabilities: NDArray[np.float64],
        failed: NDArray[np.bool_],
    ) -> None:
        """Colour sites by their newest scores (NaN: not judged)."""
        self._tell(self.store.set_scores(numbers, probabilities, failed))
        self._keep_order()

    def veil(self, veils: Veils) -> None:
        """Show sites as not judged of which this tells so; it is asked on any thread."""
        self.store.veils = veils

    def recolour(self, ids: Sequence[str]) -> None:
        """Show sites anew whose verdict may be seen now, or no more."""
        self._tell([int(site_id, 16) for site_id in ids])

    def set_probabilities(self, ids: Sequence[str], values: Sequence[float]) -> None:
        """Colour sites by what the judge thinks (0 to 1)."""
        self._tell(self.store.set_probabilities(ids, values))

    def set_failed(self, ids: Sequence[str]) -> None:
        """Mark sites whose verdict could not be made."""
        self._tell(self.store.set_failed(ids))

    def set_answers(self, ids: Sequence[str], answers: Sequence[Answer | None]) -> None:
        """Fade decided sites; None takes an answer back."""
        self._tell(self.store.set_answers(ids, answers))

    def set_aside(self, numbers: NDArray[np.uint64], aside: NDArray[np.bool_]) -> None:
        """Take sites out of sight that ask nothing of their own, or bring them back."""
        self._tell(self.store.set_aside(numbers, aside))

    def set_current(self, site: Site | None, partner_index: int = 0) -> None:
        """Ring a site, show its pair in the colours of A and B, and look at it.

        The roots are those of the time when the site was found; after edits call
        `show_pair` with the current ones.
        """
        self._updates.sites(self.store.set_current(site.id if site else None), now=True)
        if site is None:
            self._show([])
            return
        if not site.partners:
            self.show_pair(site.root, None)
            cut = site.proposed_cut
            ends = (cut.sources[0], cut.sinks[0]) if cut is not None else None
            camera = ends and camera_for_pair(*(end.position_nm for end in ends))
            self.look_at(site.point_nm, orientation=camera.orientation if camera else None)
            return
        partner = site.partners[min(max(partner_index, 0), len(site.partners) - 1)]
        camera = camera_for_pair(partner.own_point_nm, partner.point_nm)
        self.show_pair(site.root, partner.root)
        self.look_at(site.point_nm, orientation=camera.orientation)

    def filter_sites(self, *, least_probability: float = 0.0, decided: bool = True) -> None:
        """Hide open sites judged below a probability, and decided ones; the current one stays."""
        self._updates.slot(
            "filter", scripts.set_controls({"least": least_probability, "decided": decided})
        )

    # ---- segments ----------------------------------------------------------------

    def show_pair(self, root_a: int, root_b: int | None) -> None:
        """Show exactly these roots, A blue and B orange."""
        self._show([root_a] if root_b in (None, root_a) else [root_a, root_b])

    def show_merged(self, *, merged: bool) -> None:
        """Show the pair in one colour, as a merge would leave it, or again in two."""
        if merged != self._merged:
            self._merged = merged
            self._show(self._pair)

    def show_after(
        self,
        picture: AfterPicture | None,
        *,
        second_color: str = COLOR_B,
        beside: bool = True,
    ) -> None:
        """Show parts of an object in two colours instead of the object; None shows that again.

        Parameters
        ----------
        picture : AfterPicture or None
            The parts: what an edit would leave, for one.
        second_color : str
            Of the second part; the first has A's.
        beside : bool
            Whether the parts are only some of the object: then all of it stays faintly in
            sight, and slices show the parts' voxels instead of the object's.
        """
        if picture is None:
            self.source.after.clear()
            self._updates.slot("after", scripts.call("hideAfter", {}))
            return
        ids = self.source.after.put(picture)
        colors = [COLOR_A, second_color, *[COLOR_OTHER] * len(ids)]
        parts = [{"id": str(n), "color": c} for n, c in zip(ids, colors, strict=False)]
        command = {"parts": parts, "path": f"{self.source.name}/{AFTER}", "beside": beside}
        self._updates.slot("after", scripts.call("showAfter", command))

    def refresh_segmentation(self) -> None:
        """Make the page read segmentation and meshes again."""
        self._updates.move("refresh", scripts.refresh_segmentation())

    # ---- view --------------------------------------------------------------------

    def look_at(
        self,
        point_nm: PointNm,
        *,
        nm_per_pixel: float | None = None,
        orientation: Quaternion | None = None,
        layout: str | None = None,
        height_nm: float | None = None,
    ) -> None:
        """Move the view; what is None stays as the person left it.

        Parameters
        ----------
        point_nm : tuple of float
            The new centre, xyz in nm.
        nm_per_pixel : float, optional
            Zoom of the slices.
        orientation : tuple of float, optional
            Rotation (x, y, z, w) of the 3-D camera.
        layout : str, optional
            ``xy-3d``, ``4panel``, ``3d``, ``xy`` and so on.
        height_nm : float, optional
            What the 3-D panel spans from top to bottom.
        """
        x, y, z = (p / v for p, v in zip(point_nm, self._sources.voxel_nm, strict=True))
        move = scripts.move_to(
            (x, y, z),
            nm_per_pixel=nm_per_pixel,
            height_nm=height_nm,
            orientation=orientation,
            layout=layout,
        )
        self._updates.move("view", move)

    def set_layout(self, layout: str) -> None:
        """Change the layout of the panels only."""
        self._updates.move("layout", scripts.move_to(layout=layout))

    def set_contrast(self, low: float, high: float) -> None:
        """Show these imagery values black and white, such as the 1st and 99th percentile."""
        self._updates.slot("contrast", scripts.set_contrast(low, high))

    def prefetch(self, places: Sequence[Place], *, after_s: float = PREFETCH_AFTER_S) -> None:
        """Load what surrounds the next sites ahead of time; the first three places count.

        Not at once: what is to be seen now comes first, and a later call replaces this one.
        """
        self._coming = coming = tuple(places[:3])

        def due() -> None:
            if self._coming is coming and not self._closed:
                self._prefetch(coming)

        _later(after_s, due)

    def status(self, key: str, text: str | None) -> None:
        """Show a line at the bottom of the page; None removes it."""
        with self._viewer.config_state.txn() as config:
            if text is None:
                config.status_messages.pop(key, None)
            else:
                config.status_messages[key] = text

    def view_state(self) -> dict[str, object]:
        """Return where the page looks: position, zooms, orientation (nm) and layout."""
        return view_of(self._viewer.shared_state.raw_state, self._sources.voxel_nm)

    def close(self) -> None:
        """Send nothing any more and take the page's address away."""
        self._closed = True
        self._updates.close()
        self.source.unmount()
        if neuroglancer.server.is_server_running():
            neuroglancer.server.global_server.viewers.pop(self._viewer.token, None)

    # ---- inside ------------------------------------------------------------------

    def _tell(self, numbers: Sequence[int] | NDArray[np.uint64]) -> None:
        """Send the page what changed of the sites that it holds."""
        held = self.store.on_page(numbers)
        if held:
            self._updates.sites(held)

    def _grown(self, before: int, cells: Collection[CellKey]) -> None:
        """Let the page fetch what was added to cells since the store had so many rows."""
        if cells:
            self._updates.rows(before, len(self.store))

    def _refresh(self, codes: NDArray[np.int32]) -> None:
        """Let the page fetch those of these cells anew that it holds."""
        keys = self.store.keys_on_page(codes)
        if keys:
            self._updates.cells(keys)

    def _keep_order(self) -> None:
        """Arrange the sites by their worth on a thread of its own when much has changed."""
        if self.store.is_disordered and not self._arranging.locked():
            Thread(target=self._arrange, daemon=True, name="arrange").start()

    def _arrange(self) -> None:
        if self._arranging.acquire(blocking=False):
            try:
                self._refresh(self.store.arrange())
            finally:
                self._arranging.release()

    def _prefetch(self, places: Sequence[Place]) -> None:
        states = prefetch_states(self._sources, places, self._viewer.shared_state.raw_state)
        with self._viewer.config_state.txn() as config:
            config.prefetch = states

    def _show(self, roots: Sequence[int]) -> None:
        self._pair = tuple(roots)
        second = COLOR_A if self._merged else COLOR_B
        colors = [COLOR_A, second, *[COLOR_OTHER] * len(roots)]
        shown = list(zip(roots, colors, strict=False))
        self._updates.slot("segments", scripts.show_segments(shown))

    def _configure(self) -> None:
        self._viewer.actions.add(_CLICK, self._clicked)
        with self._viewer.config_state.txn() as config:
            config.input_event_bindings.data_view["at:click0"] = _CLICK
            config.show_ui_controls = False
            config.show_panel_borders = False
            config.show_layer_panel = False
            config.scale_bar_options.text_height_in_pixels = 12

    def _clicked(self, state: Any) -> None:
        # Only the raw JSON carries the annotation: `.value` of 2.41.2 fails on it.
        hit = state.selected_values.to_json().get(SITES) or {}
        number = hit.get("annotationId")
        if number is None:
            return
        for callback in list(self._click_callbacks):
            callback(f"{int(number):016x}")

    def _on_report(self, message: dict[str, object]) -> None:
        if self.marks.take(message):
            return
        if message.get("ready"):
            missing = message.get("missing")
            self.missing_internals = [str(m) for m in missing] if isinstance(missing, list) else []
            if self.missing_internals:
                _log.warning("Neuroglancer's page lacks: %s", ", ".join(self.missing_internals))
            for callback in list(self._ready_callbacks):
                callback(self.missing_internals)
        else:
            _log.warning("A command failed in the page: %s", message)


def _later(seconds: float, action: Callable[[], None]) -> None:
    """Run an action on Neuroglancer's server thread after some time."""
    loop = neuroglancer.server.global_server.loop
    neuroglancer.server.defer_callback(loop.call_later, seconds, action)


def _plain_url(source: str) -> str:
    return source.split("://", 1)[-1] if source.count("://") > 1 else source
