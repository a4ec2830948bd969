"""What is kept of meshes: in memory as it is drawn, on disk as it was fetched."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from connectome.datastack import Datastack, Mesh
from connectome.graph import Ids
from rendering.cache import ByteCache
from rendering.disk_cache import DiskCache
from rendering.mesh_blocks import MeshBlocks

__all__ = ["MeshCache", "default_folder"]

_COUNTS = struct.Struct("<QQ")
_MEMORY = 256 << 20
_DISK = 2 << 30
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class MeshCache:
    """The meshes of a datastack; safe to share between threads.

    Parameters
    ----------
    memory_bytes : int
        What all that is kept in memory may weigh.
    disk : DiskCache or None
        Where meshes outlive the program; None to keep none.
    name : str
        The datastack and what tells its contents apart, since several share a disk.

    Attributes
    ----------
    prepared : ByteCache of MeshBlocks
        Meshes as they are cropped.
    pieces : ByteCache of Mesh
        Surfaces of level-2 nodes, which neighbouring sites share.
    nodes : ByteCache of ndarray
        The level-2 nodes of roots in boxes.
    """

    def __init__(
        self, memory_bytes: int = _MEMORY, disk: DiskCache | None = None, name: str = ""
    ) -> None:
        self.prepared: ByteCache[MeshBlocks] = ByteCache(memory_bytes * 3 // 4, _blocks_bytes)
        self.pieces: ByteCache[Mesh] = ByteCache(memory_bytes // 5, _mesh_bytes)
        self.nodes: ByteCache[Ids] = ByteCache(memory_bytes // 20, _ids_bytes)
        self._disk = disk
        self._name = name

    @classmethod
    def of(
        cls,
        datastack: Datastack,
        *,
        memory_bytes: int = _MEMORY,
        disk_bytes: int = _DISK,
        folder: Path | None = None,
    ) -> MeshCache:
        """Return the cache that suits a datastack.

        Meshes that lie on this machine are not copied to its disk once more. Nodes of a
        chunked graph never change; of other meshes nothing tells whether they did, so
        those on disk are trusted for a day.
        """
        address = datastack.address
        if disk_bytes <= 0 or not _is_far(address):
            return cls(memory_bytes)
        day = "" if address.startswith("cave:") else f"{datetime.now(UTC):%Y-%m-%d}"
        disk = DiskCache(folder or default_folder(), disk_bytes)
        return cls(memory_bytes, disk, f"{address}|{day}")

    def on_disk(self, node: int, fetch: Callable[[], Mesh]) -> Mesh:
        """Return the mesh of a node, fetched and written now if it is not on disk."""
        if self._disk is None:
            return fetch()
        key = f"{self._name}|{node}"
        data = self._disk.read(key)
        if data is not None:
            return _unpacked(data)
        mesh = fetch()
        self._disk.write(key, _packed(mesh))
        return mesh

    @property
    def used_bytes(self) -> int:
        """What is kept in memory weighs now."""
        return self.prepared.used_bytes + self.pieces.used_bytes + self.nodes.used_bytes

    def clear(self) -> None:
        """Forget everything in memory."""
        self.prepared.clear()
        self.pieces.clear()
        self.nodes.clear()


def default_folder() -> Path:
    """Return where meshes are kept on disk, below the person's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("proofdesk", appauthor=False) / "meshes"


def _is_far(address: str) -> bool:
    """Tell whether a datastack's meshes come from another machine."""
    kind, _, rest = address.partition(":")
    if kind == "cave":
        rest = rest.partition("@")[2]
    elif kind != "precomputed":
        return False
    if rest.startswith("file:"):
        return False
    return urlsplit(rest if "://" in rest else f"//{rest}").hostname not in _LOOPBACK


def _packed(mesh: Mesh) -> bytes:
    vertices = np.ascontiguousarray(mesh.vertices_nm, "<f4")
    faces = np.ascontiguousarray(mesh.faces, "<u4")
    return _COUNTS.pack(len(vertices), len(faces)) + vertices.tobytes() + faces.tobytes()


def _unpacked(data: bytes) -> Mesh:
    vertices, faces = _COUNTS.unpack_from(data)
    numbers = np.frombuffer(data, "<f4", 3 * vertices, _COUNTS.size)
    corners = np.frombuffer(data, "<u4", 3 * faces, _COUNTS.size + numbers.nbytes)
    return Mesh(
        numbers.reshape(-1, 3).astype(np.float32, copy=False),
        corners.reshape(-1, 3).astype(np.uint32, copy=False),
    )


def _blocks_bytes(blocks: MeshBlocks) -> int:
    return blocks.nbytes


def _mesh_bytes(mesh: Mesh) -> int:
    return mesh.vertices_nm.nbytes + mesh.faces.nbytes


def _ids_bytes(ids: Ids) -> int:
    return ids.nbytes + 100
