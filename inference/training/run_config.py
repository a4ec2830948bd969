"""Everything that decides what comes out of a training run, besides the data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from connectome.errors import InputError
from inference.training.state import OptimizerSettings
from inference.training.zoo.settings import NetworkSettings
from proofreading.verdicts import Task

__all__ = ["AugmentSettings", "RunConfig"]


@dataclass(frozen=True)
class AugmentSettings:
    """How training pictures are changed. `exchange` swaps A and B: a pair has no order."""

    on: bool = True
    drop_channel: float = 0.15
    erase: float = 0.4
    exchange: bool = True


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    The published settings of ConnectomeBench2 are the defaults; the rate holds for
    batches of 256 and is scaled by the square root of the batch.

    Parameters
    ----------
    tasks : tuple of Task
        One head each.
    inputs : tuple of {"em", "geometry"}
        What the network looks at.
    epochs : int
        An epoch shows as many pictures as the training part holds.
    patience : int
        Epochs without a better validation after which a run ends; 0 for never.
    balance : {"classes", "natural"}
        Whether every answer of every task is shown equally often in training.
        Validation and test are always as they are.
    smoothing : float
        Label smoothing.
    warmup : float
        Share of the steps in which the rate rises.
    averaging : float or None
        Decay of a running average of the weights.
    device : {"auto", "cpu", "cuda"}
        With ``auto``, CUDA where there is one.
    threads : int
        Processor threads.
    """

    tasks: tuple[Task, ...]
    inputs: tuple[Literal["em", "geometry"], ...] = ("em",)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    epochs: int = 10
    batch: int = 256
    learning_rate: float = 1e-4
    weight_decay: float = 0.05
    backbone_factor: float = 0.1
    warmup: float = 0.1
    clip: float = 1.0
    smoothing: float = 0.1
    averaging: float | None = None
    patience: int = 0
    balance: Literal["classes", "natural"] = "classes"
    seed: int = 42
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1

    def __post_init__(self) -> None:
        if not self.tasks or not self.inputs or self.epochs < 1 or self.batch < 2:
            raise InputError(
                "A training run needs tasks, inputs, an epoch and batches of at least two.",
                "Correct these settings of the run.",
            )

    @property
    def optimizer(self) -> OptimizerSettings:
        """What the optimiser is told."""
        return OptimizerSettings(
            learning_rate=self.learning_rate * math.sqrt(self.batch / 256),
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            averaging=self.averaging,
            clip=self.clip,
            backbone_factor=self.backbone_factor,
        )

    def as_json(self) -> dict[str, Any]:
        """Return every setting as JSON can hold it."""
        found: dict[str, Any] = TypeAdapter(RunConfig).dump_python(self, mode="json")
        return found

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide the result: not the device, nor its threads."""
        return {k: v for k, v in self.as_json().items() if k not in ("device", "threads")}

    @classmethod
    def from_file(cls, path: Path) -> RunConfig:
        """Read a JSON file of settings; what it leaves out is as published.

        Raises
        ------
        InputError
            If the file cannot be read, or holds settings that do not exist.
        """
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes(), extra="forbid")
        except OSError as error:
            raise InputError(
                f"The settings {path} cannot be read.", "Name a JSON file with the run's settings."
            ) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InputError(
                f"The settings {path} cannot be used: {where}: {first['msg']}.",
                f"Settings are: {', '.join(sorted(asdict(cls((Task.PARTNER_CHOICE,)))))}.",
            ) from error
