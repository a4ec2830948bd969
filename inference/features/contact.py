"""What the microscopy shows at a contact: whether there is a membrane, and how whole it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.features.block import GREY, Block
from inference.features.spec import FeatureSpec
from inference.features.surface import Surface, ball_offsets
from inference.features.table import Columns

__all__ = ["contact_columns"]

Floats = NDArray[np.floating]


def contact_columns(block: Block, surface: Surface, spec: FeatureSpec) -> Columns:
    """Return the columns named ``em.…``: everything that needs the microscopy."""
    columns = Columns("em")
    level, contrast = _surroundings(columns, block, surface, spec)
    along = np.arange(-spec.profile_nm, spec.profile_nm + 1e-6, spec.profile_step_nm)
    indices = surface.indices(block, along)
    fine, coarse, dark = (_read(f, indices) for f in (block.fine, block.coarse, block.dark))
    _profiles(columns, fine, dark, level, contrast)
    depth = _spots(columns, along, fine, coarse, dark, contrast)
    _places(columns, surface, depth, dark[:, :, len(along) // 2], spec)
    return columns


def _surroundings(
    columns: Columns, block: Block, surface: Surface, spec: FeatureSpec
) -> tuple[Floats, Floats]:
    """Add the grey inside both segments; return the level and contrast all around."""
    level = contrast = np.zeros(0)
    for radius in spec.balls_nm[:2]:
        offsets = ball_offsets(radius, spec.ball_steps - 2)
        indices = surface.around(block, offsets)
        labels = block.labels_at(indices)
        grey, dark = _read(block.fine, indices), _read(block.dark, indices)
        level, contrast = grey.mean(axis=1), grey.std(axis=1)
        name = f"ball{radius:g}"
        columns.add(f"{name}.grey", level)
        columns.add(f"{name}.contrast", contrast)
        sides = [
            (*_moments(grey, mask), *_moments(dark, mask))
            for mask in (labels == surface.pairs[:, side, None] for side in (0, 1))
        ]
        words = ("grey", "texture", "dark", "dark_texture")
        for word, a, b in zip(words, *sides, strict=True):
            columns.sides(f"{name}.{word}", a, b)
    return level[:, None], np.maximum(contrast, 1.0)[:, None]


def _read(field: NDArray[np.uint16], indices: NDArray[np.int32]) -> NDArray[np.float32]:
    return np.asarray(field.ravel()[indices] * np.float32(1 / GREY))


def _moments(values: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return mean and deviation over the places of each row's mask; 0 where it is empty."""
    weight = mask.astype(np.float32)
    count = np.maximum(weight.sum(axis=1), 1)
    mean = (values * weight).sum(axis=1) / count
    variance = (values * values * weight).sum(axis=1) / count - mean**2
    return mean, np.sqrt(np.maximum(variance, 0))


def _profiles(
    columns: Columns, fine: Floats, dark: Floats, level: Floats, contrast: Floats
) -> None:
    """Add mean grey and darkness by distance from the surface, both sides together."""
    middle = fine.shape[2] // 2
    profile = (fine.mean(axis=1) - level) / contrast
    shade = dark.mean(axis=1) / contrast
    for step in range(0, middle + 1):
        both = (profile[:, middle - step] + profile[:, middle + step]) / 2
        columns.add(f"profile{step}", both)
        columns.add(f"shade{step}", (shade[:, middle - step] + shade[:, middle + step]) / 2)
    for step in range(2, middle + 1, 3):
        apart = np.abs(profile[:, middle - step] - profile[:, middle + step])
        columns.add(f"unlike{step}", apart)


def _spots(
    columns: Columns,
    along: Floats,
    fine: Floats,
    coarse: Floats,
    dark: Floats,
    contrast: Floats,
) -> Floats:
    """Add how each measure is spread over the spots; return the membrane's depth (n, k)."""
    middle, far = np.abs(along) <= 20, np.abs(along) >= 40
    low = fine[:, :, middle].min(axis=2)
    flanks = np.minimum(
        fine[:, :, far & (along < 0)].mean(axis=2), fine[:, :, far & (along > 0)].mean(axis=2)
    )
    depth = (flanks - low) / contrast
    center = len(along) // 2
    columns.spread("depth", depth)
    columns.spread("level", (fine[:, :, center] - fine.mean(axis=2)) / contrast)
    columns.spread("grey", fine[:, :, center])
    columns.spread("coarse", coarse[:, :, center])
    columns.spread("dark", dark[:, :, center])
    columns.spread("darkest", dark[:, :, middle].max(axis=2))
    columns.spread("bend", coarse[:, :, [0, -1]].min(axis=2) - coarse[:, :, center])
    columns.spread("width", (fine < (flanks + low)[:, :, None] / 2).mean(axis=2))
    return np.asarray(depth)


def _places(
    columns: Columns, surface: Surface, depth: Floats, dark: Floats, spec: FeatureSpec
) -> None:
    """Add the weakest and strongest places of the membrane, and its middle against its rim."""
    place = surface.place_nm.astype(np.float32)
    apart = ((place[:, :, None, :] - place[:, None, :, :]) ** 2).sum(axis=3)
    near = (apart <= spec.pooled_nm**2).astype(np.float32)
    near /= near.sum(axis=2, keepdims=True)
    out = ((place - place.mean(axis=1, keepdims=True)) ** 2).sum(axis=2)
    inner = out <= np.median(out, axis=1)[:, None]
    for name, values in (("depth", depth), ("dark", dark)):
        pooled = np.einsum("nij,nj->ni", near, values.astype(np.float32))
        columns.add(f"{name}.weakest", pooled.min(axis=1))
        columns.add(f"{name}.strongest", pooled.max(axis=1))
        columns.add(f"{name}.inner", _moments(values, inner)[0])
        columns.add(f"{name}.rim", _moments(values, ~inner)[0])
    columns.add("open_share", (dark < 4.0).mean(axis=1))
