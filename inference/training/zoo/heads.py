"""One trunk, one head for each task, and the loss of tasks that not every picture answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.training.zoo.trunk import Trunk
from proofreading.verdicts import Task

__all__ = ["UNKNOWN", "OneTask", "SiteNetwork", "masked_loss"]

UNKNOWN = -1
"""Label of a picture whose answer to a task is not known."""


class SiteNetwork(nn.Module):
    """A trunk, a narrow penultimate layer shared by the tasks, and a logit for each task.

    Over a frozen trunk the penultimate layer is linear, so that the whole is a linear
    probe (of low rank where there are many tasks).
    """

    def __init__(
        self, trunk: Trunk, tasks: tuple[Task, ...], features: int, dropout: float
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.tasks = tasks
        self.dropout = nn.Dropout(dropout)
        self.bottleneck = nn.Linear(trunk.width, features)
        self.heads = nn.ModuleList([nn.Linear(features, 1) for _ in tasks])

    def forward(self, pictures: Tensor | None, geometry: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return logits (n, tasks) and features (n, d)."""
        return self.answers(self.trunk(pictures, geometry))

    def answers(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (n, tasks) and features (n, d) of what the trunk saw (n, width)."""
        features = self.bottleneck(self.dropout(pooled))
        if not self.trunk.frozen:
            features = functional.gelu(features)
        return torch.cat([head(features) for head in self.heads], dim=1), features


class OneTask(nn.Module):
    """The network of one task, as a judge runs it: logits (n,) and features (n, d)."""

    def __init__(self, network: SiteNetwork, task: Task, *, em: bool, geometry: bool) -> None:
        super().__init__()
        self.network = network
        self._index = network.tasks.index(task)
        self._em, self._geometry = em, geometry

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Take slices, views of meshes or both, in this order."""
        pictures = inputs[0] if self._em else None
        logits, features = self.network(pictures, inputs[-1] if self._geometry else None)
        return logits[:, self._index], features


def masked_loss(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Return the mean over tasks of each task's mean loss over what is known of it.

    Parameters
    ----------
    logits, labels : Tensor, shape (n, tasks)
        Labels are 1, 0 or `UNKNOWN`.
    smoothing : float
        Label smoothing (Szegedy et al. 2016): a truth of 1 becomes ``1 - smoothing / 2``.
    """
    known = labels != UNKNOWN
    target = labels.clamp(min=0) * (1 - smoothing) + smoothing / 2
    each = functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    count = known.sum(dim=0)
    mean = (each * known).sum(dim=0) / count.clamp(min=1)
    return mean.sum() / (count > 0).sum().clamp(min=1)
