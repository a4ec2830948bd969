"""Speed and memory of a language model, and that unloading gives its memory back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measured import Measured

if TYPE_CHECKING:
    from inference.judges.vlm.encoding import Question
    from inference.judges.vlm.measuring import Speed

__all__ = ["language_rows"]

_QUESTIONS = 8
_TOKENS = 64
_PICTURE_PX = 256
_WAIT_S = 600.0
_SPEED = "weights are random: speed and memory only, no accuracy"


def language_rows() -> Iterator[Measured]:
    """Measure the two-layer model here, and the 4B architecture where there is a GPU."""
    from inference.judges.vlm.measuring import has_gpu, measure_speed
    from inference.training.vlm.untrained import write_untrained

    questions = _questions()
    for architecture in ("tiny", "4b"):
        if architecture == "4b" and not has_gpu():
            yield from _unmeasured(architecture)
            continue
        with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
            base = write_untrained(Path(scratch) / "base", architecture)
            yield from _rows(architecture, measure_speed(base, questions, tokens=_TOKENS))
            yield _released(architecture, base)


def _rows(architecture: str, speed: Speed) -> Iterator[Measured]:
    pictures = f"6 pictures of {_PICTURE_PX} px, on {speed.device}"
    size = f"{speed.parameters / 1e9:.3f} billion weights"
    yield Measured(f"{architecture}: load", speed.load_s, "s", note=f"{size}; {_SPEED}")
    yield Measured(f"{architecture}: a site", speed.site_s, "s", n=_QUESTIONS, note=pictures)
    yield Measured(
        f"{architecture}: pictures", speed.pictures_per_s, "pictures/s", n=6 * _QUESTIONS
    )
    yield Measured(
        f"{architecture}: writing", speed.tokens_per_s, "tokens/s", n=speed.written_tokens
    )
    whole = "of the GPU" if speed.device == "cuda" else "of the whole program"
    yield Measured(f"{architecture}: peak memory", speed.peak_bytes / 1e9, "GB", note=whole)
    if speed.device == "cuda":
        held = speed.held_bytes / 1e9
        yield Measured(f"{architecture}: held after unloading", held, "GB", "0", held < 0.05)


def _released(architecture: str, base: Path) -> Measured:
    """Measure what the model's own process still holds of the GPU once it has unloaded."""
    from inference.judges.vlm.process import VlmProcess
    from inference.judges.vlm.protocol import Load

    measure = f"{architecture}: held by the process after unloading"
    process = VlmProcess(Load(model=str(base)))
    process.start()
    try:
        pending = process.ask([])
        if not pending.finished.wait(_WAIT_S) or pending.failure is not None:
            return Measured(measure, None, "GB", "0", note="the process did not load it")
        before, gpu = process.memory_bytes, process.provider == "CUDA"
        after = process.unload(_WAIT_S)
    finally:
        process.close()
    if after is None or not gpu:
        return Measured(measure, None, "GB", "0", note="no GPU: nothing to give back")
    return Measured(measure, after / 1e9, "GB", "0", after < 5e7, note=f"of {before / 1e9:.2f} GB")


def _unmeasured(architecture: str) -> Iterator[Measured]:
    for what, unit in (
        ("load", "s"),
        ("a site", "s"),
        ("pictures", "pictures/s"),
        ("writing", "tokens/s"),
        ("peak memory", "GB"),
        ("held by the process after unloading", "GB"),
    ):
        yield Measured(f"{architecture}: {what}", None, unit, note="needs a CUDA device")


def _questions() -> list[Question]:
    """Return questions with pictures of noise: their content changes no speed."""
    import numpy as np

    from inference.judges.vlm.encoding import Question
    from inference.prompts.writing import Slots, write_prompt
    from proofreading.verdicts import Task
    from rendering.spec import EMSpec, RenderSpec

    prompt = write_prompt(Task.SPLIT_ERROR_CORRECTION, RenderSpec(), EMSpec(), Slots(analysis=True))
    rng = np.random.default_rng(0)
    shape = (_PICTURE_PX, _PICTURE_PX, 3)
    return [
        Question(prompt, tuple(rng.integers(0, 255, shape).astype(np.uint8) for _ in range(6)))
        for _ in range(_QUESTIONS)
    ]
