"""Why a judge says what it says: where it looked, and what is unusual; in small steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from app.services.panel import Panel
from app.services.questions import task_of
from app.services.worker.messages import Explain, Explained
from connectome.datastack import Datastack
from connectome.errors import ProofdeskError
from inference.adaptive.measured import MeasuredPairs
from inference.judges.saliency import SeenSaliency, deletion_test, occluding
from inference.judges.unusual import Blame, blamed
from inference.judges.verdicts import cut_pair
from proofreading.sites import Partner, Site
from proofreading.verdicts import Task

__all__ = ["Explainer"]

PATCH_SHARE, STEP_SHARE = 0.25, 0.125
"""Edge of a hidden square and its steps, as shares of a slice's width."""
NO_PICTURES = "No judge of this question looks at pictures: there is nothing to show on them."


@dataclass(frozen=True)
class Explainer:
    """Explains the verdicts of one panel.

    Parameters
    ----------
    measured : MeasuredPairs
        What was measured on pairs of this session.
    """

    panel: Panel
    datastack: Datastack
    measured: MeasuredPairs

    def explain(self, command: Explain, site: Site) -> Iterator[Explained | None]:
        """Yield the explanation in the end; before it None after each step."""
        made = Explained(command.site_id, command.partner_index)
        task = task_of(site)
        if not site.partners:
            yield replace(made, message=NO_PICTURES)
            return
        partner = site.partners[command.partner_index]
        try:
            made = replace(made, unusual=self._unusual(site, partner, task))
            yield None
            for step in self._looked(partner, task):
                if step is None:
                    yield None
                else:
                    made = replace(made, saliency=step)
        except ProofdeskError as error:
            made = replace(made, message=f"{error.message} {error.hint}".strip())
        if made.saliency is None and not made.message:
            made = replace(made, message=NO_PICTURES)
        yield made

    def _unusual(self, site: Site, partner: Partner, task: Task) -> tuple[Blame, ...]:
        judge, key = self.panel.measures(task), (site.id, partner.supervoxel)
        self.measured.look_up([key])
        if judge is None or key not in self.measured:
            return ()
        contract = judge.manifest.input
        names = getattr(contract, "features", ())
        row = self.measured.rows([key])[0]
        return blamed(judge.distances, names, row, self.measured.some())

    def _looked(self, partner: Partner, task: Task) -> Iterator[SeenSaliency | None]:
        seer = self.panel.looks_at_pictures(task)
        if seer is None:
            return
        judge = seer.judge
        spec = judge.manifest.picture_spec.em_spec()
        sample = cut_pair(self.datastack, partner, spec)
        patch, step = (max(1, round(s * spec.size_px)) for s in (PATCH_SHARE, STEP_SHARE))
        steps = occluding(judge, sample, patch=patch, step=step)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                saliency = end.value
                break
            yield None
        tested = deletion_test(judge, sample, saliency, patch=step)
        yield SeenSaliency(
            model_id=judge.manifest.id,
            supporting=saliency.supporting,
            planes=spec.planes,
            half_extent_nm=spec.half_extent_nm,
            says_yes=saliency.raw_score >= 0,
            deletion=tested,
        )
