"""What can be measured on every segment that a tip touches, to tell whether it goes on there.

Each neighbour is measured as a pair of touching segments is (`inference.features.pairs`),
on that part of the contact that lies at the tip, with where it lies seen from the tip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import Contacts, find_contacts
from inference.features.block import prepared
from inference.features.pairs import feature_names, measured
from inference.features.site_parts import unit
from inference.features.spec import FeatureSpec

__all__ = ["PARTNER_COLUMNS", "PartnerRows", "Tip", "partner_names", "partner_rows"]

Floats = NDArray[np.float64]

NEAR_NM = 100.0
"""A contact this near to the surface of a tip is the tip's."""
DIRECTION_NM = 300.0
_FEWEST_FACES = 8

PARTNER_COLUMNS = (
    "shape.tip.radius",
    "shape.tip.elongation",
    "shape.tip.own_share",
    "shape.tip.room",
    "contact.tip.neighbours",
    "contact.tip.area",
    "contact.tip.share",
    "contact.tip.rank",
    "contact.tip.ahead",
    "contact.tip.distance",
    "contact.tip.partner_along",
    "contact.tip.partner_share",
)


@dataclass(frozen=True)
class Tip:
    """A tip in a block: its segment, the voxel (zyx) it lies at and its radius in nm."""

    label: int
    voxel: tuple[int, int, int]
    radius_nm: float
    room_nm: float


@dataclass(frozen=True, eq=False)
class PartnerRows:
    """Rows about neighbours of tips.

    Parameters
    ----------
    values : ndarray of float32, shape (n, d)
        In the order of `partner_names`.
    tip : ndarray, shape (n,)
        Which tip each row belongs to.
    partner : ndarray, shape (n,)
        The neighbour's label.
    """

    values: NDArray[np.float32]
    tip: NDArray[np.int64]
    partner: NDArray[np.int64]


def partner_names(spec: FeatureSpec) -> tuple[str, ...]:
    """Return the names of the columns."""
    return (*PARTNER_COLUMNS, *feature_names(spec))


def partner_rows(
    em: NDArray[np.uint8],
    labels: NDArray[Any],
    tips: Sequence[Tip],
    voxel_nm: tuple[float, float, float],
    spec: FeatureSpec,
) -> PartnerRows:
    """Measure the neighbours of tips that lie in one block of voxels (zyx).

    Returns
    -------
    PartnerRows
        Tips that touch nothing have no row.
    """
    size = np.asarray(voxel_nm[::-1], np.float64)
    centers = np.array([tip.voxel for tip in tips], np.int64).reshape(-1, 3)
    block = prepared(em, labels, centers, voxel_nm, spec)
    inner = tuple(slice(int(p), int(p) + n) for p, n in zip(block.padding, em.shape, strict=True))
    whole = find_contacts(block.labels[inner])
    by_label = _rows_by_label(whole)
    chosen, tip_of, partners, extra = [], [], [], []
    for number, tip in enumerate(tips):
        found = _at_tip(whole, by_label.get(tip.label, []), tip, size)
        if not found:
            continue
        chosen += [faces for _, faces in found]
        partners += [partner for partner, _ in found]
        tip_of += [number] * len(found)
        extra.append(_extra(block.labels[inner], tip, found, size))
    contacts = _contacts(
        [(tips[t].label, p) for t, p in zip(tip_of, partners, strict=True)], chosen
    )
    around = prepared(em, labels, contacts.center, voxel_nm, spec) if len(chosen) else block
    table = measured(around, contacts, spec).values
    width = len(PARTNER_COLUMNS)
    lead = np.concatenate(extra) if extra else np.zeros((0, width), np.float32)
    return PartnerRows(
        np.concatenate([lead, table], axis=1).astype(np.float32),
        np.array(tip_of, np.int64),
        np.array(partners, np.int64),
    )


def _rows_by_label(contacts: Contacts) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row, (a, b) in enumerate(contacts.pairs.tolist()):
        found.setdefault(a, []).append(row)
        found.setdefault(b, []).append(row)
    return found


Found = list[tuple[int, NDArray[np.int16]]]


def _at_tip(contacts: Contacts, rows: list[int], tip: Tip, size: Floats) -> Found:
    """Return the neighbours at a tip with the faces that lie there, largest first."""
    reach = tip.radius_nm + NEAR_NM
    found: Found = []
    for row in rows:
        faces = contacts.faces[contacts.first[row] : contacts.first[row + 1]]
        apart = np.linalg.norm((faces - np.asarray(tip.voxel)) * size, axis=1)
        near = faces[apart <= reach]
        if len(near) >= _FEWEST_FACES:
            a, b = contacts.pairs[row].tolist()
            found.append((b if a == tip.label else a, near))
    return sorted(found, key=lambda item: (-len(item[1]), item[0]))


def _contacts(pairs: list[tuple[int, int]], faces: list[NDArray[np.int16]]) -> Contacts:
    area = np.array([len(part) for part in faces], np.int64)
    return Contacts(
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
        area=area,
        center=np.array([_middle(part) for part in faces], np.int64).reshape(-1, 3),
        first=np.concatenate([[0], np.cumsum(area)]).astype(np.int64),
        faces=np.concatenate(faces) if faces else np.zeros((0, 3), np.int16),
    )


def _middle(faces: NDArray[np.int16]) -> NDArray[np.int16]:
    apart = ((faces - faces.mean(axis=0)) ** 2).sum(axis=1)
    return np.asarray(faces[int(apart.argmin())])


def _extra(labels: NDArray[Any], tip: Tip, found: Found, size: Floats) -> NDArray[np.float32]:
    """Return what is known of the tip and of where each neighbour lies from it."""
    window, corner = _window(labels, tip, size)
    grid = np.indices(window.shape).reshape(3, -1).T
    offsets = (grid + corner - np.asarray(tip.voxel)) * size
    flat, ball = window.ravel(), np.linalg.norm(offsets, axis=1) <= DIRECTION_NM
    own = offsets[(flat == tip.label) & ball]
    direction = unit(-own.mean(axis=0)) if len(own) else np.zeros(3)
    spread = np.linalg.svd(own - own.mean(axis=0), compute_uv=False) if len(own) > 3 else np.ones(3)
    total = sum(len(faces) for _, faces in found)
    about = [tip.radius_nm, spread[0] / max(spread[1], 1e-6), len(own) / max(1, int(ball.sum())),
             min(tip.room_nm, 1000.0), len(found)]  # fmt: skip
    rows = []
    for rank, (partner, faces) in enumerate(found):
        way = ((faces - np.asarray(tip.voxel)) * size).mean(axis=0)
        theirs = offsets[(flat == partner) & ball]
        along = unit(theirs.mean(axis=0)) @ direction if len(theirs) else np.nan
        rows.append([
            *about, len(faces) * float(size.prod() / size.mean()), len(faces) / total, rank,
            unit(way) @ direction, np.linalg.norm(way), along, len(theirs) / max(1, len(own)),
        ])  # fmt: skip
    return np.array(rows, np.float32)


def _window(labels: NDArray[Any], tip: Tip, size: Floats) -> tuple[NDArray[Any], NDArray[np.int64]]:
    reach = np.ceil(DIRECTION_NM / size).astype(np.int64)
    low = np.maximum(np.asarray(tip.voxel) - reach, 0)
    high = np.asarray(tip.voxel) + reach + 1
    return labels[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], low
