"""The bundled demo in a folder of a benchmark's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectome.offline.ingest import IngestRequest

__all__ = ["demo_request", "ingested_demo", "quiet"]


def demo_request(out: Path) -> tuple[IngestRequest, int]:
    """Grow the demo's volumes, and return what to ingest and how many voxels that is."""
    from connectome.offline.ingest import IngestRequest
    from connectome.offline.synthetic.recipe import load_recipe
    from connectome.offline.synthetic.volume import make_demo

    volumes = make_demo(load_recipe())
    request = IngestRequest(
        em=volumes.em,
        segmentation=volumes.segmentation,
        supervoxels=volumes.supervoxels,
        groundtruth=volumes.groundtruth,
        resolution_nm=volumes.resolution_nm,
        name="offline_bench",
        out=out,
    )
    return request, volumes.em.size


def ingested_demo(out: Path) -> Path:
    """Make the demo's datastack in a folder and return it."""
    from connectome.offline.ingest import ingest

    ingest(demo_request(out)[0], quiet)
    return out


def quiet(_label: str, _fraction: float | None) -> None:
    """Report nothing: a benchmark writes one table at its end."""
