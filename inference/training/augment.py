"""Changes of a picture that do not change its answer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augmented"]


def augmented(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Return pictures (n, 9, h, w) mirrored, turned, re-lit and with gaps between segments."""
    changed = _turned(pictures, rng)
    n, planes = changed.shape[0], changed.shape[1] // 3
    parts = changed.reshape(n, planes, 3, *changed.shape[2:]).clone()
    parts[:, :, 0] = _relit(parts[:, :, 0], rng)
    parts[:, :, 1:] = _with_gaps(parts[:, :, 1:], rng)
    return parts.reshape(changed.shape)


def _coin(n: int, chance: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=rng) < chance).reshape(n, 1, 1, 1)


def _turned(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Mirror along x, y and z and exchange x with y, in all three planes alike.

    Planes are xy (right x, down y), xz (right x, down z) and yz (right -z, down y). The
    exchange mirrors z as well, which the mirror along z makes as likely as not.
    """
    n = pictures.shape[0]
    xy, xz, yz = pictures[:, 0:3], pictures[:, 3:6], pictures[:, 6:9]
    along_x, along_y, along_z, swap = (_coin(n, 0.5, rng) for _ in range(4))
    xy = torch.where(along_x, xy.flip(3), xy)
    xz = torch.where(along_x, xz.flip(3), xz)
    xy = torch.where(along_y, xy.flip(2), xy)
    yz = torch.where(along_y, yz.flip(2), yz)
    xz = torch.where(along_z, xz.flip(2), xz)
    yz = torch.where(along_z, yz.flip(3), yz)
    swapped = torch.cat([xy.mT, yz.mT, xz.mT], dim=1)
    return torch.where(swap, swapped, torch.cat([xy, xz, yz], dim=1))


def _relit(grey: Tensor, rng: torch.Generator) -> Tensor:
    """Change brightness, contrast, sharpness and noise; absent pixels stay 0."""
    n = grey.shape[0]
    blurred = functional.avg_pool2d(grey, 3, stride=1, padding=1, count_include_pad=False)
    lit = torch.where(_coin(n, 0.2, rng), blurred, grey)
    contrast = 0.7 + 0.6 * torch.rand(n, 1, 1, 1, generator=rng)
    brightness = 0.3 * torch.rand(n, 1, 1, 1, generator=rng) - 0.15
    noise = 0.06 * torch.rand(n, 1, 1, 1, generator=rng) * torch.randn(grey.shape, generator=rng)
    lit = (lit - 0.5) * contrast + 0.5 + brightness + noise
    return torch.where(grey > 0, lit.clamp(0, 1), grey)


def _with_gaps(masks: Tensor, rng: torch.Generator) -> Tensor:
    """Wear one or two pixels off the masks of some pictures, as automatic segments leave gaps."""
    n, planes, _, height, width = masks.shape
    flat = masks.reshape(n, planes * 2, height, width)
    one = -functional.max_pool2d(-flat, 3, stride=1, padding=1)
    two = -functional.max_pool2d(-one, 3, stride=1, padding=1)
    worn = torch.where(_coin(n, 0.3, rng), one, flat)
    worn = torch.where(_coin(n, 0.15, rng), two, worn)
    return worn.reshape(masks.shape)
