"""Skeletons of a dataset on a CAVE server."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.cave.client import CaveConnection
from connectome.cave.graph import CaveGraph
from connectome.cave.level2 import level2_attributes
from connectome.datastack import Skeleton
from connectome.errors import AuthError, OfflineError, ServiceError

__all__ = ["CaveSkeletons"]

_LOG = logging.getLogger(__name__)
_VERSION = 4
"""Of the skeleton service's format: vertices, edges, radius, compartment."""


class CaveSkeletons:
    """Skeletons from the skeleton service, else a coarse one from the level-2 graph.

    The coarse one has a vertex per level-2 node at its representative point, known to the
    level-2 cache; nodes that are too new or too small for the cache are left out.
    """

    def __init__(self, connection: CaveConnection, graph: CaveGraph) -> None:
        self._connection = connection
        self._graph = graph
        self._has_service = True

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        """Yield the skeletons of these roots as they arrive.

        Raises
        ------
        ServiceError
            If no roots are named (a server cannot list all), or it does not answer.
        """
        if roots is None:
            raise ServiceError(
                "A CAVE server cannot list all its segments.", "Name the segments you want."
            )
        for root in roots:
            skeleton = self._from_service(int(root)) or self._from_level2(int(root))
            if len(skeleton.vertices_nm):
                yield skeleton

    def _from_service(self, root: int) -> Skeleton | None:
        """Return the service's skeleton, None where it has none or there is no service."""
        if not self._has_service:
            return None
        url = (
            f"{self._connection.local_server}/skeletoncache/api/v1/{self._connection.name}"
            f"/async/get_skeleton/{_VERSION}/{root}/flatdict"
        )
        try:
            with self._connection.reading(f"the skeleton of {root}"):
                answer = self._graph.session.get(url)
                if answer.status_code == 404:
                    self._has_service = False
                    return None
                answer.raise_for_status()
                return _skeleton(root, _unpacked(answer.content))
        except (AuthError, OfflineError):
            raise
        except ServiceError as error:
            _LOG.info("no skeleton of %d from the service: %s", root, error.message)
            return None

    def _from_level2(self, root: int) -> Skeleton:
        edges = self._graph.level2_graph(root)
        # An object inside one chunk has no edges, only its one node.
        nodes = np.unique(edges) if edges.size else np.zeros(0, np.uint64)
        places = self._places(nodes)
        known = np.array([node in places for node in nodes.tolist()], np.bool_)
        nodes = nodes[known]
        kept = edges[np.isin(edges, nodes).all(axis=1)] if edges.size else edges
        vertices = np.array([places[n][:3] for n in nodes.tolist()], np.float32).reshape(-1, 3)
        radii = np.array([places[n][3] for n in nodes.tolist()], np.float32)
        numbered = np.searchsorted(nodes, kept).astype(np.uint32).reshape(-1, 2)
        return Skeleton(root, vertices, numbered, radii)

    def _places(self, nodes: NDArray[np.uint64]) -> dict[int, tuple[float, float, float, float]]:
        """Return position and radius in nm of each level-2 node that the cache knows."""
        names = ("rep_coord_nm", "max_dt_nm")
        places: dict[int, tuple[float, float, float, float]] = {}
        for node, found in level2_attributes(self._connection, nodes, names).items():
            if "rep_coord_nm" in found:
                x, y, z = (float(value) for value in found["rep_coord_nm"])
                places[node] = (x, y, z, float(found.get("max_dt_nm") or 0.0))
        return places


def _unpacked(content: bytes) -> dict[str, Any]:
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    record: dict[str, Any] = json.loads(text)
    return record


def _skeleton(root: int, record: dict[str, Any]) -> Skeleton:
    vertices = np.array(record["vertices"], np.float32).reshape(-1, 3)
    radii = np.array(record.get("radius", np.zeros(len(vertices))), np.float32)
    return Skeleton(root, vertices, np.array(record["edges"], np.uint32).reshape(-1, 2), radii)
