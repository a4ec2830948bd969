"""Sites: the places where a segmentation may be wrong."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from connectome.graph import SplitRequest
from connectome.space import PointNm

__all__ = ["Partner", "Site", "SiteKind", "make_site_id"]


class SiteKind(StrEnum):
    """What made the place suspicious."""

    ENDPOINT = "endpoint"
    """A skeleton tip: a possible split error, with ranked partner segments."""
    CONTACT = "contact"
    """A touching pair: the same question asked of a surface."""
    JUNCTION = "junction"
    """A skeleton branch point: a possible merge error."""
    BOTTLENECK = "bottleneck"
    """A weak cut of the graph: a possible merge error."""


@dataclass(frozen=True)
class Partner:
    """A segment that may continue the one that ends at a site.

    Parameters
    ----------
    root, supervoxel : int
        The partner when the site was found; the supervoxel outlives edits.
    own_supervoxel : int
        The supervoxel of the site's own segment nearest to the partner.
    own_point_nm, point_nm : tuple of float
        Positions inside ``own_supervoxel`` and ``supervoxel``, xyz in nm.
    distance_nm : float
        Gap between the two segments near the tip; 0 when they touch.
    contact_area_nm2 : float
        Area of the touching surface near the tip.
    direction_agreement : float
        Cosine between the tip's direction and the way to the partner, -1 to 1.
    """

    root: int
    supervoxel: int
    own_supervoxel: int
    own_point_nm: PointNm
    point_nm: PointNm
    distance_nm: float
    contact_area_nm2: float
    direction_agreement: float


@dataclass(frozen=True)
class Site:
    """A place where the segmentation may be wrong.

    Parameters
    ----------
    id : str
        16 hexadecimal digits from `make_site_id`.
    root, supervoxel : int
        The segment when the site was found; the supervoxel outlives edits.
    point_nm : tuple of float
        Where it is, xyz in nm.
    direction : tuple of float or None
        Unit vector that points outwards along the neurite, if there is one.
    radius_nm : float
        Radius of the neurite there.
    partners : tuple of Partner
        Best first, at most four; empty for junctions.
    proposed_cut : SplitRequest or None
        For a bottleneck, the cut that would take it apart: one source, one sink.
    at_volume_face : bool
        Whether the neurite merely leaves the volume here.
    detector : str
        Name and version of what found it.
    """

    id: str
    kind: SiteKind
    datastack: str
    root: int
    supervoxel: int
    point_nm: PointNm
    radius_nm: float
    detector: str
    direction: PointNm | None = None
    partners: tuple[Partner, ...] = field(default=())
    at_volume_face: bool = False
    proposed_cut: SplitRequest | None = None

    @property
    def value_nm2(self) -> float:
        """How much hangs on it: the surface in question, or the neurite's cross-section."""
        if self.partners:
            return self.partners[0].contact_area_nm2
        return math.pi * self.radius_nm**2

    @property
    def number(self) -> int:
        """The id as an unsigned 64-bit number, as Neuroglancer wants it."""
        return int(self.id, 16)


def make_site_id(
    datastack: str,
    kind: SiteKind,
    supervoxels: Iterable[int],
    point_nm: PointNm,
    detector: str,
    *,
    rounding_nm: float = 50.0,
) -> str:
    """Return the content hash of a site, so that detecting again never duplicates a decision.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    rounded = [round(value / rounding_nm) for value in point_nm]
    content = [datastack, kind.value, sorted(str(s) for s in supervoxels), rounded, detector]
    packed = json.dumps(content, separators=(",", ":")).encode()
    return hashlib.blake2b(packed, digest_size=8).hexdigest()
