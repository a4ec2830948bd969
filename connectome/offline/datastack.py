"""An offline datastack: files read directly, edits through the loopback service.

Reading needs no service: voxels come from the files, roots from a read-only engine that
sees the edits of every process. The service is started (or found, where another process
runs it already) when the first edit or the viewer needs it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from connectome.datastack import (
    Imagery,
    Mesh,
    Segmentation,
    Skeletons,
    ViewerSources,
)
from connectome.errors import DatastackError, NotFoundError, OutsideVolumeError
from connectome.graph import Ids, Permission
from connectome.objects import SomaTable
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.layout import DatastackFolder
from connectome.offline.meshing import MeshStore
from connectome.offline.object_facts import OfflineFacts
from connectome.precomputed import (
    MappedSegmentation,
    PrecomputedImagery,
    PrecomputedSegmentation,
    PrecomputedVolume,
    supervoxel_at,
)
from connectome.space import BoxNm, PointNm, Scale

if TYPE_CHECKING:
    from connectome.cave import CaveAnnotations, CaveGraph
    from connectome.offline.service import RunningAddress, RunningService

__all__ = ["OfflineDatastack", "OfflineMeshes"]

_FIND_SECONDS = 10.0


class OfflineDatastack:
    """The datastack in a folder that `connectome.offline.ingest` made.

    Parameters
    ----------
    folder : path or DatastackFolder
        The folder.

    Raises
    ------
    DatastackError
        If the folder is no complete datastack.
    """

    def __init__(self, folder: Path | str | DatastackFolder) -> None:
        opened = folder if isinstance(folder, DatastackFolder) else DatastackFolder.open(folder)
        self.folder = opened
        self._engine = GraphEngine.open(opened, read_only=True)
        self._volume = PrecomputedVolume(opened.supervoxels.resolve().as_uri())
        self._segmentation = MappedSegmentation(
            self._volume, self._engine.roots, self._engine.current_roots
        )
        self._lock = threading.Lock()
        self._service: RunningService | None = None
        self._address: RunningAddress | None = None
        self._graph: CaveGraph | None = None

    @property
    def name(self) -> str:
        """The name given at ingest, ``offline_...``."""
        return self.folder.name

    @property
    def address(self) -> str:
        """The folder."""
        return str(self.folder.path)

    @cached_property
    def imagery(self) -> Imagery | None:
        """The microscopy, or None where there is none."""
        if not self.folder.manifest.has_em:
            return None
        return PrecomputedImagery(PrecomputedVolume(self.folder.em.resolve().as_uri()))

    @property
    def segmentation(self) -> Segmentation:
        """The supervoxels and their roots as of the latest edit of any process."""
        return self._segmentation

    @cached_property
    def groundtruth(self) -> Segmentation | None:
        """The true bodies, for scoring, or None where there are none."""
        if not self.folder.manifest.has_groundtruth:
            return None
        return PrecomputedSegmentation(
            PrecomputedVolume(self.folder.groundtruth.resolve().as_uri())
        )

    def roots_as_ingested(self, supervoxels: Ids) -> Ids:
        """Return the roots that held these supervoxels before any edit, shape (n,)."""
        return self._engine.roots(supervoxels, timestamp=self._engine.oldest_timestamp())

    @cached_property
    def meshes(self) -> OfflineMeshes:
        """The surfaces, put together from those of level-2 nodes."""
        return OfflineMeshes(self.folder, self._engine)

    @cached_property
    def skeletons(self) -> Skeletons:
        """Skeletons, made from the voxels."""
        from connectome.skeletonize import KimimaroSkeletons

        return KimimaroSkeletons(self._segmentation)

    @property
    def graph(self) -> CaveGraph:
        """The chunked graph, through caveclient; starts or finds the service.

        Raises
        ------
        DatastackError
            If another process holds the datastack but does not answer.
        """
        address = self.service()
        with self._lock:
            if self._graph is None:
                from connectome.cave import CaveGraph, connect

                self._graph = CaveGraph(connect(address.name, address.url, address.token))
            return self._graph

    @property
    def annotations(self) -> CaveAnnotations:
        """The annotation tables, through caveclient; starts or finds the service."""
        from connectome.cave import CaveAnnotations

        return CaveAnnotations(self.graph.connection)

    @cached_property
    def facts(self) -> OfflineFacts:
        """What the files, and a table of cell bodies if there is one, tell of objects."""
        table = SomaTable(lambda: self.graph.connection.soma_table, lambda: self.annotations)
        return OfflineFacts(self._engine, table)

    def may_edit(self) -> Permission:
        """Ask the service, as a real server is asked."""
        from connectome.cave import edit_permission

        return edit_permission(self.graph.connection)

    def service(self) -> RunningAddress:
        """Return where the service answers; starts it if no process runs it."""
        from connectome.offline.service import find_running

        with self._lock:
            if self._service is None and (
                self._address is None or find_running(self.folder.path) != self._address
            ):
                self._address = self._find_or_start()
                self._graph = None
            if self._address is None:
                raise DatastackError(f"The datastack {self.name} is not being served.")
            return self._address

    def _find_or_start(self) -> RunningAddress:
        from connectome.offline.service import find_running, serve

        end = time.monotonic() + _FIND_SECONDS
        while True:
            found = find_running(self.folder.path)
            if found is not None:
                return found
            try:
                self._service = serve(self.folder)
            except DatastackError:
                # Another process holds the lock: between locking and announcing itself,
                # or hanging. The first passes within moments.
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
            else:
                return self._service.address

    def viewer_sources(self) -> ViewerSources:
        """Return the layer addresses for Neuroglancer; starts the service if needed."""
        prefix = self.service().viewer_prefix
        images = f"precomputed://{prefix}/precomputed/em" if self.folder.manifest.has_em else ""
        return ViewerSources(
            images,
            f"graphene://{prefix}/segmentation/table/{self.name}",
            self.folder.manifest.resolution_nm,
        )

    def supervoxel_at(self, point: PointNm) -> int:
        """Return the supervoxel under the point, 0 for background."""
        return supervoxel_at(self._segmentation, point)

    def close(self) -> None:
        """Stop the service if this object started it, and close the files."""
        with self._lock, contextlib.ExitStack() as closing:
            closing.callback(self._engine.close)
            if "facts" in self.__dict__:  # made only where somebody asked
                closing.callback(self.facts.close)
            if self._service is not None:
                closing.callback(self._service.stop)
            if self._graph is not None:
                closing.callback(self._graph.close)
            self._service = self._address = self._graph = None


class OfflineMeshes:
    """Surfaces of roots and level-2 nodes."""

    def __init__(self, folder: DatastackFolder, engine: GraphEngine) -> None:
        self._store = MeshStore(folder)
        self._engine = engine
        self._scale: Scale = folder.scale
        self._lock = threading.Lock()

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        """Return the surface of a root; with a box, of its chunks that meet the box.

        Raises
        ------
        NotFoundError
            If there is no such root, or nothing of it in the box.
        """
        try:
            inside = None if box is None else self._level2_in(root, box)
            with self._lock:
                fragments = self._store.fragments(self._engine, root)
        except GraphRefusalError as error:
            raise NotFoundError(f"There is no segment {root}.") from error
        parts = [
            self._store.read(l2)
            for l2, name in fragments
            if (inside is None or l2 in inside) and self._store.path_of(name).is_file()
        ]
        if not parts:
            raise NotFoundError(f"The segment {root} has no mesh here.")
        return _joined(parts)

    def _level2_in(self, root: int, box: BoxNm) -> set[int]:
        try:
            first, last = self._scale.clip(box)
        except OutsideVolumeError as error:
            raise NotFoundError(f"The segment {root} has no mesh outside the volume.") from error
        bounds = (first[0], last[0], first[1], last[1], first[2], last[2])
        found: Ids = self._engine.leaves(root, bounds, 2)
        return set(found.tolist())


def _joined(parts: list[Mesh]) -> Mesh:
    """Put meshes together, their faces renumbered."""
    starts = np.cumsum([0, *(len(part.vertices_nm) for part in parts[:-1])])
    faces = [part.faces + np.uint32(start) for part, start in zip(parts, starts, strict=True)]
    return Mesh(np.concatenate([part.vertices_nm for part in parts]), np.concatenate(faces))
