"""The training loop: AdamW, one-cycle learning rate, averaged weights, resumable by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.datasets.views import Views
from inference.pictures import unpack_pairs
from inference.training.augment import augmented
from inference.training.network import NetworkConfig, PairNetwork
from inference.training.state import OptimizerSettings, TrainingState

__all__ = ["LoopConfig", "Progress", "finished_network", "train_network"]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast to train.

    Parameters
    ----------
    smoothing : float
        Label smoothing: a few labels of the truth are wrong.
    averaging : float
        Decay of the running average of the weights, per step.
    threads : int
        Processor threads; 1 is fastest where other work shares the cores.
    """

    epochs: int = 12
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    smoothing: float = 0.02
    averaging: float = 0.995
    seed: int = 1
    threads: int = 1
    network: NetworkConfig = field(default_factory=NetworkConfig)


Progress = Callable[[int, float], None]
"""Called after each epoch with its number and mean loss."""


def train_network(
    sets: tuple[Views, ...],
    config: LoopConfig,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> PairNetwork:
    """Train on several sets of pictures, each seen equally often in an epoch.

    An epoch shows every pair of the first set once, each time in another of its
    pictures, and as many of every other set, drawn with balanced classes. With
    ``checkpoint``, an interrupted training goes on after its last complete epoch.
    """
    torch.set_num_threads(config.threads)
    pairs = len(np.unique(sets[0].pair))
    run = _Run(config, math.ceil(len(sets) * pairs / config.batch))
    if checkpoint is not None and checkpoint.exists():
        run.state.load(checkpoint)
    for epoch in range(run.state.epoch, config.epochs):
        loss = run.one_epoch(sets)
        if checkpoint is not None:
            run.state.save(checkpoint)
        if progress is not None:
            progress(epoch + 1, loss)
    return run.result()


def finished_network(checkpoint: Path, config: LoopConfig) -> PairNetwork | None:
    """Return the network of a complete training, or None if epochs are still missing."""
    if not checkpoint.exists():
        return None
    torch.set_num_threads(config.threads)
    run = _Run(config, 1)
    run.state.load(checkpoint)
    return run.result() if run.state.epoch >= config.epochs else None


class _Run:
    """A training state and what is done with it in an epoch."""

    def __init__(self, config: LoopConfig, steps_per_epoch: int) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.network = PairNetwork(config.network)
        settings = OptimizerSettings(
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            warmup=config.warmup,
            averaging=config.averaging,
        )
        self.state = TrainingState(self.network, settings, config.epochs * steps_per_epoch)

    def result(self) -> PairNetwork:
        """Return the network with the averaged weights."""
        trained = self.state.result
        assert isinstance(trained, PairNetwork)
        return trained.eval()

    def one_epoch(self, sets: tuple[Views, ...]) -> float:
        """Train one epoch and return its mean loss."""
        # Seeded by epoch, so that a resumed run sees what an uninterrupted one sees.
        epoch = self.state.epoch
        rng = np.random.default_rng([self.config.seed, epoch])
        torch.manual_seed(self.config.seed * 1000 + epoch)
        noise = torch.Generator().manual_seed(self.config.seed * 1000 + epoch)
        self.network.train()
        losses = [
            self._step(augmented(pictures, noise), same)
            for pictures, same in _batches(sets, self.config.batch, rng)
        ]
        self.state.epoch += 1
        return float(np.mean(losses))

    def _step(self, pictures: Tensor, same: Tensor) -> float:
        return self.state.step(_loss(self.network, pictures, same, self.config.smoothing))


def _loss(network: PairNetwork, pictures: Tensor, same: Tensor, smoothing: float) -> Tensor:
    target = same * (1 - 2 * smoothing) + smoothing
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = network(pictures)
    return functional.binary_cross_entropy_with_logits(logits.float(), target)


def _batches(
    sets: tuple[Views, ...], batch: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pictures (n, 9, h, w) and truth (n,) of one epoch in random order."""
    first = _one_view_each(sets[0], rng)
    rows = [first, *(_balanced(views, len(first), rng) for views in sets[1:])]
    source = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    row = np.concatenate(rows)
    order = rng.permutation(len(row))
    for begin in range(0, len(order), batch):
        pairs = [(int(source[i]), int(row[i])) for i in order[begin : begin + batch]]
        packed = np.stack([sets[s].pictures[r] for s, r in pairs])
        same = np.array([sets[s].same[r] for s, r in pairs], np.float32)
        yield torch.from_numpy(unpack_pairs(packed)), torch.from_numpy(same)


def _one_view_each(views: Views, rng: np.random.Generator) -> NDArray[np.int64]:
    order = rng.permutation(len(views))
    _, first = np.unique(views.pair[order], return_index=True)
    return np.asarray(order[first], np.int64)


def _balanced(views: Views, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    yes, no = np.flatnonzero(views.same), np.flatnonzero(~views.same)
    if not len(yes) or not len(no):
        return rng.integers(0, len(views), count)
    return np.concatenate([rng.choice(yes, count // 2), rng.choice(no, count - count // 2)])
