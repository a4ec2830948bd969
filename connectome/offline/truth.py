"""Which true body a segment is made of, for counting right and wrong merges."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from connectome.graph import Ids
from connectome.offline.datastack import OfflineDatastack

__all__ = ["MainBodies"]


class MainBodies:
    """The true body that fills most of each segment as it was ingested.

    Parameters
    ----------
    datastack : OfflineDatastack
        With a ground truth.
    ignore : iterable of int
        Bodies that count as unknown, besides 0.
    """

    def __init__(self, datastack: OfflineDatastack, ignore: Iterable[int] = ()) -> None:
        truth = datastack.groundtruth
        assert truth is not None, "ask `has_groundtruth` first"
        box = datastack.segmentation.scales[0].bounds_nm
        supervoxels = datastack.segmentation.read_supervoxels(box).data.ravel()
        bodies = truth.read_roots(box).data.ravel()
        self._datastack = datastack
        self._bodies = self._dominant(supervoxels, bodies, frozenset(ignore))

    def same(self, a: int, b: int) -> bool | None:
        """Tell whether two supervoxels' segments belong to one body; None if unknown."""
        one, two = (self._bodies.get(int(root), 0) for root in self._first_roots([a, b]))
        return None if 0 in (one, two) else one == two

    def _first_roots(self, supervoxels: Iterable[int]) -> Ids:
        """Return the roots as ingested, before any edit."""
        return self._datastack.roots_as_ingested(np.array(list(supervoxels), np.uint64))

    def _dominant(self, supervoxels: Ids, bodies: Ids, ignore: frozenset[int]) -> dict[int, int]:
        unique, inverse = np.unique(supervoxels, return_inverse=True)
        roots = self._first_roots(unique.tolist())[inverse]
        known = (roots != 0) & (bodies != 0)
        pairs, counts = np.unique(
            np.stack([roots[known], bodies[known]]), axis=1, return_counts=True
        )
        best: dict[int, tuple[int, int]] = {}
        for (root, body), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            if count > best.get(root, (0, 0))[0]:
                best[root] = (count, body)
        return {root: 0 if body in ignore else body for root, (_, body) in best.items()}
