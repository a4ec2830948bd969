"""What a proposed merge would do, told before it is accepted, and the picture of it.

Everything but the count of sites comes from what the datastack knows of its objects
(`connectome.objects`); what it does not know is not told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from app.services.facts import facts_of
from app.services.model import Phase
from app.services.one_thread import OneThread
from app.services.workers import Post
from proofreading.export.warnings import WarningRules, merge_warnings
from proofreading.sites import SiteKind

if TYPE_CHECKING:
    from app.services.place import Place
    from connectome.datastack import Datastack
    from connectome.objects import Facts
    from ngplugin.viewer import SiteViewer
    from proofreading.catalogue import Catalogue

__all__ = ["Consequence", "ConsequenceBench", "PairFacts", "facts_of_pair"]

NO_PAIR = "Only a question about two segments has an after-view; a cut has its preview: P."
ONE = "These two are one object already."


@dataclass(frozen=True)
class PairFacts:
    """What is known of two objects; None is not known.

    Parameters
    ----------
    volumes_nm3 : tuple of float or None
        Of the one and the other.
    somata : tuple of int or None
        Cell bodies in each.
    faces : tuple of frozenset or None
        Faces of the volume that each touches, such as ``x-``.
    warnings : tuple of str
        What the export would hold the merge for.
    """

    volumes_nm3: tuple[float | None, float | None] = (None, None)
    somata: tuple[int | None, int | None] = (None, None)
    faces: tuple[frozenset[str] | None, frozenset[str] | None] = (None, None)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consequence:
    """The after-view of the pair on the screen.

    Parameters
    ----------
    phase : Phase
        ``loading`` until the facts are there, then ``ready``.
    tips_closed : int
        Tips of the sites that ask about this pair.
    contact_area_nm2 : float
        Where the two touch.
    """

    site_id: str
    pair: tuple[int, int]
    phase: Phase
    tips_closed: int
    contact_area_nm2: float
    facts: PairFacts = PairFacts()


def facts_of_pair(facts: Facts | None, pair: tuple[int, int], voxel_nm3: float) -> PairFacts:
    """Ask what is known of two objects; takes as long as the server does."""
    if facts is None:
        return PairFacts()
    a, b = pair
    told = merge_warnings(facts, {a}, {b}, WarningRules())
    one, other = (facts.voxels(root) for root in pair)
    return PairFacts(
        volumes_nm3=(
            None if one is None else one * voxel_nm3,
            None if other is None else other * voxel_nm3,
        ),
        somata=(facts.somata(a), facts.somata(b)),
        faces=(facts.faces(a), facts.faces(b)),
        warnings=tuple(warning.message for warning in told),
    )


class ConsequenceBench:
    """The after-view of an open session: on or off, for the pair on the screen.

    Parameters
    ----------
    sites_of : callable
        Returns the sites that ask about a pair of roots.
    changed : callable
        Called after every change.
    """

    def __init__(
        self,
        datastack: Datastack,
        viewer: SiteViewer,
        place: Place,
        catalogue: Catalogue,
        sites_of: Callable[[Iterable[int]], list[str]],
        post: Post,
        changed: Callable[[], None],
    ) -> None:
        self._datastack, self._viewer, self._place = datastack, viewer, place
        self._catalogue, self._sites_of, self._changed = catalogue, sites_of, changed
        self._thread = OneThread("proofdesk-consequence", post)
        self._shown: Consequence | None = None

    def view(self) -> Consequence | None:
        """Return what the window shows; None while the objects are shown as they are."""
        return self._shown

    def toggle(self) -> str:
        """Show what the merge would leave, or what is there; return why neither can be."""
        if self.leave():
            return ""
        site, partner, pair = self._place.site, self._place.tracker.partner, self._place.seen_pair()
        if site is None or partner is None or pair is None:
            return NO_PAIR
        if pair[0] == pair[1]:
            return ONE
        self._shown = Consequence(
            site.id, pair, Phase.LOADING, self._tips(site.id, pair), partner.contact_area_nm2
        )
        self._viewer.show_merged(merged=True)
        self._thread.do(lambda: self._facts(pair), lambda found: self._take(pair, found))
        self._changed()
        return ""

    def leave(self) -> bool:
        """Show what is there; tell whether the after-view was shown."""
        if self._shown is None:
            return False
        self._shown = None
        self._viewer.show_merged(merged=False)
        self._changed()
        return True

    def follow(self) -> None:
        """End the after-view when another pair comes on the screen."""
        shown, site = self._shown, self._place.site
        if shown is not None and (
            site is None or (site.id, self._place.seen_pair()) != (shown.site_id, shown.pair)
        ):
            self.leave()

    def close(self) -> None:
        """Ask nothing any more."""
        self._thread.close()

    def _tips(self, site_id: str, pair: tuple[int, int]) -> int:
        asking = {site_id, *self._sites_of(pair)}
        sites = (self._catalogue.site(each) for each in asking)
        return sum(1 for site in sites if site is not None and site.kind is SiteKind.ENDPOINT)

    def _facts(self, pair: tuple[int, int]) -> PairFacts:
        voxel_nm = self._datastack.segmentation.scales[0].voxel_nm
        return facts_of_pair(facts_of(self._datastack), pair, float(np.prod(voxel_nm)))

    def _take(self, pair: tuple[int, int], found: PairFacts) -> None:
        if self._shown is not None and self._shown.pair == pair:
            self._shown = replace(self._shown, phase=Phase.READY, facts=found)
            self._changed()
