"""Small flat segmentations on disk, with meshes good and bad."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from connectome.datastack import Mesh

__all__ = ["SIDE_NM", "legacy_bytes", "write_flat"]

SIDE_NM = 2560.0
_VOXELS = 256


def write_flat(folder: Path, fragments: dict[int, bytes | None]) -> Path:
    """Write a segmentation of empty voxels of 10 nm with one fragment for each segment.

    A fragment that is None is named by its manifest, and missing.
    """
    meshes = folder / "mesh"
    meshes.mkdir(parents=True)
    scale = {
        "key": "10_10_10",
        "size": [_VOXELS] * 3,
        "resolution": [10, 10, 10],
        "voxel_offset": [0, 0, 0],
        "chunk_sizes": [[64, 64, 64]],
        "encoding": "raw",
    }
    info = {
        "type": "segmentation",
        "data_type": "uint64",
        "num_channels": 1,
        "mesh": "mesh",
        "scales": [scale],
    }
    (folder / "info").write_text(json.dumps(info))
    (meshes / "info").write_text(json.dumps({"@type": "neuroglancer_legacy_mesh"}))
    for segment, data in fragments.items():
        name = f"{segment}:0:1"
        (meshes / f"{segment}:0").write_text(json.dumps({"fragments": [name]}))
        if data is not None:
            (meshes / name).write_bytes(data)
    return folder


def legacy_bytes(mesh: Mesh) -> bytes:
    """Return a mesh as a legacy fragment."""
    count = np.uint32(len(mesh.vertices_nm)).tobytes()
    vertices, faces = mesh.vertices_nm.astype("<f4"), mesh.faces.astype("<u4")
    return count + vertices.tobytes() + faces.tobytes()
