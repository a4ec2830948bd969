"""A Qwen3-VL of two layers with a byte tokenizer, written as the folder of a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["write_tiny_vlm"]

PROMPTS = Path(__file__).parents[1] / "assets" / "prompts"
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)


def write_tiny_vlm(folder: Path, seed: int = 0) -> Path:
    """Write ``config.json``, weights, tokenizer and image processor; return the folder."""
    import torch
    from transformers import (
        Qwen2VLImageProcessorPil,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    folder.mkdir(parents=True, exist_ok=True)
    tokens = _write_tokenizer(folder)
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokens),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 8192,
            # Random weights of a usual size leave a narrow model too mute to be taught.
            "initializer_range": 0.15,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_heads": 4,
            "out_hidden_size": 64,
            "deepstack_visual_indexes": [0, 1],
            "num_position_embeddings": 256,
            "initializer_range": 0.15,
        },
        image_token_id=tokens["<|image_pad|>"],
        video_token_id=tokens["<|video_pad|>"],
        vision_start_token_id=tokens["<|vision_start|>"],
        vision_end_token_id=tokens["<|vision_end|>"],
    )
    torch.manual_seed(seed)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 32 * 32, "longest_edge": 512 * 512},
    ).save_pretrained(folder)
    return folder


def _write_tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = [path.read_text(encoding="utf-8") for path in sorted(PROMPTS.glob("*.toml"))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in _SPECIAL])
    make: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast = make(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)
    vocabulary: dict[str, int] = fast.get_vocab()
    return vocabulary
