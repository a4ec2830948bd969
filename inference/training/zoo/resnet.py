"""ResNet-18 and ResNet-50 (He et al. 2015) over the views of a site."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetModel

from inference.training.zoo.settings import Architecture, NetworkSettings, PictureShapes
from inference.training.zoo.trunk import (
    GEOMETRY_RGB,
    Trunk,
    copied_stem,
    em_views,
    weights_from,
)

__all__ = ["ResNetTrunk", "grid"]

_SIZES = {
    Architecture.RESNET_18: ("basic", (2, 2, 2, 2), (64, 128, 256, 512)),
    Architecture.RESNET_50: ("bottleneck", (3, 4, 6, 3), (256, 512, 1024, 2048)),
}
_STEM = 64


class ResNetTrunk(Trunk):
    """One ResNet for the slices and one for the views of meshes, side by side.

    With the layout ``views`` every view passes through the same weights, and mean and
    maximum over the views follow; with ``grid`` the views are tiles of one picture.
    """

    def __init__(self, settings: NetworkSettings, shapes: PictureShapes) -> None:
        super().__init__()
        self._layout = settings.layout
        self.em = _resnet(settings, 3) if shapes.planes else None
        self.geometry = _resnet(settings, shapes.channels) if shapes.views else None
        self.backbone = _pretrained(settings, [self.em, self.geometry])
        width = _sizes(settings)[2][-1]
        each = 2 * width if settings.layout == "views" else width
        self.width = each * ((self.em is not None) + (self.geometry is not None))

    def forward(self, pictures: Tensor | None, geometry: Tensor | None) -> Tensor:
        """Return vectors (n, width)."""
        seen = []
        if self.em is not None and pictures is not None:
            seen.append(self._look(self.em, em_views(pictures)))
        if self.geometry is not None and geometry is not None:
            seen.append(self._look(self.geometry, geometry))
        return torch.cat(seen, dim=1)

    def _look(self, network: nn.Module, views: Tensor) -> Tensor:
        if self._layout == "grid":
            return _pooled(network, grid(views))
        _, count, channels, height, width = views.shape
        pooled = _pooled(network, views.reshape(-1, channels, height, width))
        by_view = pooled.reshape(-1, count, pooled.shape[1])
        return torch.cat([by_view.mean(dim=1), by_view.amax(dim=1)], dim=1)


def grid(views: Tensor) -> Tensor:
    """Return views (n, v, c, h, w) as tiles of one picture (n, c, rows * h, columns * w).

    Two columns from two views on; a place without a view is 0.
    """
    _, count, channels, height, width = views.shape
    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    filled = functional.pad(views, (0, 0, 0, 0, 0, 0, 0, rows * columns - count))
    tiles = filled.reshape(-1, rows, columns, channels, height, width)
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, rows * height, columns * width)


def _pooled(network: nn.Module, pictures: Tensor) -> Tensor:
    maps: Tensor = network(pictures).last_hidden_state
    return maps.mean(dim=(2, 3))


def _sizes(settings: NetworkSettings) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    layer, depths, hidden = _SIZES[settings.architecture]
    return layer, settings.depths or depths, settings.hidden or hidden


def _resnet(settings: NetworkSettings, channels: int) -> ResNetModel:
    if settings.pretrained is not None:
        return _with_stem(weights_from(settings.pretrained, ResNetModel.from_pretrained), channels)
    layer, depths, hidden = _sizes(settings)
    config = ResNetConfig(
        num_channels=channels,
        embedding_size=settings.embedding or _STEM,
        hidden_sizes=list(hidden),
        depths=list(depths),
        layer_type=layer,
    )
    return ResNetModel(config)


def _with_stem(network: ResNetModel, channels: int) -> ResNetModel:
    """Give a pretrained network a stem for so many channels."""
    stem = network.embedder
    if channels != stem.num_channels:
        made = copied_stem(stem.embedder.convolution, channels, GEOMETRY_RGB)
        stem.embedder.convolution = made
        stem.num_channels = channels
    return network


def _pretrained(
    settings: NetworkSettings, networks: list[ResNetModel | None]
) -> list[nn.Parameter]:
    if settings.pretrained is None:
        return []
    return [p for network in networks if network is not None for p in network.parameters()]
