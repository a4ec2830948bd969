"""What a network is trained on."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from connectome.errors import MachineError

__all__ = ["DEVICES", "autocast", "device_named"]

DEVICES = ("auto", "cpu", "cuda")


def device_named(name: str) -> torch.device:
    """Return a device: ``cpu``, ``cuda``, or with ``auto`` CUDA where there is one.

    Raises
    ------
    MachineError
        If the name is unknown, or CUDA is asked for and absent.
    """
    if name not in DEVICES:
        raise MachineError(f"There is no device {name!r}.", f"Choose one of: {', '.join(DEVICES)}.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise MachineError(
            "Training on CUDA was asked for, but torch finds no NVIDIA GPU here.",
            "Train with the device `cpu`, or install a torch that was built for CUDA and a driver.",
        )
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in bf16 on CUDA; on the CPU in the numbers as they are."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")
