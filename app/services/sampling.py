"""Use-case: how much of the work measures the work, and the sites whose answer is known."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.opening import open_session
from connectome.errors import InputError
from proofreading.decisions import Answer
from proofreading.ledger.events import GoldAdded, SamplingChosen
from proofreading.sampling import SAMPLING, Purpose, place_of
from proofreading.session import Session
from proofreading.session_lock import person
from proofreading.sites import Site, SiteKind

if TYPE_CHECKING:
    from connectome.offline.datastack import OfflineDatastack

__all__ = ["GoldSummary", "SamplingSummary", "add_gold", "add_gold_from_truth", "choose_sampling"]

Same = Callable[[int, int], bool | None]
_HEAD = "site,answer[,partner_supervoxel]"


@dataclass(frozen=True)
class SamplingSummary:
    """The shares as they are now."""

    blind: float
    audit: float
    gold: float
    seed: int
    gold_sites: int


@dataclass(frozen=True)
class GoldSummary:
    """What was added: sites whose answer is yes, and no; and what was known already."""

    yes: int
    no: int
    known_before: int


def choose_sampling(
    folder: Path,
    *,
    blind: float | None = None,
    audit: float | None = None,
    gold: float | None = None,
    seed: int | None = None,
) -> SamplingSummary:
    """Set the shares that are given and return all of them; with none given, just look.

    Raises
    ------
    InputError
        If a share is not between 0 and 1.
    """
    for share in (blind, audit, gold):
        if share is not None and not 0 <= share <= 1:
            raise InputError(f"{share:g} is no share.", "Give a number from 0 to 1.")
    changes = any(value is not None for value in (blind, audit, gold, seed))
    with open_session(folder, role="writer" if changes else "worker") as session:
        old = session.ledger.state.sampling or SAMPLING
        new = SamplingChosen(
            blind=old.blind if blind is None else blind,
            audit=old.audit if audit is None else audit,
            gold=old.gold if gold is None else gold,
            seed=old.seed if seed is None else seed,
            author=person(),
        )
        if changes:
            session.ledger.append(new)
        known = len(session.ledger.state.gold())
        return SamplingSummary(new.blind, new.audit, new.gold, new.seed, known)


def add_gold(folder: Path, file: Path) -> GoldSummary:
    """Add known answers from a CSV file with the columns site, answer and, if wanted, partner.

    Raises
    ------
    InputError
        If a line cannot be read or names an unknown site.
    """
    with open_session(folder) as session:
        return _add(session, list(_from_file(session, file)))


def add_gold_from_truth(folder: Path, count: int, *, seed: int = 0) -> GoldSummary:
    """Add random pairs whose answer the datastack's own truth knows.

    Raises
    ------
    InputError
        If the datastack has no truth.
    """
    from connectome.offline.datastack import OfflineDatastack
    from connectome.opening import open_datastack

    with (
        open_session(folder) as session,
        closing(open_datastack(session.info.datastack_address)) as datastack,
    ):
        if not isinstance(datastack, OfflineDatastack) or datastack.groundtruth is None:
            raise InputError(
                f"{datastack.name} has no ground truth.",
                "Give known answers in a CSV file: proofdesk gold S FILE.",
            )
        return _add(session, list(_from_truth(session, datastack, count, seed)))


def _add(session: Session, found: list[GoldAdded]) -> GoldSummary:
    known = session.ledger.state.gold()
    new = [gold for gold in found if gold.site_id not in known]
    session.ledger.append_all(new)
    yes = sum(gold.answer is Answer.ACCEPT for gold in new)
    return GoldSummary(yes, len(new) - yes, len(found) - len(new))


def _from_file(session: Session, file: Path) -> Iterator[GoldAdded]:
    try:
        lines = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read.", f"Give a CSV file: {_HEAD}.") from error
    for number, line in enumerate(lines, 2):
        site_id, word = line.get("site") or "", (line.get("answer") or "").strip().lower()
        partner = (line.get("partner_supervoxel") or "").strip()
        known = session.catalogue.site(site_id.strip())
        if known is None or word not in (Answer.ACCEPT, Answer.REJECT):
            raise InputError(
                f"Line {number} of {file.name} is no known answer to a site of this session.",
                f"The columns are {_HEAD}; answers are accept and reject.",
            )
        if partner and partner not in {str(p.supervoxel) for p in known.partners}:
            raise InputError(
                f"Line {number} of {file.name} names a partner that the site does not have.",
                "Take the supervoxel from the session's tables, or leave it out.",
            )
        yield GoldAdded(known.id, Answer(word), file.name, int(partner) if partner else None)


def _from_truth(
    session: Session, datastack: OfflineDatastack, count: int, seed: int
) -> Iterator[GoldAdded]:
    from connectome.offline.truth import MainBodies

    bodies = MainBodies(datastack)
    pairs = [
        site
        for kind in (SiteKind.CONTACT, SiteKind.ENDPOINT)
        for site in session.catalogue.sites(kind)
        if site.partners and session.ledger.state.decision(site.id) is None
    ]
    pairs.sort(key=lambda site: place_of(Purpose.GOLD, seed, site.id))
    left = count
    for site in pairs:
        if left == 0:
            return
        known = _answer_of(site, bodies.same)
        if known is not None:
            left -= 1
            yield known


def _answer_of(site: Site, same: Same) -> GoldAdded | None:
    answers = [same(partner.own_supervoxel, partner.supervoxel) for partner in site.partners]
    if True in answers:
        partner = site.partners[answers.index(True)].supervoxel
        return GoldAdded(site.id, Answer.ACCEPT, "ground truth", partner)
    # One unknown candidate may be the right one.
    return None if None in answers else GoldAdded(site.id, Answer.REJECT, "ground truth")
