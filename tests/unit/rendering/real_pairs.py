"""Real meshes of segments that touch."""

from __future__ import annotations

from functools import lru_cache

from benchmarks.pairs import touching_pairs
from connectome.precomputed.datastack import PrecomputedDatastack
from connectome.space import BoxNm
from rendering.surfaces import Surface, prepare, to_surface
from tests.data import shared_data

__all__ = ["HALF_EXTENT_NM", "real_pairs"]

HALF_EXTENT_NM = 2500.0
_REACH_NM = 3000.0


@lru_cache(maxsize=1)
def real_pairs() -> tuple[tuple[Surface, Surface], ...]:
    """Return both surfaces of 40 pairs of pinky40, cropped around their contacts."""
    folder = shared_data("pinky40")
    meshes = PrecomputedDatastack(str(folder)).meshes
    pairs = []
    for pair in touching_pairs(40, folder):
        box = BoxNm.around(pair.center_nm, _REACH_NM)
        a, b = (
            to_surface(prepare(meshes.mesh(root), box), pair.center_nm, _REACH_NM, color)
            for root, color in ((pair.a, "#1f77b4"), (pair.b, "#ff7f0e"))
        )
        pairs.append((a, b))
    return tuple(pairs)
