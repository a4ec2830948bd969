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


def replaced_roots(graph: Graph, command: CheckRoots) -> Iterator[RootsReplaced]:
    """Yield the roots that are no longer current, batch by batch."""
    remaining = iter(command.roots)
    while batch := list(islice(remaining, BATCH)):
        roots = np.array(batch, np.uint64)
        stale = roots[~graph.is_latest(roots)]
        yield RootsReplaced(tuple(int(root) for root in stale))


def found_roots(graph: Graph, catalogue: Catalogue, command: FindRoots) -> Iterator[RootsFound]:
    """Yield the present roots of what sites name, batch by batch."""
    remaining = iter(command.site_ids)
    while batch := list(islice(remaining, BATCH)):
        sites = [site for site in map(catalogue.site, batch) if site is not None]
        named = sorted({s for site in sites for s in supervoxels_of(site)})
        roots = graph.roots(np.array(named, np.uint64))
        now = dict(zip(named, (int(root) for root in roots), strict=True))
        yield RootsFound(tuple(site.id for site in sites), now)
