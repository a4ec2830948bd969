"""The skeleton cache: every skeleton is traced once and kept on disk.

A root never changes, so a skeleton in ``cache/skeletons`` stays right; the folder may be
deleted at any time.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import zipfile
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from connectome.datastack import Skeleton
from connectome.errors import ProofdeskError
from connectome.graph import Ids
from connectome.offline.engine import GraphEngine, GraphRefusalError
from connectome.offline.l2_store import L2Store
from connectome.offline.skeleton_formats import KeptSkeleton
from connectome.offline.skeleton_tracing import TraceJob
from connectome.offline.skeleton_worker import SkeletonWorker

__all__ = ["MAX_QUEUED", "SkeletonStore"]

_LOG = logging.getLogger(__name__)
MAX_QUEUED = 10_000
"""How many roots may wait to be traced in the background."""
_ARRAYS = ("vertices", "edges", "radius", "lvl2_ids", "mesh_to_skel_map")


class SkeletonStore:
    """The skeletons of one datastack; may be used from any thread.

    Parameters
    ----------
    engine : GraphEngine
        The graph.
    l2 : L2Store
        Where L2 nodes are.
    """

    def __init__(self, engine: GraphEngine, l2: L2Store) -> None:
        self._engine, self._l2 = engine, l2
        self._folder = engine.folder.path / "cache" / "skeletons"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._worker = SkeletonWorker()
        self._lock = threading.Lock()
        self._running: dict[int, Future[KeptSkeleton]] = {}
        self._waiting = 0
        self._queue: queue.Queue[int | None] = queue.Queue()
        self._queued: set[int] = set()
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many are waiting for skeletons that are being traced."""
        return self._waiting

    def kept(self) -> list[int]:
        """Return the roots whose skeletons are kept, ascending."""
        names = (path.stem for path in self._folder.glob("*.npz"))
        return sorted(int(name) for name in names if name.isdecimal())

    def has(self, root: int) -> bool:
        """Tell whether the skeleton of a root is kept."""
        return self._path(root).is_file()

    def find(self, root: int) -> KeptSkeleton | None:
        """Return the skeleton of a root if it is kept."""
        try:
            with self._path(root).open("rb") as stream, np.load(stream) as arrays:
                return KeptSkeleton(root, *(arrays[name] for name in _ARRAYS))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            _LOG.info("the skeleton %s is damaged and traced again", self._path(root))
            return None

    def get(self, root: int) -> KeptSkeleton:
        """Return the skeleton of a root, traced if it is not kept.

        Who asks for a root that is being traced already waits for the same result.

        Raises
        ------
        GraphRefusalError
            If there is no such node.
        DatastackError
            If the object cannot be traced.
        MachineError
            If the tracing process ended, or kimimaro is not installed.
        """
        with self._lock:
            self._waiting += 1
            running = self._running.get(root)
            if running is None:
                mine = self._running[root] = Future()
        try:
            return running.result() if running is not None else self._settle(root, mine)
        finally:
            with self._lock:
                self._waiting -= 1

    def request(self, roots: Iterable[int]) -> int:
        """Have skeletons traced in the background; return how many wait now.

        Beyond `MAX_QUEUED` nothing is added.
        """
        with self._lock:
            for root in roots:
                full = len(self._queued) >= MAX_QUEUED
                if not (self._closed or full or root in self._queued or self.has(root)):
                    self._queued.add(root)
                    self._queue.put(root)
            if self._queued and self._thread is None:
                self._thread = threading.Thread(
                    target=self._work_off, name="skeletons", daemon=True
                )
                self._thread.start()
            return len(self._queued)

    def close(self) -> None:
        """Give up what is being traced or waits."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._queue.put(None)
        self._worker.close()
        if thread is not None:
            thread.join()

    def _work_off(self) -> None:
        while (root := self._queue.get()) is not None and not self._closed:
            try:
                self.get(root)
            except (ProofdeskError, GraphRefusalError) as error:
                _LOG.info("no skeleton of %d: %s", root, error)
            with self._lock:
                self._queued.discard(root)

    def _settle(self, root: int, mine: Future[KeptSkeleton]) -> KeptSkeleton:
        """Find or make a skeleton and give it to all who wait."""
        try:
            found = self.find(root) or self._make(root)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(found)
            return found
        finally:
            with self._lock:
                del self._running[root]

    def _make(self, root: int) -> KeptSkeleton:
        engine, folder = self._engine, self._engine.folder
        job = TraceJob(root, engine.leaves(root), folder.supervoxels, folder.scale, engine.layout)
        made = self._with_level2(self._worker.trace(job), engine.leaves(root, stop_layer=2))
        part = self._folder / f"{root}.{os.getpid()}.part"
        try:
            with part.open("wb") as stream:
                np.savez_compressed(stream, **{name: getattr(made, name) for name in _ARRAYS})
            part.replace(self._path(root))
        except OSError as error:
            _LOG.info("the skeleton of %d could not be kept: %s", root, error)
            part.unlink(missing_ok=True)
        return made

    def _with_level2(self, skeleton: Skeleton, nodes: Ids) -> KeptSkeleton:
        from scipy.spatial import KDTree

        known = self._l2.attributes(nodes, ["rep_coord_nm"])
        places = np.asarray([known[node]["rep_coord_nm"] for node in nodes.tolist()])
        nearest = KDTree(skeleton.vertices_nm).query(places)[1]
        return KeptSkeleton(
            skeleton.root,
            skeleton.vertices_nm,
            skeleton.edges,
            skeleton.radii_nm,
            nodes,
            np.asarray(nearest, dtype=np.int64),
        )

    def _path(self, root: int) -> Path:
        return self._folder / f"{root}.npz"
