"""A small tissue with errors as an offline datastack, for tests of scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectome.offline.ingest import IngestRequest, ingest
from connectome.offline.synthetic import load_recipe, make_demo

__all__ = ["small_tissue"]


def small_tissue(out: Path) -> Path:
    """Ingest a grown volume of 48 × 80 × 72 voxels."""
    recipe = replace(
        load_recipe(),
        seed=3,
        shape=(48, 80, 72),
        neurites=24,
        mitochondria=3,
        synapses=3,
        split_errors=4,
        merge_errors=1,
    )
    volumes = make_demo(recipe)
    request = IngestRequest(
        em=volumes.em,
        segmentation=volumes.segmentation,
        supervoxels=volumes.supervoxels,
        resolution_nm=volumes.resolution_nm,
        name="offline_scanned",
        out=out,
    )
    ingest(request, lambda _label, _fraction: None)
    return out
