"""Sites in any `neuroglancer.Viewer`, such as one in a notebook: coloured, clicked, answered.

The desktop changes its page by scripts. A notebook owns no page, so here every change goes
through the viewer's state, and a changed site layer is served under a new address; many
changes belong into one `SiteLayer.together`. ::

    viewer = neuroglancer.Viewer()
    …                                        # your own layers
    sites = SiteLayer(viewer, bounds, voxel_nm, segmentation="segmentation")
    sites.add(session.catalogue.sites())     # or sites of your own
    sites.set_probabilities(ids, values)
    sites.go_next()                          # then F, D, S in the viewer, or sites.answer(…)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import neuroglancer

from connectome.closing import Closing
from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from ngplugin.camera import camera_for_pair
from ngplugin.source import SiteSource
from ngplugin.store import SiteStore
from ngplugin.style import COLOR_A, COLOR_B, SITE_SHADER
from proofreading.decisions import Answer
from proofreading.sites import Site

__all__ = ["KEYS", "SiteLayer"]

KEYS: Mapping[str, Answer] = {
    "keyf": Answer.ACCEPT,
    "keyd": Answer.REJECT,
    "keys": Answer.UNSURE,
    "keyg": Answer.SKIP,
}
"""The keys of the window's left hand."""
_CLICK = "proofdesk-notebook-click"
_NEXT = "proofdesk-notebook-next"
_VIEWS = ("viewer", "data_view", "slice_view", "perspective_view")

OnAnswer = Callable[[Site, Answer], object]


class SiteLayer(Closing):
    """Sites as a layer of a viewer that somebody else owns.

    Parameters
    ----------
    viewer : neuroglancer.Viewer
        With whatever layers it has.
    bounds : BoxNm
        The box in which every site lies.
    voxel_nm : tuple of float
        Edges of a voxel, used where the viewer has no dimensions of its own yet.
    segmentation : str, optional
        Name of the segmentation layer whose segments are shown in the colours of A and B.
    name : str
        Name of the site layer.
    keys : mapping
        Keys of the page and the answers they give to the current site; N goes to the next.
    on_answer : callable, optional
        Called with the site and the answer; on Neuroglancer's server thread when a key was
        pressed, so it must not wait there.
    """

    def __init__(
        self,
        viewer: Any,
        bounds: BoxNm,
        voxel_nm: PointNm,
        *,
        segmentation: str | None = None,
        name: str = "sites",
        keys: Mapping[str, Answer] = KEYS,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self.viewer = viewer
        self.name = name
        self.answers: dict[str, Answer] = {}
        self._voxel_nm = voxel_nm
        self._segmentation = segmentation
        self._on_answer = on_answer
        self._sites: dict[str, Site] = {}
        self._chances: dict[str, float] = {}
        self._lock = threading.RLock()
        self._held = 0
        self._changed = False
        self.store = SiteStore(bounds, voxel_nm)
        self.source = SiteSource(self.store)
        self.source.mount()
        self._actions = self._bind(keys)
        self._show()

    def __len__(self) -> int:
        return len(self._sites)

    @property
    def current(self) -> Site | None:
        """The site with the ring."""
        current = self.store.current
        return None if current is None else self._sites[current]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Show the changes made inside as one."""
        with self._lock:
            self._held += 1
            try:
                yield
            finally:
                self._held -= 1
                if self._changed and not self._held:
                    self._show()

    def add(self, sites: Iterable[Site]) -> None:
        """Show more sites; those already shown stay as they are."""
        with self.together():
            new = [site for site in sites if site.id not in self._sites]
            self._sites.update({site.id: site for site in new})
            self.store.add(new)
            self._changed = True

    def set_probabilities(self, ids: Iterable[str], values: Iterable[float]) -> None:
        """Colour sites by a probability (0 to 1)."""
        with self.together():
            given = {
                site_id: value
                for site_id, value in zip(ids, values, strict=True)
                if site_id in self._sites
            }
            self._chances.update(given)
            self.store.set_probabilities(list(given), list(given.values()))
            self._changed = True

    def go_to(self, site_id: str) -> None:
        """Ring a site, look at it, and show its pair.

        Raises
        ------
        InputError
            If it is not shown here.
        """
        with self._lock:
            site = self._sites.get(site_id)
            if site is None:
                raise InputError(f"The site {site_id} is not shown here.", "Add it first.")
            with self.together():
                self.store.set_current(site_id)
                self._changed = True
            self._look_at(site)

    def go_next(self) -> Site | None:
        """Go to the most probable site without an answer; None, and nothing moves, at the end."""
        with self._lock:
            waiting = [site_id for site_id in self._sites if site_id not in self.answers]
            if not waiting:
                return None
            chosen = max(waiting, key=lambda site_id: self._chances.get(site_id, -1.0))
            self.go_to(chosen)
            return self._sites[chosen]

    def answer(self, answer: Answer, site_id: str | None = None) -> None:
        """Answer a site, the current one if none is named, and go to the next.

        Raises
        ------
        InputError
            If there is no such site.
        """
        with self._lock:
            chosen = self.store.current if site_id is None else site_id
            if chosen is None or chosen not in self._sites:
                raise InputError("There is no site to answer.", "Go to one first: go_next().")
            with self.together():
                self.answers[chosen] = answer
                self.store.set_answers([chosen], [answer])
                self._changed = True
                if site_id is None:
                    self.go_next()
        if self._on_answer is not None:
            self._on_answer(self._sites[chosen], answer)

    def take_back(self, site_id: str) -> None:
        """Make a site open again and go to it."""
        with self.together():
            if self.answers.pop(site_id, None) is not None:
                self.store.set_answers([site_id], [None])
                self._changed = True
            self.go_to(site_id)

    def close(self) -> None:
        """Take the layer and the keys out of the viewer."""
        for name, handler in self._actions:
            self.viewer.actions.remove(name, handler)
        with self.viewer.txn() as state:
            if self.name in [layer.name for layer in state.layers]:
                del state.layers[self.name]
        self.source.unmount()

    def _bind(self, keys: Mapping[str, Answer]) -> list[tuple[str, Callable[[Any], None]]]:
        actions: list[tuple[str, Callable[[Any], None]]] = [
            (_CLICK, self._clicked),
            (_NEXT, lambda _state: self._pressed(None)),
        ]
        bound = {"keyn": _NEXT}
        for key, answer in keys.items():
            bound[key] = f"proofdesk-notebook-{answer.value}"
            actions.append((bound[key], lambda _state, said=answer: self._pressed(said)))  # type: ignore[misc]
        for name, handler in actions:
            self.viewer.actions.add(name, handler)
        with self.viewer.config_state.txn() as config:
            config.input_event_bindings.data_view["at:click0"] = _CLICK
            for key, name in bound.items():
                for view in _VIEWS:
                    getattr(config.input_event_bindings, view)[key] = name
        return actions

    def _pressed(self, answer: Answer | None) -> None:
        if answer is None or self.current is None:
            self.go_next()
        else:
            self.answer(answer)

    def _clicked(self, state: Any) -> None:
        # Only the raw JSON carries the annotation: `.value` of 2.41.2 fails on it.
        hit = state.selected_values.to_json().get(self.name) or {}
        number = hit.get("annotationId")
        if number is not None and f"{int(number):016x}" in self._sites:
            self.go_to(f"{int(number):016x}")

    def _show(self) -> None:
        """Serve the sites as they are now under a new address, and tell the viewer."""
        self._changed = False
        old, self.source = self.source, SiteSource(self.store)
        self.source.mount()
        with self.viewer.txn() as state:
            _give_dimensions(state, self._voxel_nm)
            state.layers[self.name] = neuroglancer.AnnotationLayer(
                {"crossSectionAnnotationSpacing": 1, "projectionAnnotationSpacing": 1},
                source=self.source.url,
                shader=SITE_SHADER,
            )
        old.unmount()

    def _look_at(self, site: Site) -> None:
        partner = site.partners[0] if site.partners else None
        with self.viewer.txn() as state:
            scales = _scales_nm(state, self._voxel_nm)
            state.position = [p / s for p, s in zip(site.point_nm, scales, strict=True)]
            if partner is not None:
                camera = camera_for_pair(partner.own_point_nm, partner.point_nm)
                state.projection_orientation = list(camera.orientation)
                state.projection_scale = camera.height_nm / min(scales)
            if self._segmentation is not None:
                layer = state.layers[self._segmentation]
                roots = [site.root] if partner is None else [site.root, partner.root]
                layer.segments = roots
                layer.segment_colors = dict(zip(roots, (COLOR_A, COLOR_B), strict=False))


def _give_dimensions(state: Any, voxel_nm: PointNm) -> None:
    if not state.dimensions.names:
        state.dimensions = neuroglancer.CoordinateSpace(
            names=["x", "y", "z"], units="nm", scales=list(voxel_nm)
        )


def _scales_nm(state: Any, voxel_nm: PointNm) -> PointNm:
    """Return what one step of the viewer's x, y and z is, in nm."""
    dimensions = state.dimensions
    if list(dimensions.names[:3]) != ["x", "y", "z"]:
        return voxel_nm
    # The viewer keeps lengths in metres, whatever unit they were given in.
    x, y, z = (float(scale) * 1e9 for scale in dimensions.scales[:3])
    return (x, y, z)
