"""From an accepted decision to the merge edit that carries it out."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from connectome.errors import InputError
from connectome.graph import GraphPoint
from proofreading.catalogue_schema import PAIR_TASKS
from proofreading.decisions import Answer, Decision
from proofreading.edits import MergeEdit
from proofreading.ledger.events import EditQueued
from proofreading.ledger.store import Ledger
from proofreading.sites import Partner, Site

__all__ = ["asks_for_merge", "merge_edit", "queue_merges"]

_EDITS = uuid.UUID("7b6f2f0e-2c54-4c51-9d6b-0b1b1f6a9a55")


def asks_for_merge(decision: Decision) -> bool:
    """Tell whether the decision is the one that says that two segments belong together."""
    return (
        decision.answer is Answer.ACCEPT
        and decision.follows is None
        and decision.task in PAIR_TASKS
        and decision.partner_supervoxel is not None
    )


def merge_edit(
    decision: Decision, site: Site, *, seen_roots: tuple[int, int] | None = None
) -> MergeEdit:
    """Return the merge of a site's segment with the partner that was chosen.

    The id follows from the decision's, so that deriving again gives the same edit.

    Parameters
    ----------
    seen_roots : tuple of int, optional
        Roots of segment and partner on the screen when the person answered; those of the
        site's detection if not given.

    Raises
    ------
    InputError
        If the decision asks for no merge, or its partner is none of the site's.
    """
    if not asks_for_merge(decision) or decision.site_id != site.id:
        raise InputError(
            f"The decision {decision.id} accepts no merge at site {site.id}.",
            "Only accepted pairs become merges.",
        )
    partner = _chosen(decision, site)
    return MergeEdit(
        id=str(uuid.uuid5(_EDITS, decision.id)),
        decision_id=decision.id,
        site_id=site.id,
        a=GraphPoint(partner.own_supervoxel, partner.own_point_nm),
        b=GraphPoint(partner.supervoxel, partner.point_nm),
        expected_roots=seen_roots or (site.root, partner.root),
    )


def queue_merges(ledger: Ledger, site_of: Callable[[str], Site | None]) -> list[MergeEdit]:
    """Queue an edit for every standing acceptance that has none yet, and return the new ones.

    Raises
    ------
    InputError
        If a decision's site is unknown or has another set of partners.
    """
    state = ledger.state
    waiting = [d for d in state.decisions() if asks_for_merge(d) and not state.edit_of(d.id)]
    edits = [merge_edit(decision, _known(decision, site_of)) for decision in waiting]
    ledger.append_all(EditQueued(edit) for edit in edits)
    return edits


def _chosen(decision: Decision, site: Site) -> Partner:
    for partner in site.partners:
        if partner.supervoxel == decision.partner_supervoxel:
            return partner
    raise InputError(
        f"Site {site.id} has no partner with supervoxel {decision.partner_supervoxel}.",
        "Answer the site again.",
    )


def _known(decision: Decision, site_of: Callable[[str], Site | None]) -> Site:
    site = site_of(decision.site_id)
    if site is None:
        raise InputError(
            f"The decision {decision.id} is about site {decision.site_id}, which is not in "
            "the catalogue.",
            "Detect the sites of this session again.",
        )
    return site
