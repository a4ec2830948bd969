"""A Qwen3-VL of two layers with a byte tokenizer, written as the folder of a real one."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_tiny_vlm"]


def write_tiny_vlm(folder: Path, seed: int = 0) -> Path:
    """Write ``config.json``, weights, tokenizer and image processor; return the folder."""
    from inference.training.vlm.untrained import write_untrained

    return write_untrained(folder, "tiny", seed)
