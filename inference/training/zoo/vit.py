"""A vision transformer (Dosovitskiy et al. 2021) that looks at all views of a site at once.

Slices and views of meshes have patch embeddings and positions of their own and share
the blocks. Every patch knows its view, and one class token reads them all, so that the
views are weighed inside the network and no answers are averaged.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ViTConfig, ViTModel

from connectome.errors import InputError
from inference.training.zoo.settings import NetworkSettings, PictureShapes
from inference.training.zoo.trunk import (
    GEOMETRY_RGB,
    Trunk,
    copied_stem,
    em_views,
    weights_from,
)

__all__ = ["ViTTrunk"]


class ViTTrunk(Trunk):
    """One transformer over the patches of every view."""

    def __init__(self, settings: NetworkSettings, shapes: PictureShapes) -> None:
        super().__init__()
        model = _vit(settings)
        self.width = int(model.config.hidden_size)
        self._fusion = settings.fusion
        self._stacked = settings.em_channels == 9
        self.token = nn.Parameter(model.embeddings.cls_token.detach().clone())
        self.blocks = model.layers
        self.norm = model.layernorm
        self.em = self._em_patches(model, shapes) if shapes.planes else None
        self.geometry = self._geometry_patches(model, shapes) if shapes.views else None
        self.query = _ViewAttention(self.width) if settings.fusion == "attention" else None
        self._keep = _kept(settings.drop_path, len(self.blocks))
        shared = [self.token, *self.blocks.parameters(), *self.norm.parameters()]
        self.backbone = shared if settings.pretrained is not None else []

    def _em_patches(self, model: ViTModel, shapes: PictureShapes) -> _Patches:
        if self._stacked:
            rgb_to = tuple(range(3))
            return _Patches(model, 1, 3 * shapes.planes, shapes.em_px, rgb_to)
        return _Patches(model, shapes.planes, 3, shapes.em_px, (0, 1, 2))

    def _geometry_patches(self, model: ViTModel, shapes: PictureShapes) -> _Patches:
        return _Patches(model, shapes.views, shapes.channels, shapes.geometry_px, GEOMETRY_RGB)

    def forward(self, pictures: Tensor | None, geometry: Tensor | None) -> Tensor:
        """Return vectors (n, width)."""
        seen = []
        if self.em is not None and pictures is not None:
            views = pictures.unsqueeze(1) if self._stacked else em_views(pictures)
            seen.append(self.em(views))
        if self.geometry is not None and geometry is not None:
            seen.append(self.geometry(geometry))
        if self.query is None:
            return self._read(torch.cat([tokens.flatten(1, 2) for tokens in seen], dim=1))
        fused: Tensor = self.query(torch.cat([self._by_view(tokens) for tokens in seen], dim=1))
        return fused

    def _by_view(self, tokens: Tensor) -> Tensor:
        """Return one vector for each view, (n, views, width), of tokens (n, views, p, width)."""
        _, views, _, width = tokens.shape
        return self._read(tokens.flatten(0, 1)).reshape(-1, views, width)

    def _read(self, tokens: Tensor) -> Tensor:
        """Return what the class token has read of sequences (n, p, width), shape (n, width)."""
        hidden = torch.cat([self.token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
        for block, keep in zip(self.blocks, self._keep, strict=True):
            hidden = self._block(block, hidden, keep)
        normed: Tensor = self.norm(hidden[:, 0])
        return normed

    def _block(self, block: nn.Module, hidden: Tensor, keep: float) -> Tensor:
        changed: Tensor = block(hidden)
        if not self.training or keep == 1.0:
            return changed
        alive = torch.rand(hidden.shape[0], 1, 1, device=hidden.device) < keep
        return hidden + (changed - hidden) * alive / keep


class _Patches(nn.Module):
    """Patches of views as tokens that know where they are."""

    def __init__(
        self, model: ViTModel, views: int, channels: int, size_px: int, rgb_to: tuple[int, ...]
    ) -> None:
        super().__init__()
        rgb = model.embeddings.patch_embeddings.projection
        patch = rgb.kernel_size[0]
        if size_px % patch:
            raise InputError(
                f"Pictures of {size_px} px cannot be cut into patches of {patch} px.",
                "Choose a picture size that is a multiple of the patch size.",
            )
        self.cut = copied_stem(rgb, channels, rgb_to)
        places = _places(model, size_px // patch)
        self.place = nn.Parameter(places)
        self.view = nn.Parameter(0.02 * torch.randn(1, views, 1, places.shape[-1]))

    def forward(self, views: Tensor) -> Tensor:
        """Return tokens (n, views, patches, width) of views (n, v, c, h, w)."""
        count = views.shape[1]
        cut = self.cut(views.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = cut.reshape(-1, count, cut.shape[1], cut.shape[2])
        placed: Tensor = tokens + self.place + self.view
        return placed


class _ViewAttention(nn.Module):
    """One learned query that attends to the views."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.key = nn.Linear(width, width)
        self._scale = width**-0.5

    def forward(self, views: Tensor) -> Tensor:
        """Return vectors (n, width) of views (n, v, width)."""
        weight = functional.softmax(self.key(views) @ self.query * self._scale, dim=1)
        return (weight.unsqueeze(2) * views).sum(dim=1)


def _vit(settings: NetworkSettings) -> ViTModel:
    if settings.pretrained is not None:
        return weights_from(
            settings.pretrained,
            lambda name: ViTModel.from_pretrained(name, add_pooling_layer=False),
        )
    config = ViTConfig(
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.width,
        patch_size=settings.patch,
    )
    model = ViTModel(config, add_pooling_layer=False)
    for learned in (model.embeddings.cls_token, model.embeddings.position_embeddings):
        nn.init.trunc_normal_(learned, std=0.02)
    return model


def _places(model: ViTModel, edge: int) -> Tensor:
    """Return the positions of a square of patches, interpolated where the square is another."""
    learned = model.embeddings.position_embeddings.detach()[:, 1:]
    had = round(learned.shape[1] ** 0.5)
    square = learned.reshape(1, had, had, -1).permute(0, 3, 1, 2)
    if edge != had:
        square = functional.interpolate(square, (edge, edge), mode="bicubic", align_corners=False)
    return square.flatten(2).transpose(1, 2).unsqueeze(1).contiguous()


def _kept(drop_path: float, blocks: int) -> list[float]:
    return [1.0 - drop_path * number / max(blocks - 1, 1) for number in range(blocks)]
