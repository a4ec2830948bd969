"""Changes of the geometry tensor that do not change its answer.

A view that is mirrored or turned shows another scene, the mirrored or turned one, so
its normals, which are vectors of the camera's frame, change with it. Every view is
changed for itself: mirroring a scene along the axis that a camera looks along would
show that camera the other side, which no picture holds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rendering.geometry import CHANNELS

__all__ = ["augmented_geometry", "erased", "exchanged", "flipped", "turned"]

_RIGHT, _UP = CHANNELS.index("normal_right"), CHANNELS.index("normal_up")
_A, _B = CHANNELS.index("mask_a"), CHANNELS.index("mask_b")


def flipped(views: Tensor, *, across: bool) -> Tensor:
    """Mirror views (…, 7, h, w): left and right with `across`, else top and bottom.

    It is the view of the scene mirrored along the axis to the right, or upwards.
    """
    changed = views.flip(-1 if across else -2).clone()
    changed[..., _RIGHT if across else _UP, :, :].neg_()
    return changed


def turned(views: Tensor, quarters: int) -> Tensor:
    """Turn views (…, 7, h, w) counter-clockwise by quarters of a circle.

    It is the view of the scene turned around the axis towards the viewer.
    """
    changed = torch.rot90(views, quarters, dims=(-2, -1)).clone()
    right, up = changed[..., _RIGHT, :, :].clone(), changed[..., _UP, :, :].clone()
    for _ in range(quarters % 4):
        right, up = -up, right
    changed[..., _RIGHT, :, :], changed[..., _UP, :, :] = right, up
    return changed


def augmented_geometry(
    geometry: Tensor, rng: torch.Generator, *, drop_channel: float, erase: float
) -> Tensor:
    """Return tensors (n, v, 7, h, w) changed in every way that leaves the answer alone.

    Each view is mirrored and turned by chance; in some samples one channel is 0, and in
    some views a rectangle is.
    """
    n, count, channels, height, width = geometry.shape
    views = geometry.reshape(n * count, channels, height, width)
    for across in (True, False):
        views = torch.where(_coin(len(views), 0.5, rng), flipped(views, across=across), views)
    views = torch.where(_coin(len(views), 0.5, rng), turned(views, 1), views)
    views = erased(views, erase, rng)
    return _dropped(views.reshape(geometry.shape), drop_channel, rng)


def erased(views: Tensor, chance: float, rng: torch.Generator) -> Tensor:
    """Set a rectangle of 10 to 30 % of some views (n, c, h, w) to 0 (Zhong et al. 2020)."""
    n, _, height, width = views.shape
    share = 0.1 + 0.2 * torch.rand(n, 1, generator=rng, device=rng.device)
    edges = share.sqrt()
    place = torch.rand(n, 2, generator=rng, device=rng.device) * (1 - edges)
    rows, columns = (
        (spot >= place[:, axis : axis + 1]) & (spot < place[:, axis : axis + 1] + edges)
        for axis, spot in enumerate(_spots(height, width, rng.device))
    )
    hole = rows[:, None, :, None] & columns[:, None, None, :] & _coin(n, chance, rng)
    return views.masked_fill(hole, 0.0)


def exchanged(geometry: Tensor, which: Tensor) -> Tensor:
    """Exchange A and B in the samples (n, v, 7, h, w) where `which` (n,) says so."""
    swapped = geometry.clone()
    swapped[:, :, _A], swapped[:, :, _B] = geometry[:, :, _B], geometry[:, :, _A]
    return torch.where(which.reshape(-1, 1, 1, 1, 1), swapped, geometry)


def _spots(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where the rows (1, h) and columns (1, w) lie, 0 to 1."""
    down = (torch.arange(height, device=device) + 0.5) / height
    right = (torch.arange(width, device=device) + 0.5) / width
    return down.unsqueeze(0), right.unsqueeze(0)


def _dropped(geometry: Tensor, chance: float, rng: torch.Generator) -> Tensor:
    n, _, channels = geometry.shape[:3]
    which = torch.randint(0, channels, (n, 1), generator=rng, device=rng.device)
    there = torch.arange(channels, device=rng.device) == which
    gone = there.reshape(n, 1, channels, 1, 1) & _coin(n, chance, rng).unsqueeze(1)
    return geometry.masked_fill(gone, 0.0)


def _coin(n: int, chance: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=rng, device=rng.device) < chance).reshape(n, 1, 1, 1)
