"""Which two segments each site asks about, in roots as they are now.

Sites keep the roots of the time when they were found. Supervoxels outlive edits, so the roots
of today are looked up by them, in a worker, for the sites that an edit has touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from proofreading.columns import Columns
from proofreading.row_index import ABSENT, RowIndex
from proofreading.site_columns import SiteColumns
from proofreading.sites import Site

__all__ = ["SitePairs", "supervoxels_of"]

Roots = NDArray[np.uint64]
Rows = NDArray[np.int32]

_SITES = {
    "supervoxel": np.uint64,
    "root": np.uint64,
    "first": np.int64,
    "partners": np.uint8,
    "chosen": np.uint8,
}
_PARTNERS = {"own_supervoxel": np.uint64, "supervoxel": np.uint64, "root": np.uint64}


def supervoxels_of(site: Site) -> set[int]:
    """Return the supervoxels by which a site's questions are known."""
    pairs = {s for p in site.partners for s in (p.own_supervoxel, p.supervoxel)}
    return pairs or {site.supervoxel}


class SitePairs:
    """The pair of each site: its proposed partner's, or the one that was answered."""

    def __init__(self) -> None:
        self._index = RowIndex()
        self._sites = Columns(_SITES)
        self._partners = Columns(_PARTNERS)
        # The present roots of supervoxels, where they are known to be others.
        self._now = RowIndex()
        self._roots = Columns({"root": np.uint64})

    def adopt(self, filled: SitePairs) -> None:
        """Take over the sites of others that are not used any more, present roots excepted."""
        self._index, self._sites, self._partners = filled._index, filled._sites, filled._partners

    def add_columns(self, columns: SiteColumns) -> Rows:
        """Know sites, all different; their first partners are proposed until told otherwise.

        Returns
        -------
        ndarray of int32
            Their rows here.
        """
        known = self._index.rows(columns.sites["number"])
        fresh = np.flatnonzero(known == ABSENT)
        if fresh.size < len(columns):
            columns = columns.take(fresh)
        sites, partners = columns.sites, columns.partners
        first = len(self._partners) + columns.first_partner
        self._partners.extend(partners.size, {name: partners[name] for name in _PARTNERS})
        values = {name: sites[name] for name in ("supervoxel", "root", "partners")}
        rows = self._sites.extend(len(columns), values | {"first": first})
        self._index.add(sites["number"], rows)
        known[fresh] = rows
        return known

    def choose(self, site_id: str, partner_supervoxel: int | None) -> None:
        """Say which partner a site's question is about."""
        rows = self.rows(np.array([int(site_id, 16)], np.uint64))
        self.choose_all(rows, np.array([partner_supervoxel or 0], np.uint64))

    def rows(self, numbers: NDArray[np.uint64]) -> Rows:
        """Return the rows of sites; `ABSENT` for unknown ones."""
        return self._index.rows(numbers)

    def choose_all(self, rows: Rows, supervoxels: NDArray[np.uint64]) -> None:
        """Say which partners sites ask about; what is none of a site's partners is passed over."""
        rows, wanted = rows[rows != ABSENT], supervoxels[rows != ABSENT]
        counts, first = self._sites["partners"][rows], self._sites["first"][rows]
        for place in range(int(counts.max(initial=0))):
            has = np.flatnonzero(counts > place)
            same = self._partners["supervoxel"][first[has] + place] == wanted[has]
            self._sites["chosen"][rows[has[same]]] = place

    def supervoxel(self, site_id: str) -> int | None:
        """Return the supervoxel of the partner that a site asks about."""
        row = self._index.row(int(site_id, 16))
        if row == ABSENT or not self._sites["partners"][row]:
            return None
        place = self._sites["first"][row] + self._sites["chosen"][row]
        return int(self._partners["supervoxel"][place])

    def pair(self, site_id: str) -> tuple[int, int | None]:
        """Return the roots of a known site and of its partner, None without one."""
        roots, partners = self.pairs(self.rows(np.array([int(site_id, 16)], np.uint64)))
        return int(roots[0]), int(partners[0]) or None

    def pairs(self, rows: Rows) -> tuple[Roots, Roots]:
        """Return the roots of known sites and of their partners, 0 without one."""
        sites = {name: self._sites[name][rows] for name in _SITES}
        asks = sites["partners"] > 0
        places = (sites["first"] + sites["chosen"])[asks]
        own, other = sites["supervoxel"], np.zeros(rows.size, np.uint64)
        own[asks] = self._partners["own_supervoxel"][places]
        other[asks] = self._partners["supervoxel"][places]
        partners = np.zeros(rows.size, np.uint64)
        partners[asks] = self._partners["root"][places]
        return self._present(own, sites["root"]), self._present(other, partners)

    def take(self, roots: Mapping[int, int]) -> None:
        """Note the present roots of supervoxels."""
        supervoxels = np.fromiter(roots.keys(), np.uint64, len(roots))
        present = np.fromiter(roots.values(), np.uint64, len(roots))
        rows = self._now.rows(supervoxels)
        new = rows == ABSENT
        self._roots["root"][rows[~new]] = present[~new]
        self._now.add(supervoxels[new], self._roots.extend(int(new.sum()), {"root": present[new]}))

    def known(self, site_ids: Iterable[str]) -> list[str]:
        """Return those of the sites that were added."""
        return [each for each in site_ids if self._index.row(int(each, 16)) != ABSENT]

    def _present(self, supervoxels: Roots, roots: Roots) -> Roots:
        """Return the roots of supervoxels as they are now, where that is known."""
        if not len(self._now):
            return roots
        rows = self._now.rows(supervoxels)
        known = rows != ABSENT
        present = roots.copy()
        present[known] = self._roots["root"][rows[known]]
        return present
