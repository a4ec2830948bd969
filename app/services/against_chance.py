"""Use-case: every detector beside chance, and the way from sites to applied edits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.services.opening import open_session
from connectome.datastack import Datastack
from connectome.errors import DatastackError
from connectome.offline.datastack import OfflineDatastack
from connectome.opening import open_datastack
from proofreading.catalogue_schema import main_task
from proofreading.detection.chance import AgainstChance
from proofreading.detection.chance_report import TrueErrors, chance_report, true_errors
from proofreading.detection.contacts import contact_sites
from proofreading.detection.funnel import FunnelStage, funnel
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Site

__all__ = ["ChanceReport", "against_chance_of", "chance_of_session"]

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class ChanceReport:
    """What the detectors of a session find, beside chance, and what became of it."""

    split_errors: int
    merge_errors: int
    detectors: tuple[AgainstChance, ...]
    funnel: tuple[FunnelStage, ...]


def against_chance_of(
    datastack: Datastack, sites: Sequence[Site], ignore: Sequence[int]
) -> tuple[TrueErrors, list[AgainstChance]]:
    """Return the true errors of a datastack and the table of the detectors of these sites.

    Raises
    ------
    DatastackError
        If the datastack has no ground truth.
    """
    truth = datastack.groundtruth if isinstance(datastack, OfflineDatastack) else None
    if truth is None:
        raise DatastackError(
            f"The datastack {datastack.name} has no ground truth to compare with.",
            "Ingest it with --groundtruth FILE.",
        )
    segmentation = datastack.segmentation
    errors = true_errors(segmentation, truth, segmentation.scales[0].bounds_nm, ignore=ignore)
    every = replace(DetectionSettings(), min_segment_nm3=0.0)
    touching = list(contact_sites(datastack, every))
    skeletons = datastack.skeletons.skeletons(None)
    return errors, chance_report(sites, skeletons, errors, touching=touching)


def chance_of_session(folder: Path, *, ignore: Sequence[int], report: Progress) -> ChanceReport:
    """Compare a session's sites with chance, and follow them to its edits.

    Errors are those of the present segmentation: ask before the edits are exported.

    Raises
    ------
    SessionError, DatastackError
        If the session cannot be opened, or its datastack has no ground truth.
    """
    with open_session(folder, role="worker") as session:
        datastack = open_datastack(session.info.datastack_address)
        try:
            report("comparing with chance", None)
            sites = list(session.catalogue.sites())
            errors, rows = against_chance_of(datastack, sites, ignore)
            state = session.ledger.state
            verdicts = [
                verdict
                for site in sites
                for verdict in session.catalogue.newest_verdicts(
                    site.id, main_task(site.kind, len(site.partners))
                ).values()
            ]
            stages = funnel(sites, verdicts, state.decisions(), state.edits(), errors.splits)
            return ChanceReport(len(errors.splits), len(errors.merges), tuple(rows), tuple(stages))
        finally:
            datastack.close()
