"""The demo volume: EM, supervoxels, a segmentation with known errors, and the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectome.offline.synthetic.growth import grow
from connectome.offline.synthetic.mistakes import segment
from connectome.offline.synthetic.picture import draw
from connectome.offline.synthetic.recipe import DemoRecipe
from connectome.offline.synthetic.tissue import fill

__all__ = ["DemoVolumes", "make_demo"]


@dataclass(frozen=True)
class DemoVolumes:
    """Four volumes of one shape (z, y, x), and the errors that were made on purpose.

    Parameters
    ----------
    em : ndarray of uint8
    supervoxels, segmentation, groundtruth : ndarray of uint32
        Without background; supervoxels lie inside one segment and one body.
    resolution_nm : tuple of float
        Edge lengths (x, y, z) of a voxel.
    split_errors : tuple of (int, int)
        Pairs of touching segments that are one body.
    merge_errors : tuple of (int, int)
        Segments that hold several bodies, and how many.
    """

    em: NDArray[np.uint8]
    supervoxels: NDArray[np.uint32]
    segmentation: NDArray[np.uint32]
    groundtruth: NDArray[np.uint32]
    resolution_nm: tuple[float, float, float]
    split_errors: tuple[tuple[int, int], ...]
    merge_errors: tuple[tuple[int, int], ...]


def make_demo(
    recipe: DemoRecipe, progress: Callable[[str, float], None] | None = None
) -> DemoVolumes:
    """Make the volume of a recipe; the same recipe always gives the same volume.

    Parameters
    ----------
    progress : callable, optional
        Called with what is being done and the share that is done, 0 to 1.
    """
    say = progress or _say_nothing
    rng = np.random.default_rng(recipe.seed)
    say("Growing neurites", 0.0)
    forest = grow(recipe, rng)
    say("Filling the space between them", 0.25)
    tissue = fill(forest, recipe, rng)
    say("Making segmentation errors", 0.65)
    segmented = segment(tissue, recipe, rng)
    say("Drawing the electron microscopy", 0.75)
    em = draw(forest, tissue, segmented.scars, recipe, rng)
    say("Done", 1.0)
    return DemoVolumes(
        em,
        tissue.supervoxels,
        segmented.segments,
        tissue.bodies,
        recipe.resolution_nm,
        segmented.split_errors,
        segmented.merge_errors,
    )


def _say_nothing(_what: str, _share: float) -> None:
    """Take the place of a progress bar."""
