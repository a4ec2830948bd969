"""Three slabs of tissue that touch one after the other, and their two contacts as sites."""

from __future__ import annotations

import numpy as np

from proofreading.sites import Partner, Site, SiteKind, make_site_id
from tests.arrays import ArrayDatastack

__all__ = ["slab_sites", "slabs"]

SEGMENTS = (11, 12, 13)


def slabs(*, em: bool = True) -> ArrayDatastack:
    grey = np.random.default_rng(1).integers(0, 255, (64, 64, 64), np.uint8)
    ids = np.zeros((64, 64, 64), np.uint64)
    for place, segment in enumerate(SEGMENTS):
        ids[16:48, 16:48, 8 + 16 * place : 24 + 16 * place] = segment
    return ArrayDatastack(grey if em else None, None, ids, (10, 10, 10))


def slab_sites() -> list[Site]:
    return [_contact(11, 12, 240.0), _contact(12, 13, 400.0)]


def _contact(a: int, b: int, x: float) -> Site:
    own, other = (x - 10.0, 320.0, 320.0), (x + 10.0, 320.0, 320.0)
    return Site(
        id=make_site_id("arrays", SiteKind.CONTACT, [a, b], own, "t/1"),
        kind=SiteKind.CONTACT,
        datastack="arrays",
        root=a,
        supervoxel=a,
        point_nm=own,
        radius_nm=1.0,
        detector="t/1",
        partners=(Partner(b, b, a, own, other, 0.0, 1000.0, 0.0),),
    )
