"""What the features judge is trained and calibrated with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.contacts import find_contacts, gaps_filled
from inference.datasets.folds import Fold
from inference.datasets.pairs import (
    GAP_VOXELS,
    Pairs,
    coarser_pairs,
    labelled_pairs,
    watershed_pairs,
)
from inference.datasets.volumes import TruthVolume
from inference.features.spec import FeatureSpec
from inference.training.feature_rows import FeatureRows, concatenated, measured_pairs

__all__ = ["FeatureMaterial", "Material", "eroded", "measured_material", "thick_sections"]

Places = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class FeatureMaterial:
    """How training rows are made.

    Parameters
    ----------
    held_out : float
        Part of the training block, at its far end along y, kept for calibration.
    joined : tuple of float
        One coarser segmentation is made for each: the share of true contacts joined.
    eroded : tuple of int
        Every coarser segmentation is also seen with so many voxels of its borders unassigned,
        as automatic segmentations leave them.
    coarse_share, thick_share : float
        How much a coarser pair, or a pair in thick sections, counts beside a watershed pair.
    thick : tuple of int
        The volume is also seen with so many sections averaged into one.
    """

    spec: FeatureSpec = field(default_factory=FeatureSpec)
    held_out: float = 0.15
    joined: tuple[float, ...] = (0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95)
    eroded: tuple[int, ...] = (0,)
    coarse_share: float = 0.25
    thick: tuple[int, ...] = (3, 4, 5)
    thick_joined: tuple[float, ...] = (0.3,)
    thick_share: float = 0.25
    seed: int = 1

    def border(self, volume: TruthVolume) -> int:
        """Return the row y from which contacts are kept for calibration."""
        height: int = volume.em.shape[1]
        return round(height * (1 - self.held_out))


@dataclass(frozen=True)
class Material:
    """Measured rows of a whole volume, from which every fold takes its own.

    Parameters
    ----------
    middles : FeatureRows
        Watershed pairs, each around the middle of its contact.
    others : tuple of (FeatureRows, float)
        Further rows for training, and how much each counts.
    border : int
        Rows at this y or beyond are kept for calibration.
    """

    middles: FeatureRows
    others: tuple[tuple[FeatureRows, float], ...]
    border: int

    def training(self, fold: Fold | None) -> FeatureRows:
        """Return the weighted rows of a fold's training block; all rows if None."""
        parts = [(self.middles, 0.5), *self.others]
        return concatenated([_weighted(self._near(rows, fold), share) for rows, share in parts])

    def typical(self, fold: Fold | None) -> FeatureRows:
        """Return the watershed pairs of a fold's training block."""
        return self._near(self.middles, fold)

    def calibration(self, fold: Fold) -> FeatureRows:
        """Return the pairs at the far end of a training block, which nothing is fitted to."""
        far = self.middles.centers[:, 1] >= self.border
        return self.middles.rows(self.middles.trains(fold) & far)

    def _near(self, rows: FeatureRows, fold: Fold | None) -> FeatureRows:
        if fold is None:
            return rows
        return rows.rows(rows.trains(fold) & (rows.centers[:, 1] < self.border))


def measured_material(
    volume: TruthVolume, settings: FeatureMaterial, say: Callable[[str], None] | None = None
) -> Material:
    """Measure everything that the folds of a volume are trained with (minutes)."""
    rng = np.random.default_rng(settings.seed)
    base = watershed_pairs(volume)
    middles = _measured(volume, base, _middles(base), settings)
    others = [(_measured(volume, base, _random_places(base, rng), settings), 0.5)]
    for name, pairs in _coarser(volume, settings):
        if say is not None:
            say(f"measuring {len(pairs)} pairs {name}")
        places = _random_places(pairs, rng)
        both = [_measured(volume, pairs, p, settings) for p in (_middles(pairs), places)]
        others += [(rows, settings.coarse_share) for rows in both]
    for sections in settings.thick:
        if say is not None:
            say(f"measuring with {sections} sections in one")
        others += [(r, settings.thick_share) for r in _thick_rows(volume, sections, settings)]
    return Material(middles, tuple(others), settings.border(volume))


def _coarser(volume: TruthVolume, settings: FeatureMaterial) -> Iterator[tuple[str, Pairs]]:
    for joined in settings.joined:
        rng = np.random.default_rng([settings.seed, round(joined * 1000)])
        pairs = coarser_pairs(volume, joined, rng)
        for voxels in settings.eroded:
            name = f"of a segmentation with {joined:.0%} joined and {voxels} voxels of gaps"
            yield name, _with_gaps(volume, pairs, voxels) if voxels else pairs


def _with_gaps(volume: TruthVolume, pairs: Pairs, voxels: int) -> Pairs:
    labels = eroded(pairs.labels, voxels)
    return labelled_pairs(volume, labels, find_contacts(gaps_filled(labels, GAP_VOXELS)))


def _thick_rows(
    volume: TruthVolume, sections: int, settings: FeatureMaterial
) -> Iterator[FeatureRows]:
    """Yield rows of a volume with thick sections, placed in the sections of the thin one."""
    seen = thick_sections(volume, sections)
    rng = np.random.default_rng([settings.seed, sections])
    kinds = [watershed_pairs(seen)]
    kinds += [coarser_pairs(seen, joined, rng) for joined in settings.thick_joined]
    for pairs in kinds:
        rows = _measured(seen, pairs, _middles(pairs), settings)
        scale = np.array([sections, 1, 1])
        yield replace(rows, centers=rows.centers * scale + scale // 2)


def thick_sections(volume: TruthVolume, sections: int) -> TruthVolume:
    """Return the volume as sections so many times as thick would show it.

    Grey values are means over a section; labels are those of its middle.
    """
    count = volume.em.shape[0] // sections
    grey = volume.em[: count * sections].reshape(count, sections, *volume.em.shape[1:])
    middle = slice(sections // 2, count * sections, sections)
    x, y, z = volume.voxel_nm
    return replace(
        volume,
        em=np.rint(grey.mean(axis=1)).astype(np.uint8),
        groundtruth=volume.groundtruth[middle],
        supervoxels=volume.supervoxels[middle],
        segmentation=volume.segmentation[middle],
        voxel_nm=(x, y, z * sections),
    )


def eroded(labels: NDArray[Any], voxels: int) -> NDArray[Any]:
    """Return labels with so many voxels along every border unassigned.

    Automatic segmentations leave such gaps; the features fill them again, as they do in use.
    """
    out = labels.copy()
    for _ in range(voxels):
        border = np.zeros(out.shape, np.bool_)
        for axis in range(3):
            ahead, behind = [slice(None)] * 3, [slice(None)] * 3
            ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
            differ = out[tuple(ahead)] != out[tuple(behind)]
            border[tuple(ahead)] |= differ
            border[tuple(behind)] |= differ
        out[border] = 0
    return out


def _measured(
    volume: TruthVolume, pairs: Pairs, places: Places, settings: FeatureMaterial
) -> FeatureRows:
    return measured_pairs(volume.em, pairs, places, volume.voxel_nm, settings.spec)


def _middles(pairs: Pairs) -> Places:
    return np.arange(len(pairs)), pairs.contacts.center


def _random_places(pairs: Pairs, rng: np.random.Generator) -> Places:
    """Return a random face of every contact."""
    chosen = (rng.random(len(pairs)) * pairs.contacts.area).astype(np.int64)
    voxels = pairs.contacts.faces[pairs.contacts.first[:-1] + chosen]
    return np.arange(len(pairs)), voxels.astype(np.int64)


def _weighted(rows: FeatureRows, share: float) -> FeatureRows:
    """Return the rows with yes and no counting equally, and each row ``share`` on average."""
    yes = max(float(rows.same.mean()) if len(rows) else 0.5, 0.05)
    weight = np.where(rows.same, 0.5 / yes, 0.5 / max(1 - yes, 0.05)) * share
    return replace(rows, weight=weight)
