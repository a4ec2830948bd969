"""The network: one slim ResNet looks at each plane, and the planes are weighed together."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetModel

__all__ = ["NetworkConfig", "PairNetwork"]


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network.

    Parameters
    ----------
    embedding, hidden, depths
        Widths and depths of the ResNet's stem and stages (He et al. 2015).
    features : int
        Width of the penultimate layer, in which strangeness is measured.
    """

    embedding: int = 32
    hidden: tuple[int, ...] = (32, 64, 128, 192)
    depths: tuple[int, ...] = (1, 1, 1, 1)
    features: int = 32
    dropout: float = 0.2


class PairNetwork(nn.Module):
    """Nine channels in, a logit and the penultimate features out.

    The three planes are no colours of one picture (their pixels do not lie on one
    another), so each passes through the same trunk. A and B enter only through
    symmetric combinations: exchanging them cannot change the answer.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        resnet = ResNetConfig(
            num_channels=4,
            embedding_size=config.embedding,
            hidden_sizes=list(config.hidden),
            depths=list(config.depths),
            layer_type="basic",
        )
        self.trunk = ResNetModel(resnet)
        # A membrane is two or three pixels wide: the stem keeps half resolution.
        self.trunk.embedder.pooler = nn.Identity()  # type: ignore[assignment]
        width = 4 * config.hidden[-1]
        self.dropout = nn.Dropout(config.dropout)
        self.bottleneck = nn.Linear(width, config.features)
        self.head = nn.Linear(config.features, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n,) and features (n, d) of pictures (n, planes * 3, h, w)."""
        planes = pictures.shape[1] // 3
        height, width = pictures.shape[2], pictures.shape[3]
        with torch.no_grad():
            seen = _symmetric(pictures.reshape(-1, 3, height, width))
        maps = self.trunk(seen.contiguous(memory_format=torch.channels_last)).last_hidden_state
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        by_plane = pooled.reshape(-1, planes, pooled.shape[1])
        joined = torch.cat([by_plane.mean(dim=1), by_plane.amax(dim=1)], dim=1)
        features = functional.gelu(self.bottleneck(self.dropout(joined)))
        return self.head(features).squeeze(1), features


def _symmetric(planes: Tensor) -> Tensor:
    """Return grey, union, contact and near contact of planes (n, 3, h, w), each about -1 to 1."""
    grey, a, b = planes[:, 0:1], planes[:, 1:2], planes[:, 2:3]
    close = _grown(planes[:, 1:3], 1)
    far = _grown(close, 3)
    touching = close[:, 0:1] * close[:, 1:2]
    near = far[:, 0:1] * far[:, 1:2]
    return torch.cat([(grey - 0.5) * 4, (a + b) * 2 - 1, touching, near], dim=1)


def _grown(masks: Tensor, pixels: int) -> Tensor:
    """Grow masks (n, c, h, w) by a square; rows first, then columns, which costs less."""
    size = 2 * pixels + 1
    wide = functional.max_pool2d(masks, (1, size), stride=1, padding=(0, pixels))
    return functional.max_pool2d(wide, (size, 1), stride=1, padding=(pixels, 0))
