"""A view of one site that any Neuroglancer can show."""

from __future__ import annotations

from typing import Any

import neuroglancer

from connectome.datastack import ViewerSources
from ngplugin.camera import camera_for_pair
from ngplugin.state import IMAGERY, SEGMENTATION
from ngplugin.style import COLOR_A, COLOR_B, EM_SHADER
from proofreading.sites import Partner, Site

__all__ = ["shared_state"]

_PLACE = "site"


def shared_state(sources: ViewerSources, site: Site, partner: Partner | None) -> dict[str, Any]:
    """Return the state of a page that looks at a site, ready for JSON, with ids as strings.

    Layers and place are all that it holds: no session, no token, and one annotation.
    """
    state = neuroglancer.ViewerState()
    state.dimensions = neuroglancer.CoordinateSpace(
        names=["x", "y", "z"], units="nm", scales=list(sources.voxel_nm)
    )
    if sources.imagery:
        state.layers[IMAGERY] = neuroglancer.ImageLayer(source=sources.imagery, shader=EM_SHADER)
    roots = [site.root] if partner is None else [site.root, partner.root]
    state.layers[SEGMENTATION] = neuroglancer.SegmentationLayer(
        source=sources.segmentation,
        segments=roots,
        segment_colors=dict(zip(roots, (COLOR_A, COLOR_B), strict=False)),
    )
    place = [p / v for p, v in zip(site.point_nm, sources.voxel_nm, strict=True)]
    state.layers[_PLACE] = neuroglancer.LocalAnnotationLayer(
        dimensions=state.dimensions,
        annotations=[neuroglancer.PointAnnotation(id=site.id, point=place)],
    )
    state.position = place
    if partner is not None:
        camera = camera_for_pair(partner.own_point_nm, partner.point_nm)
        state.projection_orientation = list(camera.orientation)
        state.projection_scale = camera.height_nm / min(sources.voxel_nm)
    state.layout = "xy-3d"
    plain: dict[str, Any] = state.to_json()
    return plain
