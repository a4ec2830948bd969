"""Surfaces that lie beside a precomputed segmentation."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from connectome.datastack import Mesh
from connectome.errors import NotFoundError
from connectome.precomputed.volume import PrecomputedVolume, translated
from connectome.space import BoxNm

__all__ = ["PrecomputedMeshes", "mesh_of"]


class PrecomputedMeshes:
    """Surfaces that lie beside a segmentation."""

    def __init__(self, volume: PrecomputedVolume) -> None:
        self._volume = volume
        self._lock = threading.Lock()

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        """Return the surface of a root, whole even if a box is given.

        Raises
        ------
        NotFoundError
            If the root has no mesh.
        """
        del box  # A surface stored in one piece is not cheaper to read in part.
        try:
            with self._lock, translated(self._volume.url):
                found = self._volume.meshes.get(int(root))
        except (ValueError, IndexError, KeyError, AttributeError) as error:
            raise NotFoundError(f"The segment {root} has no mesh.") from error
        return mesh_of(found, root)


def mesh_of(found: Any, root: int) -> Mesh:
    """Return what cloud-volume found of a root, a mesh or a dict of them, as a `Mesh`.

    Raises
    ------
    NotFoundError
        If it found nothing.
    """
    mesh = found.get(int(root)) if isinstance(found, dict) else found
    if mesh is None or len(mesh.faces) == 0:
        raise NotFoundError(f"The segment {root} has no mesh.")
    return Mesh(
        np.asarray(mesh.vertices, np.float32).reshape(-1, 3),
        np.asarray(mesh.faces, np.uint32).reshape(-1, 3),
    )
