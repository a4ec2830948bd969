"""What a fold is trained, calibrated and tested with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.datasets.folds import Fold
from inference.datasets.pairs import Pairs, coarser_pairs, watershed_pairs
from inference.datasets.views import Views, cut_views, random_centers
from inference.datasets.volumes import TruthVolume
from rendering.spec import EMSpec

__all__ = ["MaterialConfig", "Reference", "reference_views", "training_views"]


@dataclass(frozen=True)
class MaterialConfig:
    """How training pictures are made.

    Parameters
    ----------
    held_out : float
        Part of the training block, at its far end along y, kept for calibration.
    views : int
        Pictures of each watershed pair: the contact's middle and random contact voxels.
    joined : tuple of float
        One coarser segmentation is made for each: the share of true contacts joined.
    coarse_views : int
        Pictures of each pair of a coarser segmentation.
    """

    held_out: float = 0.15
    views: int = 4
    joined: tuple[float, ...] = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95)
    coarse_views: int = 3
    seed: int = 1


@dataclass(frozen=True)
class Reference:
    """Pictures of contacts' middles in the training block, for what follows training.

    Parameters
    ----------
    typical : Views
        Pairs that the network was trained on: what its features usually are.
    held_out : Views
        Pairs of the block's far end that it was not trained on, for calibration alone.
    held_out_block : str
        Where those lie, in words.
    """

    typical: Views
    held_out: Views
    held_out_block: str


def training_views(
    volume: TruthVolume, fold: Fold, spec: EMSpec, config: MaterialConfig, folder: Path
) -> tuple[Views, Views]:
    """Cut the pictures of watershed and of coarser pairs into files of ``folder``.

    Nothing in them is centred in the test block or in the part kept for calibration.
    """
    rng = np.random.default_rng(config.seed)
    border = _border(volume, config)
    base = watershed_pairs(volume)
    near, _ = _near_and_far(base, fold, border)
    rows, centers = _with_random_views(base, near, fold, config.views - 1, border, rng)
    coarse = [
        _coarse_views(volume, fold, spec, config, joined, border, folder)
        for joined in config.joined
    ]
    watershed = cut_views(volume, base, rows, centers, spec, folder / "watershed.npy")
    return watershed, _concatenated(coarse)


def reference_views(
    volume: TruthVolume, fold: Fold, spec: EMSpec, config: MaterialConfig
) -> Reference:
    """Cut the pictures that calibration and feature statistics need."""
    border = _border(volume, config)
    base = watershed_pairs(volume)
    near, far = _near_and_far(base, fold, border)
    centers = base.contacts.center
    return Reference(
        typical=cut_views(volume, base, near, centers[near], spec),
        held_out=cut_views(volume, base, far, centers[far], spec),
        held_out_block=f"{_block(fold, volume)}, y >= {border}",
    )


def _border(volume: TruthVolume, config: MaterialConfig) -> int:
    height: int = volume.em.shape[1]
    return round(height * (1 - config.held_out))


def _near_and_far(
    pairs: Pairs, fold: Fold, border: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of a fold's training block before and behind the border along y."""
    inside, far = fold.train(pairs), pairs.contacts.center[:, 1] >= border
    return np.flatnonzero(inside & ~far), np.flatnonzero(inside & far)


def _block(fold: Fold, volume: TruthVolume) -> str:
    return f"z {fold.training_sections(volume.em.shape[0])}"


def _coarse_views(
    volume: TruthVolume,
    fold: Fold,
    spec: EMSpec,
    config: MaterialConfig,
    joined: float,
    border: int,
    folder: Path,
) -> Views:
    rng = np.random.default_rng([config.seed, round(joined * 1000)])
    pairs = coarser_pairs(volume, joined, rng)
    near, _ = _near_and_far(pairs, fold, border)
    rows, centers = _with_random_views(pairs, near, fold, config.coarse_views - 1, border, rng)
    file = folder / f"coarse-{round(joined * 1000)}.npy"
    return cut_views(volume, pairs, rows, centers, spec, file)


def _with_random_views(
    pairs: Pairs,
    rows: NDArray[np.int64],
    fold: Fold,
    extra: int,
    border: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and centres: the contact's middle, and random contact voxels of the block."""
    all_rows, all_centers = [rows], [pairs.contacts.center[rows]]
    for _ in range(extra):
        chosen, centers = random_centers(pairs, rows, fold, rng)
        near = centers[:, 1] < border
        all_rows.append(chosen[near])
        all_centers.append(centers[near])
    return np.concatenate(all_rows), np.concatenate(all_centers)


def _concatenated(parts: list[Views]) -> Views:
    offset = np.cumsum([0, *(int(part.pair.max(initial=-1)) + 1 for part in parts)])
    return Views(
        pictures=np.concatenate([part.pictures for part in parts]),
        same=np.concatenate([part.same for part in parts]),
        pair=np.concatenate([p.pair + o for p, o in zip(parts, offset, strict=False)]),
    )
