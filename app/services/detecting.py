"""Use-case: find sites and add them to a session while they are found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.opening import open_session
from connectome.errors import DatastackError
from connectome.offline.datastack import OfflineDatastack
from connectome.opening import open_datastack
from proofreading.detection.against_truth import against_truth
from proofreading.detection.detector import detect
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Site, SiteKind

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from proofreading.catalogue import Catalogue

__all__ = ["DETECTED", "DetectionSummary", "detect_batches", "detect_into"]

DETECTED = "detected"
"""File among a session's artifacts that says that a detection ran to its end."""

BATCH_SECONDS = 0.4
BATCH_SITES = 200


@dataclass(frozen=True)
class DetectionSummary:
    """How many sites there are and, against a truth, how good they are."""

    sites: int
    new_sites: int
    contacts: int
    bottlenecks: int
    endpoints: int
    endpoints_with_partner: int
    at_volume_face: int
    junctions: int
    seconds: float
    true_split_errors: int | None = None
    recalled: int | None = None
    recalled_by_first_partner: int | None = None
    recall: float | None = None
    recall_by_position: float | None = None
    right_endpoint_sites: int | None = None
    precision: float | None = None


def detect_batches(
    datastack: Datastack,
    catalogue: Catalogue,
    progress: Callable[[str, float | None], None],
    *,
    settings: DetectionSettings | None = None,
) -> Iterator[list[Site]]:
    """Detect, store every batch, then yield it; the caller may stop between batches.

    Batches are small in time rather than in number: the person sees sites appear
    steadily, and a stop is obeyed within half a second.
    """
    chosen = settings or DetectionSettings()
    batch: list[Site] = []
    since = time.monotonic()
    for site in detect(datastack, settings=chosen, progress=progress):
        batch.append(site)
        if len(batch) >= BATCH_SITES or time.monotonic() - since > BATCH_SECONDS:
            catalogue.add_sites(batch)
            yield batch
            batch, since = [], time.monotonic()
    catalogue.add_sites(batch)
    yield batch


def detect_into(
    address: str,
    session_folder: Path,
    *,
    kinds: frozenset[SiteKind] | None = None,
    against_groundtruth: bool = False,
    ignore: tuple[int, ...] = (),
    report: Callable[[str, float | None], None],
) -> DetectionSummary:
    """Detect the sites of a datastack into a session.

    Raises
    ------
    DatastackError, SessionError
        If either cannot be opened, or the session belongs to another datastack.
    """
    started = time.monotonic()
    settings = DetectionSettings() if kinds is None else DetectionSettings(kinds=kinds)
    datastack = open_datastack(address)
    try:
        session = open_session(session_folder, datastack=datastack, role="worker")
        try:
            before = session.catalogue.counts().sites
            sites = [
                site
                for batch in detect_batches(datastack, session.catalogue, report, settings=settings)
                for site in batch
            ]
            new = session.catalogue.counts().sites - before
            (session.artifacts / DETECTED).touch()
        finally:
            session.close()
        summary = _summary(sites, new, time.monotonic() - started)
        return _against_truth(summary, datastack, sites, ignore) if against_groundtruth else summary
    finally:
        datastack.close()


def _summary(sites: list[Site], new: int, seconds: float) -> DetectionSummary:
    endpoints = [site for site in sites if site.kind is SiteKind.ENDPOINT]
    number = Counter(site.kind for site in sites)
    return DetectionSummary(
        sites=len(sites),
        new_sites=new,
        contacts=number[SiteKind.CONTACT],
        bottlenecks=number[SiteKind.BOTTLENECK],
        endpoints=len(endpoints),
        endpoints_with_partner=sum(bool(site.partners) for site in endpoints),
        at_volume_face=sum(site.at_volume_face for site in endpoints),
        junctions=number[SiteKind.JUNCTION],
        seconds=round(seconds, 2),
    )


def _against_truth(
    summary: DetectionSummary, datastack: Datastack, sites: list[Site], ignore: tuple[int, ...]
) -> DetectionSummary:
    truth = datastack.groundtruth if isinstance(datastack, OfflineDatastack) else None
    if truth is None:
        raise DatastackError(
            f"The datastack {datastack.name} has no ground truth to compare with.",
            "Ingest it with --groundtruth FILE, or leave --against-groundtruth out.",
        )
    segmentation = datastack.segmentation
    box = segmentation.scales[0].bounds_nm
    report = against_truth(sites, segmentation, truth, box, ignore=ignore)
    return replace(
        summary,
        true_split_errors=report.true_split_errors,
        recalled=report.recalled,
        recalled_by_first_partner=report.recalled_by_first_partner,
        recall=report.recall,
        recall_by_position=report.recall_by_position,
        right_endpoint_sites=report.right_endpoint_sites,
        precision=report.precision,
    )
