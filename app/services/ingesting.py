"""Use-case: volumes in files become an offline datastack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from connectome.offline.ingest import IngestRequest, IngestSummary, ingest

__all__ = ["ingest_files"]


def ingest_files(
    out: Path,
    *,
    em: str,
    segmentation: str,
    supervoxels: str | None,
    groundtruth: str | None,
    resolution: tuple[float, float, float],
    name: str,
    report: Callable[[str, float | None], None],
) -> IngestSummary:
    """Ingest volumes given as ``FILE[:key]`` into the folder ``out``.

    Raises
    ------
    VolumeError, DatastackError, StorageError
        If an input cannot be used or the folder not written; nothing half-made remains
        that could be mistaken for a datastack.
    """
    request = IngestRequest(
        em=em,
        segmentation=segmentation,
        supervoxels=supervoxels,
        groundtruth=groundtruth,
        resolution_nm=resolution,
        name=name,
        out=out,
    )
    return ingest(request, report)
