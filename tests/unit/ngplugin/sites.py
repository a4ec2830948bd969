"""Sites for tests."""

from __future__ import annotations

from connectome.space import PointNm
from proofreading.sites import Partner, Site, SiteKind


def site(number: int, point: PointNm, kind: SiteKind = SiteKind.ENDPOINT, root: int = 1) -> Site:
    """Return a site with one partner 100 nm further along x."""
    there = (point[0] + 100.0, point[1], point[2])
    partner = Partner(root + 1, 11, 12, point, there, 0.0, 1.0, 1.0)
    return Site(
        id=f"{number:016x}",
        kind=kind,
        datastack="test",
        root=root,
        supervoxel=11,
        point_nm=point,
        radius_nm=50.0,
        detector="test-1",
        partners=(partner,),
    )
