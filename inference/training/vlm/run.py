"""One training run of an adapter: a directory that says everything, and can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from connectome.errors import InputError
from inference.judges.vlm.model import LoadedModel, LoadSettings, load_model
from inference.training.run_folder import claim
from inference.training.vlm.adapter import AdapterSettings, with_adapter
from inference.training.vlm.examples import Example, Target, collate, drawn, moved

__all__ = ["VlmTraining", "train_adapter"]

Say = Callable[[str], None]
ADAPTER, BEST, STATE = "adapter", "best", "state.pt"


@dataclass(frozen=True)
class VlmTraining:
    """Everything that decides what comes out, besides the data.

    Parameters
    ----------
    steps : int
        Steps of the optimizer.
    batch, gather : int
        Examples at a time, and batches whose gradients are added up to one step.
    every : int
        Steps between checkpoints; each validates, and the best one is kept.
    patience : int
        Checkpoints without a better validation loss before the rate is halved.
    asked_sha256 : str
        Hash over prompt, pictures and reasons: a run does not go on with other ones.
    """

    model: str = ""
    dataset_sha256: str = ""
    test_indices: tuple[int, ...] = ()
    asked_sha256: str = ""
    steps: int = 1000
    batch: int = 2
    gather: int = 4
    learning_rate: float = 2e-4
    weight_decay: float = 0.01
    every: int = 100
    patience: int = 2
    seed: int = 1
    device: str = "auto"
    four_bit: bool = False
    target: Target = field(default_factory=Target)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)


def train_adapter(
    training: Sequence[Example],
    validation: Sequence[Example],
    settings: VlmTraining,
    out: Path,
    say: Say | None = None,
) -> Path:
    """Train an adapter and return the folder of the best one.

    ``out`` holds ``config.json``, the newest adapter with the optimizer's state (an
    interrupted run goes on from there) and ``best``, a folder that transformers and peft
    load without Proofdesk.

    Raises
    ------
    InputError
        If there is nothing to train or validate on.
    StorageError
        If ``out`` holds another run or cannot be written.
    ModelError
        If the model cannot be loaded.
    """
    if not training or not validation:
        raise InputError(
            "There is nothing to train or to validate on.", "Give a data set with both parts."
        )
    claim(out, asdict(settings))
    run = _Run(settings, out)
    run.go_on(training, validation, say or (lambda _: None))
    return out / BEST


class _Run:
    """The model, its optimizer and how far it has come."""

    def __init__(self, settings: VlmTraining, out: Path) -> None:
        torch.manual_seed(settings.seed)
        loading = LoadSettings(settings.model, None, settings.device, settings.four_bit)
        self.settings, self.out = settings, out
        self.model: LoadedModel = load_model(loading)
        self.network = with_adapter(self.model.network, settings.adapter)
        learning = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = _optimizer(learning, settings, self.model.device)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, factor=0.5, patience=settings.patience
        )
        self.step, self.best = 0, float("inf")
        if (out / STATE).exists():
            self._load()

    def go_on(self, training: Sequence[Example], validation: Sequence[Example], say: Say) -> None:
        """Train from where the run stands to its end."""
        settings = self.settings
        while self.step < settings.steps:
            loss = self._one_step(training)
            self.step += 1
            if self.step % settings.every == 0 or self.step == settings.steps:
                found = self.validate(validation)
                self.schedule.step(found)
                self._save(found)
                say(f"step {self.step}: loss {loss:.4f}, validation {found:.4f}")

    def validate(self, examples: Sequence[Example]) -> float:
        """Return the mean loss over examples as they are, none drawn twice."""
        self.network.eval()
        size = self.settings.batch
        losses = []
        for begin in range(0, len(examples), size):
            part = examples[begin : begin + size]
            with torch.no_grad():
                losses += [self._loss(part, np.random.default_rng(0)).item()] * len(part)
        return float(np.mean(losses))

    def _one_step(self, training: Sequence[Example]) -> float:
        settings = self.settings
        self.network.train()
        # Seeded by step, so that a resumed run sees what an uninterrupted one sees.
        torch.manual_seed(settings.seed * 100_003 + self.step)
        rng = np.random.default_rng([settings.seed, self.step])
        total = 0.0
        for part in self._batches(training):
            loss = self._loss([training[row] for row in part], rng) / settings.gather
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _batches(self, training: Sequence[Example]) -> list[list[int]]:
        """Return the rows of this step's batches: epochs one after the other, in any order."""
        settings = self.settings
        size = settings.batch * settings.gather
        epoch_length = len(drawn(training, 0, settings.seed))
        places = range(self.step * size, (self.step + 1) * size)
        orders: dict[int, list[int]] = {}
        rows = []
        for place in places:
            epoch, within = divmod(place, epoch_length)
            if epoch not in orders:
                orders[epoch] = drawn(training, epoch, settings.seed)
            rows.append(orders[epoch][within])
        return [rows[b : b + settings.batch] for b in range(0, size, settings.batch)]

    def _loss(self, part: Sequence[Example], rng: np.random.Generator) -> torch.Tensor:
        batch = collate(self.model.encoder, part, self.settings.target, rng)
        dtype = next(self.model.network.parameters()).dtype
        loss: torch.Tensor = self.network(**moved(batch, self.model.device, dtype)).loss
        return loss

    def _save(self, found: float) -> None:
        """Write the run's state; a write that is cut off never replaces a complete one."""
        self.network.save_pretrained(self.out / ADAPTER)
        if found < self.best:
            self.best = found
            self.network.save_pretrained(self.out / BEST)
        state = {
            "step": self.step,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "weights": {n: p for n, p in self.network.named_parameters() if p.requires_grad},
        }
        partial = (self.out / STATE).with_suffix(".part")
        torch.save(state, partial)
        partial.replace(self.out / STATE)

    def _load(self) -> None:
        state = torch.load(self.out / STATE, weights_only=True, map_location=self.model.device)
        self.step, self.best = int(state["step"]), float(state["best"])
        self.network.load_state_dict(state["weights"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])


def _optimizer(
    parameters: list[torch.nn.Parameter], settings: VlmTraining, device: torch.device
) -> torch.optim.Optimizer:
    """Return AdamW, with 8-bit moments on CUDA where bitsandbytes is installed."""
    wanted: dict[str, Any] = {
        "lr": settings.learning_rate,
        "weight_decay": settings.weight_decay,
    }
    if device.type == "cuda":
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError:
            pass  # Full moments do the same with more memory.
        else:
            small: torch.optim.Optimizer = AdamW8bit(parameters, **wanted)
            return small
    return torch.optim.AdamW(parameters, **wanted)
