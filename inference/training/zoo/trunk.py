"""What every trunk of the zoo does, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from connectome.errors import ModelError

__all__ = ["GEOMETRY_RGB", "Trunk", "copied_stem", "em_views", "geometry_rgb", "weights_from"]

GEOMETRY_RGB = (2, 3, 4)
"""The normals: those channels of the geometry tensor that begin as red, green and blue."""

Loaded = TypeVar("Loaded")


class Trunk(nn.Module, ABC):
    """From pictures of a site to one vector.

    Attributes
    ----------
    width : int
        Length of the vector.
    frozen : bool
        Whether the trunk keeps its weights while its heads are trained.
    backbone : list of Parameter
        Weights that came from a pretrained network and change slowly.
    """

    width: int
    frozen: bool = False
    backbone: list[nn.Parameter]

    @abstractmethod
    def forward(self, pictures: Tensor | None, geometry: Tensor | None) -> Tensor:
        """Return vectors (n, width) of slices (n, planes * 3, h, w) and views (n, v, c, h, w)."""


def em_views(pictures: Tensor) -> Tensor:
    """Return slices (n, planes * 3, h, w) as views (n, planes, 3, h, w)."""
    _, channels, height, width = pictures.shape
    return pictures.reshape(-1, channels // 3, 3, height, width)


def geometry_rgb(geometry: Tensor) -> Tensor:
    """Return views (n, v, 7, h, w) as pictures of shade, A and B, like the slices' channels."""
    shade = geometry[:, :, 0] * (0.25 + 0.75 * geometry[:, :, 4])
    return torch.stack([shade, geometry[:, :, 5], geometry[:, :, 6]], dim=2)


def copied_stem(rgb: nn.Conv2d, channels: int, rgb_to: tuple[int, ...]) -> nn.Conv2d:
    """Return a first convolution of more channels that begins as one of three did.

    The weights of red, green and blue go to the channels `rgb_to`; the others begin at
    random (He et al. 2015), scaled down so that together they say no more than one.
    """
    made = nn.Conv2d(
        channels,
        rgb.out_channels,
        rgb.kernel_size,  # type: ignore[arg-type]
        stride=rgb.stride,  # type: ignore[arg-type]
        padding=rgb.padding,  # type: ignore[arg-type]
        bias=rgb.bias is not None,
    )
    with torch.no_grad():
        nn.init.kaiming_normal_(made.weight, mode="fan_out")
        made.weight.div_(max(channels - 3, 1))
        made.weight[:, list(rgb_to)] = rgb.weight
        if rgb.bias is not None and made.bias is not None:
            made.bias.copy_(rgb.bias)
    return made


def weights_from(name: str, load: Callable[[str], Loaded]) -> Loaded:
    """Return what `load` makes of a folder or hub id.

    Raises
    ------
    ModelError
        If there are no such weights, or if they are of another architecture.
    """
    try:
        return load(name)
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"The pretrained weights {name!r} cannot be used: {str(error).splitlines()[0]}",
            "Name a folder that `save_pretrained` wrote, or the id of a public checkpoint.",
        ) from error
