"""Settings of a training run that takes seconds."""

from __future__ import annotations

from inference.training.loop import LoopConfig
from inference.training.material import MaterialConfig
from inference.training.network import NetworkConfig
from inference.training.split_error_correction import PairTraining
from rendering.spec import EMSpec


def small_training(epochs: int = 2) -> PairTraining:
    return PairTraining(
        fold="low",
        spec=EMSpec(half_extent_nm=160.0, size_px=32),
        material=MaterialConfig(held_out=0.2, views=2, joined=(0.5,), coarse_views=1),
        loop=LoopConfig(
            epochs=epochs,
            batch=32,
            averaging=0.9,
            network=NetworkConfig(embedding=8, hidden=(8, 8, 8, 8), features=4),
        ),
    )
