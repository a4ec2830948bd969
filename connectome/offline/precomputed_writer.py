"""Precomputed volumes with mips, written to a local folder by cloud-volume.

EM is stored raw and segmentations as compressed_segmentation, without gzip, so that a
plain file server with Range can serve them. EM mips are means; segmentation mips take
every second voxel, so that no id appears that was not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mip_factors", "open_volume", "write_em", "write_segmentation"]

_CACHE_BYTES = 32 * 1024 * 1024
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
    _write(folder, em, voxel_nm, chunk, layer="image", encoding="raw", shrink=_mean)


def write_segmentation(
    folder: Path, labels: _Volume, voxel_nm: tuple[float, float, float], chunk: Triple
) -> None:
    """Write uint64 labels (z, y, x) with mips."""
    _write(
        folder,
        labels,
        voxel_nm,
        chunk,
        layer="segmentation",
        encoding="compressed_segmentation",
        shrink=_stride,
    )


def _write(
    folder: Path,
    array: _Volume,
    voxel_nm: tuple[float, float, float],
    chunk: Triple,
    *,
    layer: str,
    encoding: str,
    shrink: Callable[[_Volume, Triple], _Volume],
) -> None:
    volume, factors = _create(folder, array, voxel_nm, chunk, layer=layer, encoding=encoding)
    level = array
    for mip in range(len(factors) + 1):
        if mip:
            level = shrink(level, factors[mip - 1])
        volume.mip = mip
        xyz = np.ascontiguousarray(level).T
        volume[tuple(slice(0, n) for n in xyz.shape)] = xyz[..., np.newaxis]


def _create(
    folder: Path,
    array: _Volume,
    voxel_nm: tuple[float, float, float],
    chunk: Triple,
    *,
    layer: str,
    encoding: str,
) -> tuple[Any, list[Triple]]:
    from cloudvolume import CloudVolume

    z, y, x = array.shape
    info = CloudVolume.create_new_info(
        num_channels=1,
        layer_type=layer,
        data_type=str(array.dtype),
        encoding=encoding,
        resolution=[int(v) if float(v).is_integer() else float(v) for v in voxel_nm],
        voxel_offset=[0, 0, 0],
        chunk_size=list(chunk),
        volume_size=[x, y, z],
    )
    folder.mkdir(parents=True, exist_ok=True)
    volume = CloudVolume(
        folder.resolve().as_uri(),
        info=info,
        progress=False,
        compress=False,
        non_aligned_writes=False,
        delete_black_uploads=False,
        cdn_cache=False,
    )
    factors = mip_factors((x, y, z), voxel_nm, chunk)
    total = np.ones(3, dtype=np.int64)
    for step in factors:
        total = total * np.asarray(step)
        volume.add_scale([int(v) for v in total], encoding=encoding, chunk_size=list(chunk))
    volume.commit_info()
    return volume, factors


def _stride(array: _Volume, factor: Triple) -> _Volume:
    x, y, z = factor
    return array[::z, ::y, ::x]


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
