"""Which network, of which size, looking at what: everything that its shape follows from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from connectome.errors import InputError

__all__ = ["Architecture", "NetworkSettings", "PictureShapes"]


class Architecture(StrEnum):
    """The model classes that are compared."""

    RESNET_18 = "resnet-18"
    RESNET_50 = "resnet-50"
    VIT = "vit"
    SIGLIP_PROBE = "siglip-probe"


@dataclass(frozen=True)
class PictureShapes:
    """What a network is shown of a site.

    Parameters
    ----------
    planes, em_px : int
        EM slices (grey, mask of A, mask of B each) and their edge; 0 planes for none.
    views, channels, geometry_px : int
        Views of the meshes, their channels and their edge; 0 views for none.
    """

    planes: int = 3
    em_px: int = 224
    views: int = 0
    channels: int = 7
    geometry_px: int = 224

    def __post_init__(self) -> None:
        if self.planes + self.views == 0:
            raise InputError(
                "A network has to look at something.",
                "Name `em`, `geometry` or both as its inputs.",
            )


@dataclass(frozen=True)
class NetworkSettings:
    """A network of the zoo.

    Parameters
    ----------
    architecture : Architecture
        The model class.
    layout : {"views", "grid"}
        A ResNet either looks at each view with the same weights and weighs the views
        together, or at one picture in which the views stand in a grid (four tiles of
        112 px make 224).
    fusion : {"tokens", "attention"}
        A ViT either puts the patches of all views into one sequence, or looks at each
        view alone and lets one query attend to the views.
    em_channels : {3, 9}
        A ViT takes slices one by one (3 channels) or all on one another (9).
    features : int
        Width of the penultimate layer, in which strangeness is measured.
    dropout : float
        Before the penultimate layer.
    drop_path : float
        Chance of the last block of a ViT to be left out (Huang et al. 2016); earlier
        blocks proportionally less.
    pretrained : str or None
        Folder or hub id of weights to begin with; random weights if None.
    depths, hidden, embedding : tuple of int, tuple of int, int
        Sizes of a ResNet other than the published ones; empty and 0 for those.
    width, layers, heads, patch : int
        Sizes of a transformer; ViT-B/16 and SigLIP-B/16 unless said otherwise.
    encoder_px : int
        Edge of the pictures that a SigLIP encoder takes.
    """

    architecture: Architecture = Architecture.RESNET_18
    layout: Literal["views", "grid"] = "views"
    fusion: Literal["tokens", "attention"] = "tokens"
    em_channels: Literal[3, 9] = 3
    features: int = 64
    dropout: float = 0.1
    drop_path: float = 0.1
    pretrained: str | None = None
    depths: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    embedding: int = 0
    width: int = 768
    layers: int = 12
    heads: int = 12
    patch: int = 16
    encoder_px: int = 224
