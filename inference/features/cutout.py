"""The numbers of pairs, measured on voxels read from a datastack.

Pairs that lie near each other share one cutout, so asking about many in one place costs
little more per pair than measuring a whole volume. The numbers are those of
`inference.features.pairs.pair_features`, since nothing beyond ``FeatureSpec.reach_nm`` counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.contact_blocks import numbered
from connectome.datastack import Datastack
from connectome.errors import VolumeError
from connectome.space import BoxNm, Cutout, PointNm
from inference.datasets.contacts import Contacts, find_contacts
from inference.features.block import gaps_filled_nm
from inference.features.pairs import PairFeatures, feature_names, pair_features
from inference.features.spec import FeatureSpec

__all__ = ["PairPlace", "site_pair_features"]

SHARED_NM = 2000.0
"""Pairs in a cube of this size share one cutout."""


@dataclass(frozen=True)
class PairPlace:
    """A pair of segments and where they are thought to touch.

    Parameters
    ----------
    own, partner : int
        Ids of the two roots.
    point_nm : tuple of float
        A point near the contact, xyz.
    within_nm : float
        The contact's faces within this distance of the point have the middle that is measured
        around; where there are none, the face nearest to the point is.
    """

    own: int
    partner: int
    point_nm: PointNm
    within_nm: float = 0.0


def site_pair_features(
    datastack: Datastack, places: Sequence[PairPlace], spec: FeatureSpec
) -> PairFeatures:
    """Measure pairs in a datastack.

    Returns
    -------
    PairFeatures
        Rows in the order of ``places``; `pairs` holds the ids given. Two segments that do not
        touch are measured around the point itself.

    Raises
    ------
    VolumeError
        If the datastack has no microscopy.
    OutsideVolumeError
        If a point lies outside the volume.
    ProofdeskError
        If voxels cannot be read.
    """
    names = feature_names(spec)
    values = np.full((len(places), len(names)), np.nan, np.float32)
    for rows in _together(places):
        values[rows] = _measured(datastack, [places[row] for row in rows], spec)
    pairs = np.array([(p.own, p.partner) for p in places], np.uint64).reshape(-1, 2)
    return PairFeatures(names, values, pairs.astype(np.int64))


def _together(places: Sequence[PairPlace]) -> list[list[int]]:
    cubes: dict[tuple[int, ...], list[int]] = {}
    for row, place in enumerate(places):
        cube = tuple(int(v // SHARED_NM) for v in place.point_nm)
        cubes.setdefault(cube, []).append(row)
    return list(cubes.values())


def _measured(
    datastack: Datastack, places: Sequence[PairPlace], spec: FeatureSpec
) -> NDArray[np.float32]:
    if datastack.imagery is None:
        raise VolumeError(
            f"The datastack {datastack.name} has no microscopy.",
            "This model needs it; use another one, or answer without a verdict.",
        )
    roots = datastack.segmentation.read_roots(_box(places, spec))
    numbers, labels = numbered(np.asarray(roots.data, np.uint64))
    known = {int(number): row for row, number in enumerate(numbers)}
    wanted = np.array([[known.get(p.own, -1), known.get(p.partner, -1)] for p in places])
    size = np.asarray(roots.scale.voxel_nm[::-1])
    filled = gaps_filled_nm(labels, size, spec.gap_nm)
    contacts = _contacts_at(find_contacts(filled), wanted, places, roots)
    em = _grey_on(datastack, roots)
    voxel_nm = roots.scale.voxel_nm
    return pair_features(em, filled, contacts, voxel_nm, spec, filled=True).values


def _box(places: Sequence[PairPlace], spec: FeatureSpec) -> BoxNm:
    points = np.array([place.point_nm for place in places])
    low, high = (tuple(float(v) for v in edge) for edge in (points.min(axis=0), points.max(axis=0)))
    # The middle may lie as far from the point as faces are looked for, and half as far again
    # is where the nearest face is found when none lies there.
    apart = max(place.within_nm for place in places)
    return BoxNm(_point(low), _point(high)).grown(spec.reach_nm + apart)


def _point(values: Iterable[float]) -> PointNm:
    x, y, z = values
    return (x, y, z)


def _contacts_at(
    found: Contacts,
    wanted: NDArray[np.int64],
    places: Sequence[PairPlace],
    roots: Cutout,
) -> Contacts:
    """Return the wanted pairs' contacts, each around its own middle, in the places' order."""
    rows = {(int(a), int(b)): row for row, (a, b) in enumerate(found.pairs)}
    size = np.asarray(roots.scale.voxel_nm[::-1])
    faces: list[NDArray[np.int16]] = []
    centers: list[NDArray[np.int64]] = []
    for (own, partner), place in zip(wanted, places, strict=True):
        row = rows.get((min(own, partner), max(own, partner)))
        point = _voxels(place.point_nm, roots)
        if row is None:
            seen = np.floor(point).astype(np.int16)[None]
        else:
            seen = found.faces[found.first[row] : found.first[row + 1]]
        faces.append(seen)
        centers.append(_middle(seen, point, place.within_nm, size))
    area = np.array([len(f) for f in faces], np.int64)
    first = np.concatenate([[0], np.cumsum(area)]).astype(np.int64)
    pairs = np.sort(wanted, axis=1).astype(np.int64)
    return Contacts(pairs, area, np.stack(centers), first, np.concatenate(faces))


def _voxels(point_nm: PointNm, roots: Cutout) -> NDArray[np.float64]:
    """Return a position in voxels of the cutout, zyx."""
    index = roots.scale.voxel_at(point_nm)
    exact = np.array(point_nm[::-1]) / roots.scale.voxel_nm[::-1]
    first = np.array(roots.first_voxel[::-1])
    return np.asarray(np.clip(exact, index[::-1], np.array(index[::-1]) + 0.999) - first)


def _middle(
    faces: NDArray[np.int16],
    point: NDArray[np.float64],
    within_nm: float,
    voxel_nm: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return the face voxel nearest to the centroid of the faces near a point."""
    away = (((faces + 0.5 - point) * voxel_nm) ** 2).sum(axis=1)
    near = faces[away <= within_nm**2]
    if not len(near):
        return np.asarray(faces[away.argmin()], np.int64)
    centroid = near.mean(axis=0)
    off = (((near - centroid) * voxel_nm) ** 2).sum(axis=1)
    return np.asarray(near[off.argmin()], np.int64)


def _grey_on(datastack: Datastack, roots: Cutout) -> NDArray[np.uint8]:
    """Return the microscopy on the voxels of a cutout of the segmentation."""
    assert datastack.imagery is not None
    wanted = np.asarray(roots.scale.voxel_nm)
    fits = [i for i, s in enumerate(datastack.imagery.scales) if (s.voxel_nm <= wanted + 0.1).all()]
    # The coarsest that is no coarser than the segmentation.
    grey = datastack.imagery.read(roots.bounds_nm, max(fits, default=0))
    index = []
    for axis, count in enumerate(roots.data.shape):
        step = roots.scale.voxel_nm[2 - axis]
        place = roots.origin_nm[2 - axis] + (np.arange(count) + 0.5) * step
        voxel = np.floor((place - grey.origin_nm[2 - axis]) / grey.scale.voxel_nm[2 - axis])
        index.append(np.clip(voxel.astype(np.int64), 0, grey.data.shape[axis] - 1))
    return np.asarray(grey.data[np.ix_(*index)], np.uint8)
