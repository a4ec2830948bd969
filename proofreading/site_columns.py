"""Sites and their scores as columns: what a queue and a map need of a million of them.

The catalogue keeps these beside each site's full text, so that opening a session copies
bytes instead of building objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from proofreading.sites import Partner, Site, SiteKind

__all__ = ["KINDS", "KIND_CODES", "SCORE", "SiteColumns", "no_scores", "number_of"]

KINDS: tuple[SiteKind, ...] = (
    SiteKind.ENDPOINT,
    SiteKind.CONTACT,
    SiteKind.JUNCTION,
    SiteKind.BOTTLENECK,
)
"""Their places are written to files: new kinds come at the end."""
KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}

_SITE = np.dtype(
    [
        ("number", "<u8"),
        ("root", "<u8"),
        ("supervoxel", "<u8"),
        ("point", "<f4", 3),
        ("value", "<f4"),
        ("kind", "u1"),
        ("face", "u1"),
        ("partners", "u1"),
        ("spare", "u1"),
    ]
)
_PARTNER = np.dtype([("own_supervoxel", "<u8"), ("supervoxel", "<u8"), ("root", "<u8")])

SCORE = np.dtype(
    [
        ("number", "<u8"),
        ("change", "<u8"),
        ("partner", "<u8"),
        ("verdict", "<u8"),
        ("probability", "<f8"),
        ("distance", "<f4"),
        ("spread", "<f4"),
        ("model", "<u4"),
        ("kind", "u1"),
        ("partners", "u1"),
        ("failed", "u1"),
        ("spare", "u1"),
    ]
)
"""What stands for a site: its id as a number, when that changed, and the newest verdict.

`partner` is a supervoxel (0: none); `probability`, `distance` and `spread` are NaN where there is
none; `verdict` and `model` are numbers that the catalogue gives them (0: none); `kind` and
`partners` are the site's.
"""


def number_of(site_id: str) -> int | None:
    """Return a site's id as a number, None if it is the id of no site at all."""
    try:
        number = int(site_id, 16)
    except ValueError:
        return None
    return number if 0 <= number < 2**64 else None


def no_scores() -> NDArray[np.void]:
    """Return scores without rows."""
    return np.empty(0, SCORE)


@dataclass(frozen=True)
class SiteColumns:
    """A run of sites.

    Parameters
    ----------
    sites : ndarray, shape (n,)
        `number` (the id), `root`, `supervoxel`, `point` (xyz in nm), `value`
        (`Site.value_nm2`), `kind` (place in
        `KINDS`), `face` (whether it lies at a face of the volume), `partners` (how many).
    partners : ndarray, shape (m,)
        `own_supervoxel`, `supervoxel` and `root` of each site's partners, one site's after
        the other's.
    """

    sites: NDArray[np.void]
    partners: NDArray[np.void]

    def __len__(self) -> int:
        return self.sites.size

    @property
    def first_partner(self) -> NDArray[np.int64]:
        """Where each site's partners begin."""
        counts = self.sites["partners"].astype(np.int64)
        begins: NDArray[np.int64] = np.cumsum(counts) - counts
        return begins

    @classmethod
    def of(cls, sites: Sequence[Site]) -> Self:
        """Return the columns of sites."""
        rows = np.array([_site_row(site) for site in sites], _SITE)
        partners = [_partner_row(p) for site in sites for p in site.partners]
        return cls(rows, np.array(partners, _PARTNER))

    def pack(self) -> bytes:
        """Return the columns as bytes."""
        return self.sites.tobytes() + self.partners.tobytes()

    @classmethod
    def unpack(cls, packed: bytes, count: int) -> Self:
        """Return the columns of so many sites from bytes."""
        rest = (len(packed) - count * _SITE.itemsize) // _PARTNER.itemsize
        return cls(
            np.frombuffer(packed, _SITE, count),
            np.frombuffer(packed, _PARTNER, rest, count * _SITE.itemsize),
        )

    @classmethod
    def join(cls, parts: Sequence[SiteColumns]) -> Self:
        """Return several runs as one."""
        return cls(
            np.concatenate([np.empty(0, _SITE), *(part.sites for part in parts)]),
            np.concatenate([np.empty(0, _PARTNER), *(part.partners for part in parts)]),
        )

    def take(self, rows: NDArray[np.intp]) -> SiteColumns:
        """Return some of the sites, with their partners."""
        sites = self.sites[rows]
        counts = sites["partners"].astype(np.int64)
        ends = np.cumsum(counts)
        within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
        return SiteColumns(
            sites, self.partners[np.repeat(self.first_partner[rows], counts) + within]
        )


def _site_row(site: Site) -> tuple[object, ...]:
    kind, face = KIND_CODES[site.kind], site.at_volume_face
    return (
        site.number,
        site.root,
        site.supervoxel,
        site.point_nm,
        site.value_nm2,
        kind,
        face,
        len(site.partners),
        0,
    )


def _partner_row(partner: Partner) -> tuple[int, int, int]:
    return partner.own_supervoxel, partner.supervoxel, partner.root
