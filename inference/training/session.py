"""A network while it is trained: epochs, validation as it is, and the best epoch kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from connectome.errors import InputError
from inference.datasets.samples import Part
from inference.evaluation.metrics import balanced_accuracy
from inference.training.batches import Feeder, batches, epoch_rows, shapes_of
from inference.training.devices import autocast
from inference.training.feature_cache import cached_features
from inference.training.run_config import RunConfig
from inference.training.state import TrainingState
from inference.training.zoo.heads import UNKNOWN, SiteNetwork, masked_loss
from inference.training.zoo.registry import build
from proofreading.verdicts import Task

__all__ = ["Answers", "Session"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """What a network said of some rows.

    Parameters
    ----------
    logits : ndarray of float32, shape (n, tasks)
    features : ndarray of float32, shape (n, d)
    labels : ndarray of int8, shape (n, tasks)
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int8]

    def known(self, task: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the logits and the truth of a task where it is known."""
        rows = self.labels[:, task] != UNKNOWN
        return self.logits[rows, task], self.labels[rows, task] == 1


class Session:
    """One run's network, its training state and its data.

    Parameters
    ----------
    cache : Path
        Where what a frozen encoder saw is kept.

    Raises
    ------
    InputError
        If the training or the validation part is empty, or has one answer only.
    """

    def __init__(self, config: RunConfig, feeder: Feeder, cache: Path) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.feeder = feeder
        network = build(config.network, shapes_of(feeder.table, config), config.tasks)
        self.network: SiteNetwork = network.to(feeder.device)
        self.rows = {part: self._rows(part) for part in Part}
        self._check()
        steps = -(-len(self.rows[Part.TRAIN]) // config.batch)
        self._state = TrainingState(
            self.network, config.optimizer, config.epochs * steps, network.trunk.backbone
        )
        self._state.extra = {"history": [], "best": {}, "best_epoch": 0, "best_score": -1.0}
        self._pooled = cached_features(network.trunk, feeder, cache) if self._frozen else None

    @property
    def _frozen(self) -> bool:
        return self.network.trunk.frozen

    @property
    def words(self) -> str:
        """How much there is to do, in words."""
        counts = ", ".join(f"{len(rows)} {part.value}" for part, rows in self.rows.items())
        weights = sum(p.numel() for p in self.network.parameters())
        return f"{self.config.network.architecture.value} of {weights} weights; {counts}"

    @property
    def epoch(self) -> int:
        """How many epochs are complete."""
        return self._state.epoch

    @property
    def history(self) -> list[dict[str, float]]:
        """What was measured after each epoch."""
        found: list[dict[str, float]] = self._state.extra["history"]
        return found

    @property
    def best_epoch(self) -> int:
        """The epoch with the best validation so far."""
        return int(self._state.extra["best_epoch"])

    @property
    def finished(self) -> bool:
        """Whether no epoch is left, or the last ones did no better."""
        late = self.config.patience and self.epoch - self.best_epoch >= self.config.patience
        return bool(self.epoch >= self.config.epochs or late)

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint."""
        self._state.load(checkpoint, self.feeder.device)

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint."""
        self._state.save(checkpoint)

    def one_epoch(self) -> str:
        """Train one epoch, validate, keep the weights if they are the best; say how it went."""
        rate = self._state.learning_rate
        loss = self._trained()
        result = self._state.result
        assert isinstance(result, SiteNetwork)
        answers = self.answers(self.rows[Part.VALIDATION], result)
        score = _score(answers, len(self.config.tasks))
        self._state.epoch += 1
        measured = {"epoch": float(self.epoch), "loss": loss, "rate": rate, "validation": score}
        self._state.extra["history"] = [*self.history, measured]
        if score > self._state.extra["best_score"]:
            weights = {k: v.detach().cpu().clone() for k, v in result.state_dict().items()}
            self._state.extra.update(best=weights, best_epoch=self.epoch, best_score=score)
        return (
            f"epoch {self.epoch} of {self.config.epochs}: loss {loss:.4f}, "
            f"validation balanced accuracy {score:.4f}"
        )

    def take_best(self) -> None:
        """Give the network the weights of its best epoch."""
        self.network.load_state_dict(self._state.extra["best"])

    def answers(self, rows: Ints, network: SiteNetwork | None = None) -> Answers:
        """Return what the network says of rows, as they are."""
        asked = (network or self.network).eval()
        logits, features = [], []
        with torch.inference_mode():
            for some in batches(rows, self.config.batch):
                with autocast(self.feeder.device):
                    said = self._asked(asked, some)
                logits.append(said[0].float().cpu().numpy())
                features.append(said[1].float().cpu().numpy())
        return Answers(np.concatenate(logits), np.concatenate(features), self.feeder.labels(rows))

    def _trained(self) -> float:
        # Seeded by epoch, so that a resumed run sees what an uninterrupted one sees.
        seed = self.config.seed * 1000 + self.epoch
        order = np.random.default_rng([self.config.seed, self.epoch])
        torch.manual_seed(seed)
        noise = torch.Generator(self.feeder.device).manual_seed(seed)
        self.network.train()
        rows = self.rows[Part.TRAIN]
        chosen = epoch_rows(rows, self.feeder.labels(rows), self.config.balance, order)
        losses = [self._step(some, noise) for some in batches(chosen, self.config.batch)]
        return float(np.mean(losses))

    def _step(self, rows: Ints, noise: torch.Generator) -> float:
        with autocast(self.feeder.device):
            logits, _ = self._asked(self.network, rows, noise)
        known = torch.from_numpy(self.feeder.labels(rows).astype(np.float32))
        known = known.to(self.feeder.device)
        return self._state.step(masked_loss(logits, known, self.config.smoothing))

    def _asked(
        self, network: SiteNetwork, rows: Ints, noise: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits and features of rows, changed by chance where there is noise."""
        if self._pooled is not None:
            return network.answers(torch.from_numpy(self._pooled[rows]).to(self.feeder.device))
        batch = (
            self.feeder.read(rows)
            if noise is None
            else self.feeder.changed(rows, self.config.augment, noise)
        )
        said: tuple[Tensor, Tensor] = network(batch.pictures, batch.geometry)
        return said

    def _rows(self, part: Part) -> Ints:
        rows = self.feeder.table.rows(part)
        answered = (self.feeder.labels(rows) != UNKNOWN).any(axis=1)
        return np.asarray(rows[answered])

    def _check(self) -> None:
        for part in (Part.TRAIN, Part.VALIDATION):
            labels = self.feeder.labels(self.rows[part])
            for column, task in enumerate(self.config.tasks):
                _check_both(labels[:, column], task, part)


def _check_both(labels: NDArray[np.int8], task: Task, part: Part) -> None:
    if not ((labels == 0).any() and (labels == 1).any()):
        raise InputError(
            f"The {part.value} part of {task.value} does not hold both answers.",
            "Make a larger dataset, or divide it otherwise.",
        )


def _score(answers: Answers, tasks: int) -> float:
    """Return the mean over tasks of the balanced accuracy, yes above a logit of 0."""
    each = []
    for task in range(tasks):
        logits, truth = answers.known(task)
        each.append(balanced_accuracy(logits.astype(np.float64) + 0.5, truth))
    return float(np.mean(each))
