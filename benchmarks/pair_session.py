"""A session of touching pairs of real data, to look at: ``python -m benchmarks.pair_session S``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.pairs import PINKY40, Pair, touching_pairs
from connectome.precomputed.datastack import PrecomputedDatastack
from proofreading.session import Session
from proofreading.sites import Partner, Site, SiteKind, make_site_id

__all__ = ["write_pair_session"]

_NAME = "touching_pairs/1"


def write_pair_session(folder: Path, data: Path = PINKY40, count: int = 40) -> None:
    """Write a session with a contact site for each pair, in the order of the pairs."""
    stack = PrecomputedDatastack(str(data))
    with Session.open(
        folder, datastack_name=stack.name, datastack_address=stack.address, role="worker"
    ) as session:
        session.catalogue.add_sites(_site(stack.name, pair) for pair in touching_pairs(count, data))


def _site(name: str, pair: Pair) -> Site:
    where = pair.center_nm
    partner = Partner(
        root=pair.b,
        supervoxel=pair.b,
        own_supervoxel=pair.a,
        own_point_nm=where,
        point_nm=where,
        distance_nm=0.0,
        contact_area_nm2=0.0,
        direction_agreement=0.0,
    )
    return Site(
        id=make_site_id(name, SiteKind.CONTACT, [pair.a, pair.b], where, _NAME),
        kind=SiteKind.CONTACT,
        datastack=name,
        root=pair.a,
        supervoxel=pair.a,
        point_nm=where,
        radius_nm=0.0,
        detector=_NAME,
        partners=(partner,),
    )


if __name__ == "__main__":
    write_pair_session(Path(sys.argv[1]))
