"""From settings to a network."""

from __future__ import annotations

from inference.training.zoo.heads import SiteNetwork
from inference.training.zoo.probe import ProbeTrunk
from inference.training.zoo.resnet import ResNetTrunk
from inference.training.zoo.settings import Architecture, NetworkSettings, PictureShapes
from inference.training.zoo.trunk import Trunk
from inference.training.zoo.vit import ViTTrunk
from proofreading.verdicts import Task

__all__ = ["build"]

_TRUNKS: dict[Architecture, type[ResNetTrunk] | type[ViTTrunk] | type[ProbeTrunk]] = {
    Architecture.RESNET_18: ResNetTrunk,
    Architecture.RESNET_50: ResNetTrunk,
    Architecture.VIT: ViTTrunk,
    Architecture.SIGLIP_PROBE: ProbeTrunk,
}


def build(settings: NetworkSettings, shapes: PictureShapes, tasks: tuple[Task, ...]) -> SiteNetwork:
    """Return a network with random or pretrained weights.

    Raises
    ------
    InputError
        If the pictures do not fit the network.
    ModelError
        If pretrained weights cannot be had.
    """
    trunk: Trunk = _TRUNKS[settings.architecture](settings, shapes)
    return SiteNetwork(trunk, tasks, settings.features, settings.dropout)
