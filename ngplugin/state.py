"""The viewer state a session starts with; afterwards the page is changed by scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import neuroglancer

from connectome.datastack import ViewerSources
from connectome.space import BoxNm, PointNm
from ngplugin.after import AFTER
from ngplugin.points import MARK_SHADER, MARKS
from ngplugin.style import EM_SHADER, SITE_SHADER

__all__ = [
    "IMAGERY",
    "SEGMENTATION",
    "SITES",
    "Place",
    "initial_state",
    "prefetch_states",
    "view_of",
]

IMAGERY = "em"
SEGMENTATION = "segmentation"
SITES = "sites"

Contrast = tuple[float, float] | None

Place = tuple[PointNm, tuple[int, ...]]
"""A point (xyz in nm) and the roots to show there."""

# The dark ground is the window's; the light one is paper white.
_GROUNDS = {True: "#14161a", False: "#ffffff"}


def initial_state(
    sources: ViewerSources, bounds: BoxNm, sites_url: str, *, dark: bool, contrast: Contrast
) -> Any:
    """Return the state of a new session: three layers, in the middle of the volume."""
    state = _base_state(sources, dark=dark, contrast=contrast)
    middle = [(low + high) / 2 for low, high in zip(bounds.lower, bounds.upper, strict=True)]
    state.position = [m / v for m, v in zip(middle, sources.voxel_nm, strict=True)]
    # Zooms are in canonical (smallest) voxels: per pixel, and per height of the 3-D panel.
    smallest = min(sources.voxel_nm)
    span = min(max(bounds.size), 6000.0)
    state.cross_section_scale = span / 600 / smallest
    state.projection_scale = span / smallest
    state.layout = "xy-3d"
    state.layers[SITES] = neuroglancer.AnnotationLayer(
        {"crossSectionAnnotationSpacing": 1, "projectionAnnotationSpacing": 1},
        source=sites_url,
        shader=SITE_SHADER,
    )
    _add_cut(state, f"{sites_url}/{AFTER}")
    return state


def _add_cut(state: Any, after_url: str) -> None:
    """Add what is hidden until something is cut: what that would leave, and its points."""
    state.layers[AFTER] = neuroglancer.SegmentationLayer(
        source=after_url, selected_alpha=0.45, hide_segment_zero=True, ignore_null_visible_set=False
    )
    state.layers[MARKS] = neuroglancer.LocalAnnotationLayer(
        dimensions=state.dimensions,
        annotation_properties=[neuroglancer.AnnotationPropertySpec(id="side", type="uint8")],
        shader=MARK_SHADER,
    )
    for name in (AFTER, MARKS):
        state.layers[name].visible = False


def prefetch_states(
    sources: ViewerSources, places: Sequence[Place], seen: Mapping[str, object]
) -> list[Any]:
    """Return one small hidden state for each place, as the client wants them for prefetching.

    The client makes a viewer of its own for each state that it has not got yet: a place's
    state is the same as long as zooms and layout are, wherever the person looks.

    Parameters
    ----------
    places : sequence
        Where to look (xyz in nm), and at which segments.
    seen : mapping
        The raw state that the page shows now; its zooms and layout are kept.
    """
    found = []
    for order, (point, segments) in enumerate(places):
        state = _base_state(sources, dark=True, contrast=None)
        state.position = [p / v for p, v in zip(point, sources.voxel_nm, strict=True)]
        raw = state.to_json()
        raw.update({key: seen[key] for key in _KEPT if key in seen})
        state = neuroglancer.ViewerState(raw)
        state.layers[SEGMENTATION].segments = list(segments)
        found.append(neuroglancer.PrefetchState(state=state, priority=-order))
    return found


def view_of(raw: Mapping[str, Any], voxel_nm: PointNm) -> dict[str, object]:
    """Return where the page looks, from its raw state: lengths in nm."""
    smallest = min(voxel_nm)
    view: dict[str, object] = {"layout": _layout_name(raw.get("layout"))}
    if "position" in raw:
        pairs = zip(raw["position"], voxel_nm, strict=True)
        view["position_nm"] = [float(p) * v for p, v in pairs]
    if "crossSectionScale" in raw:
        view["nm_per_pixel"] = float(raw["crossSectionScale"]) * smallest
    if "projectionScale" in raw:
        view["height_nm"] = float(raw["projectionScale"]) * smallest
    if "projectionOrientation" in raw:
        view["orientation"] = [float(value) for value in raw["projectionOrientation"]]
    return view


_KEPT = ("crossSectionScale", "projectionScale", "layout")


def _layout_name(layout: object) -> str:
    if isinstance(layout, Mapping):
        return str(layout.get("type", ""))
    return str(layout or "")


def _base_state(sources: ViewerSources, *, dark: bool, contrast: Contrast) -> Any:
    state = neuroglancer.ViewerState()
    state.dimensions = neuroglancer.CoordinateSpace(
        names=["x", "y", "z"], units="nm", scales=list(sources.voxel_nm)
    )
    controls = {} if contrast is None else {"normalized": {"range": list(contrast)}}
    if sources.imagery:
        state.layers[IMAGERY] = neuroglancer.ImageLayer(
            source=sources.imagery, shader=EM_SHADER, shader_controls=controls
        )
    state.layers[SEGMENTATION] = neuroglancer.SegmentationLayer(
        source=sources.segmentation,
        selected_alpha=0.22,
        not_selected_alpha=0.0,
        ignore_null_visible_set=False,
        hide_segment_zero=True,
    )
    state.projection_background_color = _GROUNDS[dark]
    state.cross_section_background_color = _GROUNDS[dark]
    state.show_slices = False
    state.show_axis_lines = False
    state.show_default_annotations = False
    return state
