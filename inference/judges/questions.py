"""What a site's question is about now: which segments, and where to look."""

from __future__ import annotations

from collections.abc import Sequence

from connectome.datastack import Datastack, present_roots
from connectome.errors import InputError
from connectome.space import PointNm
from inference.judges.looks import contact_point
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.sites import Partner, Site
from proofreading.verdicts import Task

__all__ = ["asked_partners", "question_roots"]


def asked_partners(task: Task, site: Site) -> Sequence[Partner | None]:
    """Return the partners that a task asks about, or None for the site alone."""
    return site.partners if task in PAIR_TASKS else (None,)


def question_roots(
    datastack: Datastack, site: Site, partner: Partner | None
) -> tuple[int, int | None, PointNm]:
    """Return the segments as they are now, and where to look.

    Raises
    ------
    InputError
        If the two were joined since the site was found.
    ProofdeskError
        If roots or voxels cannot be read.
    """
    if partner is None:
        (own,) = present_roots(datastack, [site.supervoxel])
        return own, None, site.point_nm
    own, other = present_roots(datastack, [partner.own_supervoxel, partner.supervoxel])
    if own == other:
        raise InputError(
            "The site and its partner are one segment by now.",
            "Nothing is left to decide here; go on to the next site.",
        )
    return own, other, contact_point(datastack, partner, own, other)
