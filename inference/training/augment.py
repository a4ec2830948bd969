"""Changes of a picture that do not change its answer."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augmented"]


def augmented(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Return pictures (n, 9, h, w) changed in every way that leaves the answer alone.

    Mirrored and turned, re-lit, with gaps between segments; some as if the sections were
    cut 30 to 50 nm thick, one missing or shifted.
    """
    changed = _sectioned(_turned(pictures, rng), rng)
    n, planes = changed.shape[0], changed.shape[1] // 3
    parts = changed.reshape(n, planes, 3, *changed.shape[2:]).clone()
    parts[:, :, 0] = _relit(parts[:, :, 0], rng)
    parts[:, :, 1:] = _with_gaps(parts[:, :, 1:], rng)
    return parts.reshape(changed.shape)


def _coin(n: int, chance: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=rng, device=rng.device) < chance).reshape(n, 1, 1, 1)


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


def _sectioned(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """Show some pictures as if their sections were three to five pixels thick."""
    n = pictures.shape[0]
    thickness = torch.randint(3, 6, (n, 1, 1, 1), generator=rng, device=rng.device)
    thickness = torch.where(_coin(n, 0.35, rng), thickness, 1)
    phase = int(torch.randint(0, 60, (1,), generator=rng, device=rng.device))
    xy, xz, yz = pictures[:, 0:3], pictures[:, 3:6], pictures[:, 6:9]
    # z runs down in xz and to the left in yz: both are laid down, z from the top.
    lying = torch.cat([xz, yz.mT], dim=1)
    shown = lying
    for pixels in (3, 4, 5):
        shown = torch.where(thickness == pixels, _thick(lying, pixels, phase, rng), shown)
    return torch.cat([xy, shown[:, 0:3], shown[:, 3:6].mT], dim=1)


def _thick(lying: Tensor, pixels: int, phase: int, rng: torch.Generator) -> Tensor:
    """Return planes (n, 6, z, w) as they look when sections are so many pixels thick.

    Grey values are means over a section, interpolated between sections as a reader of
    such a volume does; masks are those of the nearest section.
    """
    n, _, depth, width = lying.shape
    shift = phase % pixels
    padded = functional.pad(lying, (0, 0, shift, -(depth + shift) % pixels), mode="replicate")
    sections = padded.reshape(n, 6, -1, pixels, width)
    grey = _faulty(sections[:, [0, 3]].mean(dim=3), rng)
    smooth = functional.interpolate(
        grey, size=(padded.shape[2], width), mode="bilinear", align_corners=False
    )
    middle = sections[:, :, :, pixels // 2].repeat_interleave(pixels, dim=2)
    middle[:, [0, 3]] = smooth
    return middle[:, :, shift : shift + depth]


def _faulty(grey: Tensor, rng: torch.Generator) -> Tensor:
    """Lose one section of some pictures, and shift one of others sideways (n, 2, z, w)."""
    n, _, count, _ = grey.shape
    which = torch.randint(0, count, (n, 1, 1, 1), generator=rng, device=rng.device)
    there = torch.arange(count, device=grey.device).reshape(1, 1, count, 1) == which
    lost = there & _coin(n, 0.1, rng)
    shifted = there & _coin(n, 0.1, rng)
    moved = grey.roll(int(torch.randint(-4, 5, (1,), generator=rng, device=rng.device)), dims=3)
    return torch.where(lost, 0.0, torch.where(shifted, moved, grey))


def _relit(grey: Tensor, rng: torch.Generator) -> Tensor:
    """Change brightness, contrast, sharpness and noise; absent pixels stay 0."""
    n = grey.shape[0]
    blurred = functional.avg_pool2d(grey, 3, stride=1, padding=1, count_include_pad=False)
    lit = torch.where(_coin(n, 0.2, rng), blurred, grey)
    contrast = 0.7 + 0.6 * torch.rand(n, 1, 1, 1, generator=rng, device=rng.device)
    brightness = 0.3 * torch.rand(n, 1, 1, 1, generator=rng, device=rng.device) - 0.15
    noise = (
        0.06
        * torch.rand(n, 1, 1, 1, generator=rng, device=rng.device)
        * torch.randn(grey.shape, generator=rng, device=rng.device)
    )
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
