"""A Qwen3-VL with random weights: for speed and memory, which do not depend on them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from connectome.errors import InputError

__all__ = ["ARCHITECTURES", "write_untrained"]

_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_WORDS = 1200

_TINY: dict[str, dict[str, Any]] = {
    "text": {
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
    "vision": {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 4,
        "out_hidden_size": 64,
        "deepstack_visual_indexes": [0, 1],
        "num_position_embeddings": 256,
        "initializer_range": 0.15,
    },
}
# As the published Qwen3-VL-4B-Instruct states them in its config.json.
_4B: dict[str, dict[str, Any]] = {
    "text": {
        "vocab_size": 151936,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 262144,
        "tie_word_embeddings": True,
    },
    "vision": {
        "depth": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_heads": 16,
        "out_hidden_size": 2560,
        "deepstack_visual_indexes": [5, 11, 17],
        "num_position_embeddings": 2304,
    },
}
ARCHITECTURES: Mapping[str, dict[str, dict[str, Any]]] = {"tiny": _TINY, "4b": _4B}


def write_untrained(folder: Path, architecture: str = "tiny", seed: int = 0) -> Path:
    """Write config, weights, tokenizer and image processor as the folder of a real model.

    The tokenizer knows the words of our prompts and every byte.

    Raises
    ------
    InputError
        If there is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise InputError(f"There is no architecture {architecture!r}.", f"Choose of {names}.")
    import torch
    from transformers import (
        Qwen2VLImageProcessorPil,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    folder.mkdir(parents=True, exist_ok=True)
    tokens = _write_tokenizer(folder)
    sizes = ARCHITECTURES[architecture]
    config = Qwen3VLConfig(
        text_config={"vocab_size": len(tokens), **sizes["text"]},
        vision_config=sizes["vision"],
        image_token_id=tokens["<|image_pad|>"],
        video_token_id=tokens["<|video_pad|>"],
        vision_start_token_id=tokens["<|vision_start|>"],
        vision_end_token_id=tokens["<|vision_end|>"],
    )
    torch.manual_seed(seed)
    dtype = torch.float32 if architecture == "tiny" else torch.bfloat16
    network: Any = Qwen3VLForConditionalGeneration(config)
    network.to(dtype).save_pretrained(folder)
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
    prompts = Path(str(files("assets"))) / "prompts"
    words = [path.read_text(encoding="utf-8") for path in sorted(prompts.glob("*.toml"))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=_WORDS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in _SPECIAL])
    make: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast = make(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.save_pretrained(folder)
    vocabulary: dict[str, int] = fast.get_vocab()
    return vocabulary
