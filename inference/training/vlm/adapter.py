"""The low-rank adapter: which layers it sits on, how it is saved, loaded and resumed.

LoRA follows Hu et al. 2021 (arXiv:2106.09685): the weights stay as they are, and beside
each chosen matrix a product of two thin ones is learnt. The vision tower is left alone;
what maps its patches into the language model (the mergers) is adapted too, since
pictures of neurons look unlike those it was trained on.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

__all__ = ["AdapterSettings", "with_adapter"]

_LANGUAGE = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
_MERGERS = r".*visual\.(merger|deepstack_merger_list\.\d+)\.linear_fc[12]"


@dataclass(frozen=True)
class AdapterSettings:
    """The size of an adapter."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05


def with_adapter(network: Any, settings: AdapterSettings) -> Any:
    """Return the network with a fresh adapter; only the adapter's weights can learn."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=f"({_LANGUAGE}|{_MERGERS})",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # WORKAROUND: peft 0.21 asks for an attribute that transformers 5.23 calls deprecated.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(network, config)
