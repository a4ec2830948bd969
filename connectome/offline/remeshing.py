"""The meshes of new nodes, made in the background before anybody asks for them."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable

from connectome.closing import Closing
from connectome.offline.engine import GraphEngine, OperationResult
from connectome.offline.meshing import MeshStore

__all__ = ["Remesher"]

_LOG = logging.getLogger(__name__)
_MOST_WAITING = 10_000
"""What waits longer than this many nodes is left to the first who asks for it."""


class Remesher(Closing):
    """Follows the edits of one engine on a thread of its own, the newest first.

    Whoever needs a mesh at once makes it himself with `MeshStore.fragments`.

    Parameters
    ----------
    engine : GraphEngine
        The graph that is edited.
    store : MeshStore
        Where the meshes go.
    """

    def __init__(self, engine: GraphEngine, store: MeshStore) -> None:
        self._engine, self._store = engine, store
        self._waiting: deque[int] = deque(maxlen=_MOST_WAITING)
        self._turn = threading.Condition()
        self._busy = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="remeshing", daemon=True)
        self._thread.start()
        self._forget = engine.on_edit(self._follow)

    def ask(self, level2: Iterable[int]) -> None:
        """Have the meshes of L2 nodes made soon, where they are missing; returns at once."""
        with self._turn:
            self._waiting.extend(level2)
            self._turn.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to do; tell whether that came true in time."""
        with self._turn:
            return self._turn.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self) -> None:
        """Stop after the mesh that is being made; a second call does nothing."""
        self._forget()
        with self._turn:
            self._closed = True
            self._waiting.clear()
            self._turn.notify_all()
        self._thread.join()

    def _follow(self, result: OperationResult) -> None:
        self.ask(result.new_l2)

    def _work(self) -> None:
        while (node := self._next()) is not None:
            try:
                self._store.make(self._engine, node)
            except Exception:  # noqa: BLE001 - the next may go well; who asks for this is told
                _LOG.exception("the mesh of %d could not be made", node)

    def _next(self) -> int | None:
        with self._turn:
            self._busy = False
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._busy = True
            return self._waiting.pop()
