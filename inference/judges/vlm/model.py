"""A Qwen3-VL with its adapter, loaded from a local path or the hub's cache."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from connectome.errors import ModelError
from inference.judges.vlm.encoding import Encoder
from inference.models.hub_store import pulled_folder

__all__ = ["LoadSettings", "LoadedModel", "load_model", "unload"]


@dataclass(frozen=True)
class LoadSettings:
    """What to load, and how.

    Parameters
    ----------
    model : str
        A folder, or an id of the hub: pulled, or with its files in the hub's own cache.
    adapter : Path or None
        A LoRA adapter's folder.
    device : str
        ``auto`` takes CUDA where there is one.
    four_bit : bool
        Load the weights in 4 bits (needs CUDA and bitsandbytes), where memory is short.
    """

    model: str
    adapter: Path | None = None
    device: str = "auto"
    four_bit: bool = False


@dataclass
class LoadedModel:
    """A model that is ready to be asked."""

    network: Any
    encoder: Encoder
    device: torch.device

    @property
    def provider(self) -> str:
        """What runs it, as people see it."""
        return self.device.type.upper()


def load_model(settings: LoadSettings) -> LoadedModel:
    """Load a model, its tokenizer and its adapter, without a network.

    Raises
    ------
    ModelError
        If files are missing or damaged, the adapter does not fit, or memory is short.
    """
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil
    from transformers import Qwen3VLForConditionalGeneration as Network

    device = _device(settings)
    with _translated(settings):
        where = str(pulled_folder(settings.model) or settings.model)
        tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=True)
        images = Qwen2VLImageProcessorPil.from_pretrained(where, local_files_only=True)
        network: Any = Network.from_pretrained(
            where, local_files_only=True, **_precision(settings, device)
        )
        if settings.adapter is not None:
            from peft import PeftModel

            with warnings.catch_warnings():
                # WORKAROUND: peft 0.21 asks for what transformers 5.23 calls deprecated.
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                network = PeftModel.from_pretrained(network, str(settings.adapter))
        if not settings.four_bit:
            network = network.to(device)
    return LoadedModel(network.eval(), Encoder(tokenizer, images), device)


def unload(model: LoadedModel) -> None:
    """Give the memory of a model back."""
    model.network = None
    gc.collect()
    if model.device.type == "cuda":
        torch.cuda.empty_cache()


def _device(settings: LoadSettings) -> torch.device:
    cuda = torch.cuda.is_available()
    if settings.device == "auto":
        return torch.device("cuda" if cuda else "cpu")
    if settings.device.startswith("cuda") and not cuda:
        raise ModelError(
            "There is no CUDA device for the language model.",
            "Use --device cpu for a small model, or a machine with an NVIDIA GPU.",
        )
    return torch.device(settings.device)


def _precision(settings: LoadSettings, device: torch.device) -> dict[str, Any]:
    if not settings.four_bit:
        return {"dtype": torch.bfloat16 if device.type == "cuda" else torch.float32}
    from transformers import BitsAndBytesConfig

    packed: Any = BitsAndBytesConfig  # its constructor has no types
    packed = packed(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)
    return {"quantization_config": packed, "device_map": {"": device}}


@contextmanager
def _translated(settings: LoadSettings) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise ModelError(
            f"The model {settings.model} does not fit into the GPU's memory.",
            "Use a smaller model, or load it in 4 bits.",
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"The model {settings.model} cannot be loaded: {reason}",
            "Name a Qwen3-VL folder, or pull the model first; the adapter must be made for it.",
        ) from error
