"""Why a judge says what it says of the site on the screen: asked for when a person wants it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from app.services.triage import usual_distance
from app.services.worker.messages import Explain, Explained
from connectome.errors import ModelError
from proofreading.confirmation import BLIND_NEEDED
from proofreading.verdicts import Verdict

if TYPE_CHECKING:
    from app.services.dashboard import Dashboard
    from app.services.model import Current
    from proofreading.statistics import CalibrationBin

__all__ = ["Learnt", "Strange", "WhyDesk", "WhyView", "learnt_of", "strange_of"]

KEPT = 64
_Key = tuple[str, int]


@dataclass(frozen=True)
class Strange:
    """A site that is unlike what its judge was trained on.

    Parameters
    ----------
    times : float
        Its distance as a multiple of what 95 % of held-out sites stay within.
    """

    times: float


@dataclass(frozen=True)
class Learnt:
    """How a judge's probabilities were calibrated.

    Parameters
    ----------
    curve : tuple of (float, float)
        What it said, and the share of yes there was, over held-out examples; may be empty.
    samples : int
        Held-out examples.
    gap : float or None
        Mean difference of the two (expected calibration error), if it was measured.
    """

    curve: tuple[tuple[float, float], ...]
    samples: int
    gap: float | None


@dataclass(frozen=True)
class WhyView:
    """What the window shows of the reasons.

    Parameters
    ----------
    open : bool
        Whether the reasons are unfolded.
    overlay : bool
        Whether the pictures show where the judge looked.
    waits : bool
        Whether the explanation of this site is being worked out.
    own : tuple of CalibrationBin
        The person's own blind answers on this dataset; empty while it is folded.
    """

    open: bool = False
    overlay: bool = False
    waits: bool = False
    explained: Explained | None = None
    strange: Strange | None = None
    learnt: Learnt | None = None
    own: tuple[CalibrationBin, ...] = ()

    @property
    def wanted(self) -> bool:
        """Whether anything of it is to be seen."""
        return self.open or self.overlay

    @property
    def own_missing(self) -> int:
        """Blind answers that are missing until they say something about this dataset."""
        return max(0, BLIND_NEEDED - sum(one.observed.count for one in self.own))


class WhyDesk:
    """Asks a worker for reasons, and keeps them.

    Parameters
    ----------
    send : callable
        Sends a command to the worker that judges.
    dashboard : Dashboard
        Knows the person's own blind answers.
    """

    def __init__(self, send: Callable[[Explain], None], dashboard: Dashboard) -> None:
        self._send = send
        self._dashboard = dashboard
        self._kept: OrderedDict[_Key, Explained] = OrderedDict()
        self._asked: _Key | None = None
        self._open = self._overlay = False

    def toggle_overlay(self) -> None:
        """Show on the pictures where the judge looked, or do not."""
        self._overlay = not self._overlay

    def toggle_open(self) -> None:
        """Unfold the reasons, or fold them."""
        self._open = not self._open

    def take(self, reply: Explained) -> None:
        """Keep an explanation."""
        key = (reply.site_id, reply.partner_index)
        self._kept[key] = reply
        if self._asked == key:
            self._asked = None
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Ask anew: the worker was lost, or the pictures are others now."""
        self._kept.clear()
        self._asked = None

    def of(self, current: Current | None) -> WhyView | None:
        """Return what is known of the site on the screen."""
        if current is None:
            return None
        return self.view(current.site.id, current.partner_index, current.verdict)

    def view(self, site_id: str, partner_index: int, seen: Verdict | None) -> WhyView:
        """Return what is known of a site, and ask for what is wanted of it.

        Parameters
        ----------
        seen : Verdict or None
            The verdict that the person sees; without one nothing is explained.
        """
        view = WhyView(self._open, self._overlay)
        if seen is None:
            return view
        key = (site_id, partner_index)
        known = self._kept.get(key)
        if view.wanted and known is None and self._asked != key:
            self._asked = key
            self._send(Explain(site_id, partner_index))
        measure = seen.provenance.measure
        return WhyView(
            open=self._open,
            overlay=self._overlay,
            waits=view.wanted and known is None,
            explained=known,
            strange=strange_of(seen),
            learnt=learnt_of(measure) if self._open else None,
            own=self._dashboard.calibration() if self._open else (),
        )


def strange_of(verdict: Verdict) -> Strange | None:
    """Return how unlike the training a site is; None if it is not, or if nobody knows."""
    distance = verdict.provenance.out_of_distribution
    limit = None if distance is None else usual_distance(verdict.provenance.measure)
    if distance is None or not limit or distance <= limit:
        return None
    return Strange(distance / limit)


@cache
def learnt_of(model_id: str) -> Learnt | None:
    """Return how a model was calibrated, None if the model is not here."""
    from inference.models.registry import find_model

    try:
        manifest = find_model(model_id).manifest
    except ModelError:
        return None
    line = manifest.calibration.isotonic
    curve = () if line is None else tuple(zip(line.said, line.was, strict=True))
    gap = manifest.metrics.get("calibration_block_ece_15")
    return Learnt(curve, manifest.calibration.samples, gap)
