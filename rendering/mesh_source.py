"""Single meshes from memory, from the disk, or from where they come from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from connectome.datastack import Datastack, Mesh
from connectome.errors import (
    AuthError,
    NotFoundError,
    OfflineError,
    ProofdeskError,
    ServiceError,
)
from rendering.mesh_cache import MeshCache
from rendering.surfaces import BrokenMeshError, sound

__all__ = ["MeshSource", "patiently"]

_T = TypeVar("_T")
_RETRY_S = 0.3
_QUICK_S = 2.0
"""Who takes longer to fail has tried more than once: cloud-volume does, for half a minute."""


class MeshSource:
    """The meshes of a datastack, each asked for once while it is kept.

    Parameters
    ----------
    datastack : Datastack
        Where they come from.
    cache : MeshCache
        Where they are kept.
    """

    def __init__(self, datastack: Datastack, cache: MeshCache) -> None:
        self._datastack = datastack
        self._cache = cache

    def mesh(self, node: int) -> Mesh:
        """Return the whole mesh of a root or level-2 node.

        Raises
        ------
        NotFoundError
            If it has none.
        BrokenMeshError
            If it cannot be read or drawn.
        ServiceError
            If the server did not answer, twice.
        """
        key = (self._datastack.address, node)
        return self._cache.pieces.get(
            key, lambda: self._cache.on_disk(node, lambda: self._new(node))
        )

    def _new(self, node: int) -> Mesh:
        return sound(patiently(lambda: self._ask(node)))

    def _ask(self, node: int) -> Mesh:
        try:
            return self._datastack.meshes.mesh(node)
        except NotFoundError as error:
            if _is_damage(error.__cause__):
                raise _unreadable(node) from error
            raise
        except (ProofdeskError, MemoryError):
            raise
        except OSError as error:
            raise OfflineError(
                f"The mesh of {node} cannot be fetched: {error}.", "Try again later."
            ) from error
        except Exception as error:
            # A decoder raises whatever it likes for bytes that are no mesh; that is one
            # bad mesh, and must not stop the pictures of other sites.
            raise _unreadable(node) from error


def _unreadable(node: int) -> BrokenMeshError:
    return BrokenMeshError(f"The mesh of {node} cannot be read.", "The mesh has to be made again.")


def _is_damage(cause: BaseException | None) -> bool:
    """Tell whether a mesh that could not be had is there, but damaged.

    cloud-volume raises the same kinds of errors for both.
    """
    if isinstance(cause, IndexError):
        return "out of bounds" in str(cause)  # a face names a vertex that does not exist
    return type(cause).__name__ == "MeshDecodeError"


def patiently(ask: Callable[[], _T]) -> _T:
    """Return the answer of a server, asking once more where that may help."""
    start = time.monotonic()
    try:
        return ask()
    except (AuthError, NotFoundError):
        raise
    except ServiceError:
        if time.monotonic() - start > _QUICK_S:
            raise
        threading.Event().wait(_RETRY_S)
        return ask()
