"""The judge that asks several: a quick one about every pair, slow ones about what it leaves open.

The quick judge (numbers measured on the voxels) ranks thousands of pairs; the others
(networks on pictures) look where it is unsure, and the logits are added up with weights
that were fitted on pairs none of them was trained on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import ModelError
from inference.calibration import calibrated
from inference.judges.base import Opinion, SiteJudge
from inference.judges.combining import part_of
from inference.judges.verdicts import verdict
from inference.models.manifest import MembersContract, ModelManifest
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Verdict

__all__ = ["EnsembleJudge"]

Result = Verdict | FailedVerdict
Question = tuple[str, int | None]

REMEMBERED = 100_000
"""Rankings kept between ranking everything and judging what is left open."""


class EnsembleJudge:
    """Answers for pairs with several judges at once; a `SiteJudge`.

    Parameters
    ----------
    manifest : ModelManifest
        With a `MembersContract`.
    members : sequence of SiteJudge
        In the order of the contract; the first is the quick one.

    Raises
    ------
    ModelError
        If these are not the members that the manifest names.
    """

    def __init__(self, manifest: ModelManifest, members: Sequence[SiteJudge]) -> None:
        contract = manifest.input
        named = [m.sha256 for m in getattr(contract, "members", ())]
        if not isinstance(contract, MembersContract) or named != [
            member.manifest.sha256 for member in members
        ]:
            raise ModelError(
                f"These are not the models that the ensemble {manifest.id} was fitted to.",
                "Restore its members from where they came, or train the ensemble again.",
            )
        self._manifest = manifest
        self._contract = contract
        self.members = tuple(members)
        self._ranked: OrderedDict[Question, Result] = OrderedDict()

    @property
    def manifest(self) -> ModelManifest:
        """What the ensemble is and what it was fitted on."""
        return self._manifest

    @property
    def provider(self) -> str:
        """What runs the slowest member."""
        return self.members[-1].provider

    def rank(self, datastack: Datastack, sites: Sequence[Site]) -> list[Result]:
        """Return the quick judge's verdicts, and remember them for `judge_sites`."""
        results = self.members[0].judge_sites(datastack, sites)
        self.remember(results)
        return results

    def remember(self, results: Sequence[Result]) -> None:
        """Keep what the quick judge has said, here or elsewhere, for `judge_sites`."""
        for result in results:
            self._ranked[result.site_id, result.partner_supervoxel] = result
        while len(self._ranked) > REMEMBERED:
            self._ranked.popitem(last=False)

    def remembers(self, site: Site) -> bool:
        """Tell whether it is known what the quick judge says of every partner of a site."""
        return all((site.id, partner.supervoxel) in self._ranked for partner in site.partners)

    def judge_sites(self, datastack: Datastack, sites: Sequence[Site]) -> list[Result]:
        """Return the combined verdict of every pair, in the sites' order.

        Where a member fails, the verdict fails with its reason.
        """
        return [result for result, _ in self.explained(datastack, sites)]

    def explained(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[tuple[Result, tuple[Result, ...]]]:
        """Return each combined verdict with what the members that were asked said."""
        ranked = self._rankings(datastack, sites)
        unsure = [_only(site, ranked, self._is_open) for site in sites]
        shown = [site for site in unsure if site.partners]
        others = [_by_question(m.judge_sites(datastack, shown)) for m in self.members[1:]]
        return [
            self._combined(site, partner, ranked, others)
            for site in sites
            for partner in site.partners
        ]

    def _rankings(self, datastack: Datastack, sites: Sequence[Site]) -> dict[Question, Result]:
        known: dict[Question, Result] = {
            (site.id, p.supervoxel): self._ranked.pop((site.id, p.supervoxel))
            for site in sites
            for p in site.partners
            if (site.id, p.supervoxel) in self._ranked
        }
        missing = [s for s in sites if any((s.id, p.supervoxel) not in known for p in s.partners)]
        return {**known, **_by_question(self.members[0].judge_sites(datastack, missing))}

    def _is_open(self, result: Result) -> bool:
        contract = self._contract
        return (
            isinstance(result, Verdict)
            and contract.look_from <= result.raw_score <= contract.look_to
        )

    def _combined(
        self,
        site: Site,
        partner: Partner,
        ranked: Mapping[Question, Result],
        others: Sequence[Mapping[Question, Result]],
    ) -> tuple[Result, tuple[Result, ...]]:
        question = (site.id, partner.supervoxel)
        said = [ranked[question], *(other[question] for other in others if question in other)]
        for result in said:
            if isinstance(result, FailedVerdict):
                return result, tuple(said)
        verdicts = [result for result in said if isinstance(result, Verdict)]
        joint = verdict(self, site, partner, self._opinion(verdicts))
        # With the quick judge alone there is nothing that was put together.
        parts = tuple(map(part_of, verdicts)) if len(verdicts) > 1 else ()
        return replace(joint, parts=parts), tuple(said)

    def _opinion(self, said: Sequence[Verdict]) -> Opinion:
        strange = self._strangeness(said)
        latency = sum(v.provenance.latency_ms for v in said)
        if len(said) < len(self.members):
            return Opinion(self._as_calibrated(said[0]), said[0].raw_score, strange, latency)
        weights = [member.weight for member in self._contract.members]
        score = self._contract.bias + float(np.dot(weights, [v.raw_score for v in said]))
        chance = calibrated(np.array([score]), self._manifest.calibration)
        return Opinion(float(chance[0]), score, strange, latency)

    def _strangeness(self, said: Sequence[Verdict]) -> float | None:
        """Return the largest distance, each as a share of what is usual for that member."""
        shares = [
            v.provenance.out_of_distribution / usual.percentile_95
            for v, member in zip(said, self.members, strict=False)
            if (usual := member.manifest.out_of_distribution) is not None
            and v.provenance.out_of_distribution is not None
        ]
        return max(shares, default=None)

    def _as_calibrated(self, quick: Verdict) -> float:
        """Return the quick judge's chance before the candidates' share of yes comes in."""
        calibration = self.members[0].manifest.calibration
        return float(calibrated(np.array([quick.raw_score]), calibration)[0])


def _only(site: Site, ranked: Mapping[Question, Result], wanted: object) -> Site:
    assert callable(wanted)
    kept = tuple(p for p in site.partners if wanted(ranked[site.id, p.supervoxel]))
    return replace(site, partners=kept)


def _by_question(results: Sequence[Result]) -> dict[Question, Result]:
    return {(result.site_id, result.partner_supervoxel): result for result in results}
