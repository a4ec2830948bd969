"""Draco fragments, one for each L2 node, made at ingest and after edits."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Mesh
from connectome.errors import NotFoundError, StorageError
from connectome.offline.base import BaseGraph
from connectome.offline.engine import GraphEngine
from connectome.offline.ids import ChunkLayout, layer_of
from connectome.offline.layout import DatastackFolder
from connectome.offline.lookup import SupervoxelReader
from connectome.offline.surfaces import decode, encode, extend_into_rim, grid_size_nm, surfaces

__all__ = ["ChunkMesher", "MeshStore"]

_T = TypeVar("_T", bound=np.generic)
_TURNS = 64
"""So many fragments can be made at once; two makers never make the same one."""
_NAME = re.compile(r"(\d{1,20}):0:(\d+-\d+_\d+-\d+_\d+-\d+)")


class MeshStore:
    """The mesh folder of a datastack.

    A fragment is called ``L2:0:x0-x1_y0-y1_z0-z1`` (the voxels of its chunk) on the wire;
    on disk the colons are underscores, which every file system takes.
    """

    def __init__(self, folder: DatastackFolder) -> None:
        self.folder = folder
        self._layout = folder.layout
        self._voxel_nm = folder.manifest.resolution_nm
        self._reader = SupervoxelReader(folder.supervoxels, folder.scale)
        self._making = [threading.Lock() for _ in range(_TURNS)]

    @property
    def metadata(self) -> dict[str, object]:
        """The ``mesh_metadata`` of the graph's info."""
        return {"uniform_draco_grid_size": grid_size_nm(self._voxel_nm)}

    def write_info(self) -> None:
        """Write the mesh folder's ``info``, which Neuroglancer insists on."""
        self.folder.mesh.mkdir(parents=True, exist_ok=True)
        info = {"@type": "neuroglancer_legacy_mesh"} | self.metadata
        _write_file(self.folder.mesh / "info", json.dumps(info).encode())

    def fragments(self, engine: GraphEngine, node: int) -> list[tuple[int, str]]:
        """Return the fragments of a node, each made before this returns.

        Parameters
        ----------
        engine : GraphEngine
            The graph.
        node : int
            A root or L2 node, current or replaced.

        Returns
        -------
        list of tuple
            L2 id and the fragment's name, by L2 id.

        Raises
        ------
        GraphRefusalError
            If there is no such node.
        """
        if int(layer_of(node)) < 2:
            return []
        found = []
        for l2 in engine.leaves(node, stop_layer=2).tolist():
            self._make_once(engine, node, l2)
            found.append((l2, self.name_of(l2)))
        return found

    def make(self, engine: GraphEngine, l2: int) -> None:
        """Make the fragment of an L2 node, current or replaced, if it is missing.

        Raises
        ------
        GraphRefusalError
            If there is no such node.
        StorageError
            If it cannot be written.
        """
        self._make_once(engine, l2, l2)

    def name_of(self, l2: int) -> str:
        """Return the name of a fragment on the wire."""
        x0, x1, y0, y1, z0, z1 = self._layout.chunk_bounds(_chunk(self._layout, l2))
        return f"{l2}:0:{x0}-{x1}_{y0}-{y1}_{z0}-{z1}"

    def path_of(self, logical_name: str) -> Path:
        """Return the file of a fragment, whether it exists or not.

        Raises
        ------
        ValueError
            If this is no fragment's name.
        """
        match = _NAME.fullmatch(logical_name)
        if match is None:
            raise ValueError(f"{logical_name!r} is no name of a mesh fragment")
        return self.folder.mesh / logical_name.replace(":", "_")

    def read(self, l2: int) -> Mesh:
        """Return the surface of an L2 node.

        Raises
        ------
        NotFoundError
            If `fragments` has not made it.
        """
        try:
            return decode(self.path_of(self.name_of(l2)).read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError(f"The node {l2} has no mesh.") from error

    def write(self, l2: int, mesh: Mesh) -> None:
        """Write one fragment."""
        data = encode(mesh, grid_size_nm(self._voxel_nm))
        _write_file(self.path_of(self.name_of(l2)), data)

    def _make_once(self, engine: GraphEngine, node: int, l2: int) -> None:
        path = self.path_of(self.name_of(l2))
        if path.is_file():
            return
        # Viewers ask again and again while a surface is being made: one maker is enough.
        with self._making[l2 % _TURNS]:
            if not path.is_file():
                self._make(engine, node, l2)

    def _make(self, engine: GraphEngine, node: int, l2: int) -> None:
        """Make the missing fragment of one L2 node of a node."""
        chunk = _chunk(self._layout, l2)
        block, origin = _rimmed(self._read_box, self._layout, chunk)
        x, y, z = origin
        nz, ny, nx = block.shape
        near = (x, x + nx, y, y + ny, z, z + nz)
        root = int(engine.roots(np.asarray([node], dtype=np.uint64))[0])
        objects = np.isin(block, engine.leaves(root, near)).astype(np.int64)
        labels = np.isin(block, engine.leaves(l2)).astype(np.uint32)
        extend_into_rim(labels, objects)
        for mesh in surfaces(labels, origin, self._voxel_nm).values():
            self.write(l2, mesh)

    def _read_box(
        self, first: tuple[int, int, int], last: tuple[int, int, int]
    ) -> NDArray[np.uint64]:
        return self._reader.read(first, last)


class ChunkMesher:
    """Writes the fragments of an ingested graph, one chunk at a time.

    Parameters
    ----------
    store : MeshStore
        Where they go.
    base : BaseGraph
        The ingested graph.
    numbers : ndarray, shape (z, y, x), uint32
        Position in the graph's supervoxels plus 1, 0 for background.
    """

    def __init__(self, store: MeshStore, base: BaseGraph, numbers: NDArray[np.uint32]) -> None:
        self._store, self._base, self._numbers = store, base, numbers
        self._voxel_nm = store.folder.manifest.resolution_nm
        layout = base.layout
        self._l2_label = np.append(0, base.sv_l2 + 1).astype(np.uint32)
        root = layout.segment_of(base.l2_root, layout.n_layers).astype(np.int64)
        self._object_of = np.append(0, root[base.sv_l2])

    def write(self, chunk: tuple[int, int, int]) -> int:
        """Write the fragments of the L2 nodes of a chunk (x, y, z) and return how many.

        Raises
        ------
        StorageError
            If a file cannot be written.
        """
        block, origin = _rimmed(self._read, self._base.layout, chunk)
        labels = self._l2_label[block]
        extend_into_rim(labels, self._object_of[block])
        found = surfaces(labels, origin, self._voxel_nm)
        for label, mesh in found.items():
            self._store.write(int(self._base.l2_ids[label - 1]), mesh)
        return len(found)

    def _read(self, first: tuple[int, int, int], last: tuple[int, int, int]) -> NDArray[np.uint32]:
        return self._numbers[first[2] : last[2], first[1] : last[1], first[0] : last[0]]


def _chunk(layout: ChunkLayout, l2: int) -> tuple[int, int, int]:
    x, y, z = layout.chunk_of(l2, 2).tolist()
    return (x, y, z)


def _rimmed(
    read: Callable[[tuple[int, int, int], tuple[int, int, int]], NDArray[_T]],
    layout: ChunkLayout,
    chunk: tuple[int, int, int],
) -> tuple[NDArray[_T], tuple[int, int, int]]:
    """Return a chunk with a rim of one voxel, zero outside the volume, and its origin."""
    x0, x1, y0, y1, z0, z1 = layout.chunk_bounds(chunk)
    first = (max(0, x0 - 1), max(0, y0 - 1), max(0, z0 - 1))
    nx, ny, nz = layout.shape
    last = (min(nx, x1 + 1), min(ny, y1 + 1), min(nz, z1 + 1))
    pad = [
        (first[k] - low + 1, high + 1 - last[k])
        for k, low, high in ((2, z0, z1), (1, y0, y1), (0, x0, x1))
    ]
    return np.pad(read(first, last), pad), (x0 - 1, y0 - 1, z0 - 1)


def _write_file(path: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"The mesh {path} cannot be written: {error.strerror}.",
            "Make room on the disk and try again.",
        ) from error
