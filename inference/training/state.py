"""Everything that changes while a network is trained, and how it is kept.

One optimiser step is the same for every network of this house: AdamW (Loshchilov and
Hutter 2019), a linear warm-up and half a cosine, gradients clipped where asked, and a
running average of the weights where asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from connectome.errors import StorageError

__all__ = ["OptimizerSettings", "TrainingState"]


@dataclass(frozen=True)
class OptimizerSettings:
    """How fast the weights change.

    Parameters
    ----------
    warmup : float
        Share of all steps in which the rate rises.
    averaging : float or None
        Decay of the running average of the weights per step; None keeps none.
    clip : float or None
        Longest gradient; None leaves gradients alone.
    backbone_factor : float
        Factor of the rate of weights that came from a pretrained network.
    """

    learning_rate: float
    weight_decay: float
    warmup: float
    averaging: float | None = None
    clip: float | None = None
    backbone_factor: float = 1.0


class TrainingState:
    """A network with its optimiser, schedule and average.

    Parameters
    ----------
    network : Module
        Already on its device.
    backbone : list of Parameter
        The weights that came from a pretrained network.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: OptimizerSettings,
        steps: int,
        backbone: list[nn.Parameter] | None = None,
    ) -> None:
        self.epoch = 0
        self.network = network
        self.extra: dict[str, Any] = {}
        self._settings = settings
        self._average: AveragedModel | None = None
        if settings.averaging is not None:
            average = _running_average(settings.averaging)
            self._average = AveragedModel(network, multi_avg_fn=average, use_buffers=True)
        self._optimizer = torch.optim.AdamW(
            _groups(network, settings, backbone or []),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _rate(step / max(steps, 1), settings.warmup)
        )

    @property
    def result(self) -> nn.Module:
        """The network with the weights that count: averaged where an average is kept."""
        if self._average is None:
            return self.network
        trained: nn.Module = self._average.module
        return trained

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def step(self, loss: Tensor) -> float:
        """Change the weights against a loss and return the loss."""
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._settings.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self.network)
        return loss.item()

    def save(self, path: Path) -> None:
        """Write everything; a file cut off by a crash never replaces a complete one.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        state = {name: part.state_dict() for name, part in self._parts().items()}
        partial = path.with_suffix(".part")
        try:
            torch.save({"epoch": self.epoch, "extra": self.extra, **state}, partial)
            partial.replace(path)
        except OSError as error:
            raise StorageError(
                f"The checkpoint {path} cannot be written.", "Make room, or name another folder."
            ) from error

    def load(self, path: Path, device: torch.device | None = None) -> None:
        """Go on from a saved state."""
        state = torch.load(path, weights_only=True, map_location=device)
        self.epoch = int(state["epoch"])
        self.extra = dict(state.get("extra", {}))
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "network": self.network,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }
        return parts if self._average is None else {**parts, "average": self._average}


def _groups(
    network: nn.Module, settings: OptimizerSettings, backbone: list[nn.Parameter]
) -> list[dict[str, Any]]:
    """Return the optimiser's groups; a slower one only where there is a backbone."""
    slow = {id(parameter) for parameter in backbone}
    learning = [p for p in network.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [{"params": [p for p in learning if id(p) not in slow]}]
    kept = [p for p in learning if id(p) in slow]
    if kept:
        rate = settings.learning_rate * settings.backbone_factor
        groups.append({"params": kept, "lr": rate})
    return groups


def _running_average(decay: float) -> Callable[..., None]:
    average: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return average


def _rate(done: float, warmup: float) -> float:
    """Return the learning rate's factor: linear warm-up, then half a cosine."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * min((done - warmup) / (1 - warmup), 1.0)))
