"""The same volume as a worse microscope would have shown it.

What a judge says about degraded copies tells how far it can be trusted elsewhere: thick
sections, blur, weak contrast, noise, and sections that are missing or out of place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from connectome.errors import InputError
from inference.datasets.volumes import TruthVolume

__all__ = ["CONDITIONS", "KINDS", "degraded", "original_sections"]

CONDITIONS: tuple[tuple[str, float], ...] = (
    ("sections", 20),
    ("sections", 30),
    ("sections", 40),
    ("sections", 50),
    ("blur", 10),
    ("blur", 20),
    ("blur", 30),
    ("contrast", 0.6),
    ("contrast", 0.3),
    ("noise", 15),
    ("noise", 30),
    ("missing", 0.1),
    ("missing", 0.3),
    ("shifted", 20),
    ("shifted", 60),
)
"""The kinds and amounts that reports measure."""


def degraded(
    volume: TruthVolume, kind: str, amount: float, *, stretched: bool = False
) -> TruthVolume:
    """Return a degraded copy of a volume; the same call always returns the same copy.

    Parameters
    ----------
    volume : TruthVolume
        What is degraded. Segment ids stay what they are.
    kind : str
        - ``sections``: slabs of z are averaged to sections ``amount`` nm thick. Labels are
          those of the slab's middle, and an incomplete last slab is left out.
        - ``blur``: every section is smoothed, with a Gaussian of ``amount`` nm.
        - ``contrast``: grey values are drawn towards their mean, to the share ``amount``.
        - ``noise``: Gaussian noise of ``amount`` grey values is added.
        - ``missing``: the share ``amount`` of sections is black; labels stay.
        - ``shifted``: each section is displaced in x and y by a normal deviate of
          ``amount`` nm, microscopy and labels together, edges repeated.
    amount : float
        How much, in the unit of the kind.
    stretched : bool
        For ``sections``: repeat each to fill the original grid, so that indices and the
        voxel size stay. Else the volume has fewer sections and a longer voxel in z.

    Raises
    ------
    InputError
        If there is no such kind, or the amount makes no sense for it.
    """
    if kind not in KINDS:
        raise InputError(f"There is no degradation {kind!r}.", f"Kinds are: {', '.join(KINDS)}.")
    if amount <= 0:
        raise InputError(
            f"A volume cannot be degraded by {amount:g} ({kind}).", "Name an amount above 0."
        )
    seed = int.from_bytes(hashlib.sha256(f"{kind}:{amount:g}".encode()).digest()[:8])
    made = (
        _sections(volume, amount, stretched=stretched)
        if kind == "sections"
        else _SIMPLE[kind](volume, amount, np.random.default_rng(seed))
    )
    name = f"{volume.name}, {kind} {amount:g}{' stretched' if stretched else ''}"
    digest = hashlib.sha256(f"{volume.sha256}:{kind}:{amount:g}:{stretched}".encode())
    return replace(made, name=name, sha256=digest.hexdigest())


def original_sections(
    z: NDArray[np.integer[Any]], made: TruthVolume, original: TruthVolume
) -> NDArray[np.int64]:
    """Return the sections (n,) of the original volume in which sections (n,) of a copy lie."""
    middle_nm = (np.asarray(z) + made.first_voxel[2] + 0.5) * made.voxel_nm[2]
    index = np.floor(middle_nm / original.voxel_nm[2]).astype(np.int64)
    return np.asarray(index - original.first_voxel[2])


def _sections(volume: TruthVolume, thickness_nm: float, *, stretched: bool) -> TruthVolume:
    x_nm, y_nm, z_nm = volume.voxel_nm
    count = round(thickness_nm / z_nm)
    if count < 1 or abs(count * z_nm - thickness_nm) > 1e-6:
        raise InputError(
            f"Sections of {thickness_nm:g} nm cannot be made of sections of {z_nm:g} nm.",
            "Name a whole multiple.",
        )
    fx, fy, fz = volume.first_voxel
    # A coarse section begins at a multiple of its thickness, as the grid counts from 0.
    skipped = -fz % count
    slabs = (volume.em.shape[0] - skipped) // count
    kept = slice(skipped, skipped + slabs * count)
    shape = (slabs, count, *volume.em.shape[1:])
    em = np.round(volume.em[kept].reshape(shape).mean(axis=1, dtype=np.float32)).astype(np.uint8)
    repeats = count if stretched else 1

    def middle(labels: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(labels[kept].reshape(shape)[:, count // 2], repeats, axis=0)

    first = fz + skipped
    return replace(
        volume,
        em=np.repeat(em, repeats, axis=0),
        groundtruth=middle(volume.groundtruth),
        supervoxels=middle(volume.supervoxels),
        segmentation=middle(volume.segmentation),
        voxel_nm=volume.voxel_nm if stretched else (x_nm, y_nm, z_nm * count),
        first_voxel=(fx, fy, first if stretched else first // count),
    )


def _blur(volume: TruthVolume, sigma_nm: float, _: np.random.Generator) -> TruthVolume:
    x_nm, y_nm, _z = volume.voxel_nm
    smooth = gaussian_filter(
        volume.em.astype(np.float32), (0.0, sigma_nm / y_nm, sigma_nm / x_nm), mode="nearest"
    )
    return replace(volume, em=_grey(smooth))


def _contrast(volume: TruthVolume, share: float, _: np.random.Generator) -> TruthVolume:
    mean = float(volume.em.mean())
    return replace(volume, em=_grey(mean + (volume.em.astype(np.float32) - mean) * share))


def _noise(volume: TruthVolume, deviation: float, rng: np.random.Generator) -> TruthVolume:
    noise = rng.standard_normal(volume.em.shape, dtype=np.float32)
    return replace(volume, em=_grey(volume.em + noise * deviation))


def _missing(volume: TruthVolume, share: float, rng: np.random.Generator) -> TruthVolume:
    em = volume.em.copy()
    em[rng.random(len(em)) < share] = 0
    return replace(volume, em=em)


def _shifted(volume: TruthVolume, deviation_nm: float, rng: np.random.Generator) -> TruthVolume:
    x_nm, y_nm, _z = volume.voxel_nm
    away = rng.normal(0.0, deviation_nm, (len(volume.em), 2)) / (y_nm, x_nm)
    steps = np.round(away).astype(np.int64)

    def moved(array: NDArray[Any]) -> NDArray[Any]:
        return np.stack(
            [_moved(section, *step) for section, step in zip(array, steps, strict=True)]
        )

    return replace(
        volume,
        em=moved(volume.em),
        groundtruth=moved(volume.groundtruth),
        supervoxels=moved(volume.supervoxels),
        segmentation=moved(volume.segmentation),
    )


def _moved(section: NDArray[Any], dy: int, dx: int) -> NDArray[Any]:
    rows = np.clip(np.arange(section.shape[0]) - dy, 0, section.shape[0] - 1)
    columns = np.clip(np.arange(section.shape[1]) - dx, 0, section.shape[1] - 1)
    return np.asarray(section[np.ix_(rows, columns)])


def _grey(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


_SIMPLE: dict[str, Callable[[TruthVolume, float, np.random.Generator], TruthVolume]] = {
    "blur": _blur,
    "contrast": _contrast,
    "noise": _noise,
    "missing": _missing,
    "shifted": _shifted,
}
KINDS = ("sections", *_SIMPLE)
"""What can be done to a volume."""
