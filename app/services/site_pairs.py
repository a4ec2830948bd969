"""Which two segments each site asks about, in roots as they are now.

Sites keep the roots of the time when they were found. Supervoxels outlive edits, so the roots
of today are looked up by them, in a worker, for the sites that an edit has touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from proofreading.sites import Partner, Site

__all__ = ["SitePairs", "supervoxels_of"]


class _End(NamedTuple):
    """A supervoxel of a pair, and its root when the site was found."""

    supervoxel: int
    root: int


class _Ends(NamedTuple):
    own: _End
    other: _End


def supervoxels_of(site: Site) -> set[int]:
    """Return the supervoxels by which a site's questions are known."""
    pairs = {s for p in site.partners for s in (p.own_supervoxel, p.supervoxel)}
    return pairs or {site.supervoxel}


class SitePairs:
    """The pair of each site: its proposed partner's, or the one that was answered."""

    def __init__(self) -> None:
        self._ends: dict[str, dict[int, _Ends]] = {}
        self._own: dict[str, _End] = {}
        self._chosen: dict[str, int] = {}
        self._now: dict[int, int] = {}

    def add(self, site: Site) -> None:
        """Know a site; its first partner is the proposed one until told otherwise."""
        self._own[site.id] = _End(site.supervoxel, site.root)
        self._ends[site.id] = {p.supervoxel: _ends(site, p) for p in site.partners}

    def choose(self, site_id: str, partner_supervoxel: int | None) -> None:
        """Say which partner a site's question is about."""
        if partner_supervoxel is not None and partner_supervoxel in self._ends.get(site_id, ()):
            self._chosen[site_id] = partner_supervoxel

    def supervoxel(self, site_id: str) -> int | None:
        """Return the supervoxel of the partner that a site asks about."""
        first = next(iter(self._ends.get(site_id, ())), None)
        return self._chosen.get(site_id, first)

    def pair(self, site_id: str) -> tuple[int, int | None]:
        """Return the roots of a known site and of its partner, None without one."""
        partner = self.supervoxel(site_id)
        if partner is None:
            return self._root(self._own[site_id]), None
        ends = self._ends[site_id][partner]
        return self._root(ends.own), self._root(ends.other)

    def take(self, roots: Mapping[int, int]) -> None:
        """Note the present roots of supervoxels."""
        self._now.update(roots)

    def known(self, site_ids: Iterable[str]) -> list[str]:
        """Return those of the sites that were added."""
        return [site_id for site_id in site_ids if site_id in self._own]

    def _root(self, end: _End) -> int:
        return self._now.get(end.supervoxel, end.root)


def _ends(site: Site, partner: Partner) -> _Ends:
    return _Ends(_End(partner.own_supervoxel, site.root), _End(partner.supervoxel, partner.root))
