"""The table of every detector against chance on a datastack with truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectome.datastack import Skeleton
from connectome.space import BoxNm
from proofreading.detection.against_truth import Labels, TrueSplitError, true_split_errors
from proofreading.detection.chance import (
    AgainstChance,
    against_chance,
    contact_places,
    site_places,
    vertex_places,
)
from proofreading.detection.merge_errors import TrueMergeError, true_merge_errors
from proofreading.sites import Site, SiteKind

__all__ = ["TrueErrors", "chance_report", "true_errors"]


@dataclass(frozen=True)
class TrueErrors:
    """What a segmentation has wrong."""

    splits: list[TrueSplitError]
    merges: list[TrueMergeError]


def true_errors(
    segmentation: Labels, truth: Labels, box: BoxNm, *, ignore: Iterable[int] = ()
) -> TrueErrors:
    """Return the true split and merge errors inside a box, which is read at once.

    Parameters
    ----------
    ignore : iterable of int
        True bodies that count as unknown, besides 0.

    Raises
    ------
    VolumeError
        If segmentation and truth differ in shape.
    """
    roots, bodies = segmentation.read_roots(box), truth.read_roots(box)
    voxel_nm, origin_nm, left_out = roots.scale.voxel_nm, roots.origin_nm, tuple(ignore)
    return TrueErrors(
        true_split_errors(roots.data, bodies.data, voxel_nm, origin_nm, ignore=left_out),
        true_merge_errors(roots.data, bodies.data, voxel_nm, origin_nm, ignore=left_out),
    )


def chance_report(
    sites: Sequence[Site],
    skeletons: Iterable[Skeleton],
    errors: TrueErrors,
    *,
    touching: Sequence[Site] = (),
    draws: int = 200,
    seed: int = 0,
) -> list[AgainstChance]:
    """Return one row for each detector, way of counting, and radius.

    Every detector stands beside random skeleton vertices, by position alone: endpoint and
    contact sites against split errors, the others against merge errors. Rows named
    ``… names the pair`` ask of a site that it names both segments of the split error, beside
    random contacts, if ``touching`` holds a contact site of every touching pair.
    """
    vertices = vertex_places(skeletons)
    contacts = contact_places(touching)
    rows: list[AgainstChance] = []
    for name, found in sorted(_by_detector(sites).items()):
        about_pairs = found[0].kind in (SiteKind.ENDPOINT, SiteKind.CONTACT)
        wrong: Sequence[TrueSplitError | TrueMergeError] = (
            errors.splits if about_pairs else errors.merges
        )
        rows += against_chance(name, site_places(found), vertices, wrong, draws=draws, seed=seed)
        if about_pairs and contacts:
            named = contact_places(found)
            label = f"{name}, names the pair"
            rows += against_chance(label, named, contacts, wrong, draws=draws, seed=seed)
    return rows


def _by_detector(sites: Iterable[Site]) -> dict[str, list[Site]]:
    """Return the sites of each detector and kind."""
    found: dict[str, list[Site]] = {}
    for site in sites:
        found.setdefault(f"{site.kind.value} ({site.detector})", []).append(site)
    return found
