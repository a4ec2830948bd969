"""How fast a language model answers, and how much memory it takes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from inference.judges.vlm.asking import ask_likelihoods, ask_reasons
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadedModel, LoadSettings, load_model, unload

T = TypeVar("T")

__all__ = ["Speed", "has_gpu", "measure_speed"]


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Parameters
    ----------
    site_s, pictures_per_s
        Likelihoods of yes and no, in batches.
    tokens_per_s
        Text that is written, its reading of the question included.
    written_tokens : int
        How many that was over.
    peak_bytes, held_bytes : int
        Of the GPU while it answered, and after it was unloaded; on a processor, of the
        whole program at its peak, and 0.
    """

    device: str
    parameters: int
    load_s: float
    site_s: float
    pictures_per_s: float
    tokens_per_s: float
    written_tokens: int
    peak_bytes: int
    held_bytes: int


def has_gpu() -> bool:
    """Tell whether there is a CUDA device."""
    return torch.cuda.is_available()


def measure_speed(
    base: Path, questions: Sequence[Question], *, tokens: int, device: str = "auto"
) -> Speed:
    """Load a model, ask it, unload it.

    Raises
    ------
    ModelError
        If it cannot be loaded.
    """
    cuda = device != "cpu" and has_gpu()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    model, load_s = _timed(lambda: load_model(LoadSettings(str(base), device=device)), cuda)
    parameters = sum(weight.numel() for weight in model.network.parameters())
    ask_likelihoods(model, questions[:1])  # The first question pays for what is set up once.
    _, asked_s = _timed(lambda: ask_likelihoods(model, questions), cuda)
    written, written_s = _timed(lambda: _written(model, questions[0], tokens), cuda)
    name, pictures = model.device.type, sum(len(question.pictures) for question in questions)
    peak = torch.cuda.max_memory_allocated() if cuda else _resident()
    unload(model)
    return Speed(
        device=name,
        parameters=parameters,
        load_s=load_s,
        site_s=asked_s / len(questions),
        pictures_per_s=pictures / asked_s,
        tokens_per_s=written / written_s,
        written_tokens=written,
        peak_bytes=peak,
        held_bytes=torch.cuda.memory_allocated() if cuda else 0,
    )


def _written(model: LoadedModel, question: Question, tokens: int) -> int:
    (reply,) = ask_reasons(model, [question], most_tokens=tokens)
    # Read back, its text may be other tokens than were written, but as many within a few.
    return max(1, len(model.encoder.tokens(reply.written.text)))


def _timed(what: Callable[[], T], cuda: bool) -> tuple[T, float]:
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    found = what()
    if cuda:
        torch.cuda.synchronize()
    return found, time.perf_counter() - started


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
