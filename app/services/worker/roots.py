"""What has become of the segments that sites name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from app.services.site_pairs import supervoxels_of
from app.services.worker.messages import CheckRoots, FindRoots, RootsFound, RootsReplaced
from connectome.graph import Graph
from proofreading.catalogue import Catalogue

__all__ = ["found_roots", "replaced_roots"]

BATCH = 500
"""Sites, or roots, in one request to the graph."""
TOLD = 20_000
"""So many roots that were replaced are told at once."""


def replaced_roots(graph: Graph, command: CheckRoots) -> Iterator[RootsReplaced | None]:
    """Yield the roots that are no longer current, many at once; None after other batches.

    Whoever hears of them looks through all sites.
    """
    stale: list[int] = []
    for first in range(0, len(command.roots), BATCH):
        roots = np.array(command.roots[first : first + BATCH], np.uint64)
        stale += roots[~graph.is_latest(roots)].tolist()
        is_last = first + BATCH >= len(command.roots)
        if stale and (is_last or len(stale) >= TOLD):
            yield RootsReplaced(tuple(stale))
            stale = []
        else:
            yield None


def found_roots(graph: Graph, catalogue: Catalogue, command: FindRoots) -> Iterator[RootsFound]:
    """Yield the present roots of what sites name, batch by batch."""
    remaining = iter(command.site_ids)
    while batch := list(islice(remaining, BATCH)):
        sites = [site for site in map(catalogue.site, batch) if site is not None]
        named = sorted({s for site in sites for s in supervoxels_of(site)})
        roots = graph.roots(np.array(named, np.uint64))
        now = dict(zip(named, (int(root) for root in roots), strict=True))
        yield RootsFound(tuple(site.id for site in sites), now)
