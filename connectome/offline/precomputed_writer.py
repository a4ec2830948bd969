"""Precomputed volumes with mips in a local folder; cloud-volume reads them.

EM is stored raw and segmentations as compressed_segmentation, without gzip, so that a
plain file server with Range can serve them. EM mips are means; segmentation mips take
every second voxel, so that no id appears that was not there. The files are written here
and not by cloud-volume: importing it takes longer than writing a small volume.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mip_factors", "open_volume", "write_em", "write_segmentation"]

_CACHE_BYTES = 32 * 1024 * 1024
_BLOCK = (8, 8, 8)
Triple = tuple[int, int, int]
_Volume = NDArray[Any]


def open_volume(folder: Path, mip: int = 0) -> Any:
    """Open a local precomputed volume for reading; missing chunks are zero.

    Returns
    -------
    cloudvolume.CloudVolume
        Indexed as ``[x, y, z]`` slices, giving (x, y, z, 1) arrays.
    """
    from cloudvolume import CloudVolume

    return CloudVolume(
        folder.resolve().as_uri(),
        mip=mip,
        progress=False,
        fill_missing=True,
        bounded=False,
        lru_bytes=_CACHE_BYTES,
    )


def mip_factors(shape: Triple, voxel_nm: tuple[float, float, float], chunk: Triple) -> list[Triple]:
    """Return the factors (x, y, z) from each mip to the next, until one chunk is enough.

    An axis is halved while its voxels are at most 1.5 times the shortest, so that
    anisotropic volumes become isotropic.
    """
    size, voxel = list(shape), list(voxel_nm)
    factors: list[Triple] = []
    while any(s > c for s, c in zip(size, chunk, strict=True)) and len(factors) < 8:
        shortest = min(voxel)
        x, y, z = (2 if v <= 1.5 * shortest else 1 for v in voxel)
        step: Triple = (x, y, z)
        size = [-(-s // f) for s, f in zip(size, step, strict=True)]
        voxel = [v * f for v, f in zip(voxel, step, strict=True)]
        factors.append(step)
    return factors


def write_em(
    folder: Path, em: _Volume, voxel_nm: tuple[float, float, float], chunk: Triple
) -> None:
    """Write uint8 EM (z, y, x) with mips."""
    scales = _scales(em, voxel_nm, chunk, {"encoding": "raw"})
    _write_info(folder, "image", "uint8", scales)
    level = em
    for scale, step in scales:
        level = _mean(level, step) if max(step) > 1 else level
        _write_chunks(folder / scale["key"], level, chunk, lambda block: block.tobytes())


def write_segmentation(
    folder: Path,
    labels: _Volume,
    voxel_nm: tuple[float, float, float],
    chunk: Triple,
    names: NDArray[np.uint64] | None = None,
) -> None:
    """Write labels (z, y, x) with mips as uint64.

    Parameters
    ----------
    folder : Path
        Where to.
    labels : ndarray, shape (z, y, x)
        Ids, or places in `names`.
    voxel_nm, chunk : tuple
        Size of a voxel in nm and of a chunk in voxels, (x, y, z).
    names : ndarray, shape (n,), uint64, optional
        The id that each value of `labels` stands for.
    """
    how = {"encoding": "compressed_segmentation", "compressed_segmentation_block_size": _BLOCK}
    scales = _scales(labels, voxel_nm, chunk, how)
    _write_info(folder, "segmentation", "uint64", scales)

    def encode(block: _Volume) -> bytes:
        return _compressed(block.astype(np.uint64) if names is None else names[block])

    level = labels
    for scale, (x, y, z) in scales:
        level = level[::z, ::y, ::x]
        _write_chunks(folder / scale["key"], level, chunk, encode)


def _scales(
    array: _Volume, voxel_nm: tuple[float, float, float], chunk: Triple, how: dict[str, Any]
) -> list[tuple[dict[str, Any], Triple]]:
    """Return the entry of each mip in the info, and the step from the mip before it."""
    size, voxel = array.shape[::-1], voxel_nm
    found = []
    shape: Triple = (size[0], size[1], size[2])
    for step in [(1, 1, 1), *mip_factors(shape, voxel_nm, chunk)]:
        size = tuple(-(-n // f) for n, f in zip(size, step, strict=True))
        voxel = (voxel[0] * step[0], voxel[1] * step[1], voxel[2] * step[2])
        resolution = [int(v) if float(v).is_integer() else float(v) for v in voxel]
        scale = {
            "key": "_".join(str(v) for v in resolution),
            "size": size,
            "resolution": resolution,
            "voxel_offset": [0, 0, 0],
            "chunk_sizes": [chunk],
            **how,
        }
        found.append((scale, step))
    return found


def _write_info(
    folder: Path, layer: str, data_type: str, scales: list[tuple[dict[str, Any], Triple]]
) -> None:
    info = {
        "type": layer,
        "data_type": data_type,
        "num_channels": 1,
        "scales": [scale for scale, _ in scales],
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "info").write_text(json.dumps(info, indent=1), encoding="utf-8")


def _write_chunks(
    folder: Path, array: _Volume, chunk: Triple, encode: Callable[[_Volume], bytes]
) -> None:
    """Write each chunk of an array (z, y, x) as one file."""
    folder.mkdir(exist_ok=True)
    spans = [
        [(start, min(start + step, n)) for start in range(0, n, step)]
        for n, step in zip(array.shape[::-1], chunk, strict=True)
    ]
    for box in itertools.product(*spans):
        block = array[tuple(slice(*span) for span in reversed(box))]
        name = "_".join(f"{start}-{end}" for start, end in box)
        (folder / name).write_bytes(encode(np.ascontiguousarray(block)))


def _compressed(block: NDArray[np.uint64]) -> bytes:
    import compressed_segmentation

    packed: bytes = compressed_segmentation.compress(block.T, block_size=_BLOCK, order="F")
    return packed


def _mean(array: _Volume, factor: Triple) -> _Volume:
    """Return block means; the last block repeats the edge where the size is odd."""
    x, y, z = factor
    steps = (z, y, x)
    pad = [(0, -n % s) for n, s in zip(array.shape, steps, strict=True)]
    full = np.pad(array, pad, mode="edge")
    total = np.zeros([n // s for n, s in zip(full.shape, steps, strict=True)], dtype=np.uint16)
    for dz in range(z):
        for dy in range(y):
            for dx in range(x):
                total += full[dz::z, dy::y, dx::x]
    count = z * y * x
    return ((total + count // 2) // count).astype(np.uint8)
