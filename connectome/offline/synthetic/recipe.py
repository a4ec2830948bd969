"""What the demo volume is made from."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

__all__ = ["DemoRecipe", "load_recipe"]


@dataclass(frozen=True)
class DemoRecipe:
    """Parameters of a synthetic volume; the same recipe always makes the same volume.

    Parameters
    ----------
    seed : int
    shape : tuple of int
        Voxels (z, y, x).
    resolution_nm : tuple of float
        Edge lengths (x, y, z) of a voxel; the tissue is drawn in voxels, isotropic.
    neurites : int
        How many are grown at most.
    radius_voxels : tuple of float
        Radius of the thinnest and of the thickest.
    branch_probability : float
        Chance of a branch at each step of two voxels.
    waviness_voxels : float
        How far membranes stray from smooth.
    mitochondria, synapses, vesicles_per_synapse : int
    blur_voxels, noise : float
        Width of the blur, and standard deviation of the noise in grey values.
    supervoxel_steps : int
        Centreline steps in one supervoxel.
    split_errors, merge_errors : int
        Errors wanted; fewer are made where no suitable place is left.
    """

    seed: int
    shape: tuple[int, int, int]
    resolution_nm: tuple[float, float, float]
    neurites: int
    radius_voxels: tuple[float, float]
    branch_probability: float
    waviness_voxels: float
    mitochondria: int
    synapses: int
    vesicles_per_synapse: int
    blur_voxels: float
    noise: float
    supervoxel_steps: int
    split_errors: int
    merge_errors: int


def load_recipe() -> DemoRecipe:
    """Return the recipe of the bundled demo."""
    text = (resources.files("assets") / "demo" / "recipe.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    neurites = content["neurites"]
    return DemoRecipe(
        seed=content["seed"],
        shape=tuple(content["shape"]),
        resolution_nm=tuple(content["resolution_nm"]),
        neurites=neurites["count"],
        radius_voxels=tuple(neurites["radius_voxels"]),
        branch_probability=neurites["branch_probability"],
        waviness_voxels=neurites["waviness_voxels"],
        **content["organelles"],
        blur_voxels=content["imaging"]["blur_voxels"],
        noise=content["imaging"]["noise"],
        **content["errors"],
    )
