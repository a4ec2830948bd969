"""A precomputed volume on a loopback server with CORS, as small as a test needs."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 64


@dataclass
class Served:
    """A folder being served: where, and what was asked for."""

    url: str = ""
    requests: list[str] = field(default_factory=list)


class _CorsHandler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, served: Served, **kwargs: Any) -> None:
        self.served = served
        super().__init__(*args, **kwargs)

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the request instead of writing a line."""
        self.served.requests.append(self.path)


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Serve a folder on a free port of this machine."""
    found = Served()
    handler = partial(_CorsHandler, directory=str(folder), served=found)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join(10)


def write_volume(
    folder: Path, data: NDArray[Any], voxel_nm: Sequence[float], kind: str, *, mesh: bool = False
) -> None:
    """Write a zyx array as an uncompressed precomputed volume of one scale."""
    folder.mkdir(parents=True)
    size = list(data.shape[::-1])
    info = {
        "type": kind,
        "data_type": str(data.dtype),
        "num_channels": 1,
        "scales": [
            {
                "key": "s0",
                "size": size,
                "resolution": list(voxel_nm),
                "voxel_offset": [0, 0, 0],
                "chunk_sizes": [[CHUNK] * 3],
                "encoding": "raw",
            }
        ],
    }
    if mesh:
        info["mesh"] = "mesh"
    (folder / "info").write_text(json.dumps(info))
    (folder / "s0").mkdir()
    for x, y, z in product(*(range(0, n, CHUNK) for n in size)):
        part = data[z : z + CHUNK, y : y + CHUNK, x : x + CHUNK]
        nz, ny, nx = part.shape
        name = f"{x}-{x + nx}_{y}-{y + ny}_{z}-{z + nz}"
        (folder / "s0" / name).write_bytes(np.ascontiguousarray(part).tobytes())


def write_mesh(
    folder: Path, root: int, vertices_nm: NDArray[np.float32], faces: NDArray[np.uint32]
) -> None:
    """Write one mesh in the old single-resolution format."""
    meshes = folder / "mesh"
    meshes.mkdir(exist_ok=True)
    (meshes / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    (meshes / f"{root}:0").write_text(json.dumps({"fragments": [f"{root}.bin"]}))
    body = struct.pack("<I", len(vertices_nm))
    body += vertices_nm.astype("<f4").tobytes() + faces.astype("<u4").tobytes()
    (meshes / f"{root}.bin").write_bytes(body)


def box_mesh(
    low: Sequence[float], high: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return the surface of a box."""
    corners = np.array(list(product(*zip(low, high, strict=True))), np.float32)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return corners, np.array(faces, np.uint32)
