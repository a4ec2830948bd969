"""The tissue as an electron microscope would show it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from connectome.offline.synthetic.growth import Forest
from connectome.offline.synthetic.organelles import Canvas, add_organelles
from connectome.offline.synthetic.recipe import DemoRecipe
from connectome.offline.synthetic.tissue import Tissue, smooth_field

__all__ = ["draw"]

_CYTOPLASM, _MEMBRANE = 172.0, 74.0


def draw(
    forest: Forest,
    tissue: Tissue,
    scars: NDArray[np.float32] | None,
    recipe: DemoRecipe,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Return grey values (z, y, x).

    Parameters
    ----------
    scars : ndarray of float32 or None
        How strongly a membrane-like artefact crosses each voxel, 0 to 1.
    """
    grey = _cytoplasm(tissue, rng)
    add_organelles(Canvas(grey, tissue, forest), recipe, rng)
    # Dark where bodies touch: about four voxels wide, thinner here and there.
    width = 1.75 + 0.25 * np.clip(smooth_field(recipe.shape, 14, rng), -1.5, 1.5)
    membrane = np.exp(-((np.maximum(tissue.depth - 0.6, 0) / width) ** 2))
    if scars is not None:
        membrane = np.maximum(membrane, scars)
    grey += membrane * (_MEMBRANE - grey)
    return _imaged(grey, recipe, rng)


def _cytoplasm(tissue: Tissue, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a level for each body, with clouds and grains."""
    shape = tissue.bodies.shape
    count = int(tissue.bodies.max()) + 1
    levels = (_CYTOPLASM + 11.0 * rng.normal(size=count)).astype(np.float32)
    grain = rng.uniform(0.5, 1.6, size=count).astype(np.float32)
    grains = rng.standard_normal(shape, dtype=np.float32)
    # A band between fine and coarse: vesicles, filaments and ribosomes, dark on pale.
    grains = ndimage.gaussian_filter(grains, 1.6, truncate=2.5)
    grains /= grains.std()
    grains = np.where(grains < -0.5, 24.0 * (grains + 0.5), 5.0 * grains)
    grey = levels[tissue.bodies] + grain[tissue.bodies] * grains
    return np.asarray(grey + 5.0 * smooth_field(shape, 24, rng), np.float32)


def _imaged(
    grey: NDArray[np.float32], recipe: DemoRecipe, rng: np.random.Generator
) -> NDArray[np.uint8]:
    grey = ndimage.gaussian_filter(grey, recipe.blur_voxels, truncate=3.0)
    noise = rng.standard_normal(grey.shape, dtype=np.float32)
    grey += recipe.noise * noise
    return np.clip(grey, 0, 255).astype(np.uint8)
