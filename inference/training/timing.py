"""How fast the network of the shipped judge is where it was trained: eager PyTorch."""

from __future__ import annotations

import time

import torch

from inference.training.network import NetworkConfig, PairNetwork

__all__ = ["eager_pictures_per_second"]


def eager_pictures_per_second(
    parameters: int, size_px: int, *, batch: int = 32, threads: int = 2, seconds: float = 2.0
) -> float | None:
    """Return how many pictures a second the network of pairs answers in eager PyTorch.

    In the same numbers (float32), batches and threads as it is compared with, without
    gradients; its weights are random, which changes nothing about its speed.

    Returns
    -------
    float or None
        None if a network of so many parameters is not the one of this repository.
    """
    torch.manual_seed(0)
    network = PairNetwork(NetworkConfig()).eval()
    if sum(p.numel() for p in network.parameters()) != parameters:
        return None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _rate(network, torch.rand(batch, 9, size_px, size_px), seconds)
    finally:
        torch.set_num_threads(before)


def _rate(network: PairNetwork, pictures: torch.Tensor, seconds: float) -> float:
    with torch.inference_mode():
        network(pictures)
        done, begun = 0, time.perf_counter()
        while (passed := time.perf_counter() - begun) < seconds:
            network(pictures)
            done += len(pictures)
    return done / passed
