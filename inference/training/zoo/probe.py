"""A frozen SigLIP or SigLIP-2 vision encoder (Tschannen et al. 2025) for a linear probe."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    Siglip2VisionConfig,
    Siglip2VisionModel,
    SiglipVisionModel,
)

from inference.training.zoo.settings import NetworkSettings, PictureShapes
from inference.training.zoo.trunk import Trunk, em_views, geometry_rgb, weights_from

__all__ = ["ProbeTrunk"]


class ProbeTrunk(Trunk):
    """Pooled features of every view, one after the other; no weight of it ever changes.

    Slices are shown as (grey, A, B), views of meshes as (shade, A, B), both scaled to
    the encoder's size and to -1 … 1. Public checkpoints of SigLIP-2 with a fixed picture
    size are of the first SigLIP's class, those of any size of `Siglip2VisionModel`.
    """

    frozen = True

    def __init__(self, settings: NetworkSettings, shapes: PictureShapes) -> None:
        super().__init__()
        self.encoder, self._each = _encoder(settings)
        self.encoder.requires_grad_(False)
        self.backbone = []
        self._edge = settings.encoder_px
        self.width = self._each * (shapes.planes + shapes.views)

    def forward(self, pictures: Tensor | None, geometry: Tensor | None) -> Tensor:
        """Return vectors (n, width)."""
        seen = []
        if pictures is not None:
            seen.append(self._look(em_views(pictures)))
        if geometry is not None:
            seen.append(self._look(geometry_rgb(geometry)))
        return torch.cat(seen, dim=1)

    def train(self, mode: bool = True) -> ProbeTrunk:
        """Stay as it is in use, whatever the heads do."""
        del mode
        super().train(False)
        return self

    def _look(self, views: Tensor) -> Tensor:
        count = views.shape[1]
        scaled = functional.interpolate(
            views.flatten(0, 1) * 2 - 1, (self._edge, self._edge), mode="bilinear"
        )
        return self._encode(scaled).reshape(-1, count * self._each)

    def _encode(self, pictures: Tensor) -> Tensor:
        if isinstance(self.encoder, SiglipVisionModel):
            pooled: Tensor = self.encoder(pictures, interpolate_pos_encoding=False).pooler_output
            return pooled
        return _encode_any_size(self.encoder, pictures)


def _encode_any_size(encoder: Any, pictures: Tensor) -> Tensor:
    """Return the pooled features (n, width) of an encoder that takes patches.

    The positions are laid out once for the square of patches that every picture has; the
    encoder's own way, picture by picture, cannot be exported for any number of pictures.
    """
    embeddings = encoder.embeddings
    patch, edge = int(embeddings.patch_size), pictures.shape[-1] // int(embeddings.patch_size)
    cut = pictures.reshape(-1, 3, edge, patch, edge, patch).permute(0, 2, 4, 3, 5, 1)
    tokens = embeddings.patch_embedding(cut.reshape(-1, edge * edge, patch * patch * 3))
    had = int(embeddings.position_embedding_size)
    square = embeddings.position_embedding.weight.reshape(1, had, had, -1).permute(0, 3, 1, 2)
    if had != edge:
        square = functional.interpolate(square, (edge, edge), mode="bilinear", antialias=True)
    hidden = encoder.encoder(inputs_embeds=tokens + square.flatten(2).transpose(1, 2))
    pooled: Tensor = encoder.head(encoder.post_layernorm(hidden.last_hidden_state))
    return pooled


def _encoder(settings: NetworkSettings) -> tuple[nn.Module, int]:
    """Return an encoder and the length of its features."""
    if settings.pretrained is not None:
        return weights_from(settings.pretrained, _loaded)
    config = Siglip2VisionConfig(
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=4 * settings.width,
        patch_size=settings.patch,
        num_patches=(settings.encoder_px // settings.patch) ** 2,
    )
    return Siglip2VisionModel(config), settings.width


def _loaded(name: str) -> tuple[nn.Module, int]:
    kind = str(AutoConfig.from_pretrained(name).model_type)
    model = (
        Siglip2VisionModel.from_pretrained(name)
        if kind.startswith("siglip2")
        else SiglipVisionModel.from_pretrained(name)
    )
    return model, int(model.config.hidden_size)
