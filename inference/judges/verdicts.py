"""From a site to verdicts: cut the pictures, ask the judge, state where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from connectome.datastack import Datastack, present_roots
from connectome.errors import InputError, ProofdeskError
from inference.calibration import candidate_probability
from inference.judges.base import Identified, Judge, Opinion, PairSample
from inference.judges.looks import contact_point, cut_at, look_again
from inference.models.manifest import ModelManifest
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Provenance, Verdict
from rendering.spec import EMSpec

__all__ = [
    "PicturesJudge",
    "code_version",
    "cut_pair",
    "failed",
    "judge_site",
    "judge_sites",
    "verdict",
]


@cache
def code_version() -> str:
    """Return the version of Proofdesk."""
    try:
        return version("proofdesk")
    except PackageNotFoundError:
        return "unknown"


class PicturesJudge:
    """The `SiteJudge` that shows pictures of every pair to a `Judge`.

    Parameters
    ----------
    judge : Judge
        What looks at the pictures.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    @property
    def manifest(self) -> ModelManifest:
        """What the model is and what it was trained on."""
        return self.judge.manifest

    @property
    def provider(self) -> str:
        """What runs it."""
        return self.judge.provider

    def judge_sites(
        self, datastack: Datastack, sites: Sequence[Site]
    ) -> list[Verdict | FailedVerdict]:
        """Return a verdict, or the reason for none, for every partner of every site."""
        return judge_sites(self.judge, datastack, sites)


def judge_site(judge: Judge, datastack: Datastack, site: Site) -> list[Verdict | FailedVerdict]:
    """Ask a judge about every partner of a site.

    Returns
    -------
    list of Verdict or FailedVerdict
        One per partner, in the site's order. A failure is a state of the site, never
        an exception.
    """
    return judge_sites(judge, datastack, [site])


def judge_sites(
    judge: Judge, datastack: Datastack, sites: Sequence[Site]
) -> list[Verdict | FailedVerdict]:
    """Ask a judge about every partner of several sites, in one batch.

    A pair that the first look does not rule out is looked at again from other places of
    the contact (`looks.look_again`): one slice may lie awkwardly.
    """
    asked: list[tuple[Site, Partner]] = []
    samples: list[PairSample] = []
    results: dict[tuple[str, int], Verdict | FailedVerdict] = {}
    for site in sites:
        for partner in site.partners:
            try:
                samples.append(cut_pair(datastack, partner, judge.manifest.picture_spec.em_spec()))
                asked.append((site, partner))
            except ProofdeskError as error:
                results[site.id, partner.supervoxel] = failed(judge, site, partner, error)
    opinions = _opinions(judge, datastack, [partner for _, partner in asked], samples)
    for (site, partner), result in zip(asked, opinions, strict=True):
        results[site.id, partner.supervoxel] = (
            verdict(judge, site, partner, result)
            if isinstance(result, Opinion)
            else failed(judge, site, partner, result)
        )
    return [results[s.id, partner.supervoxel] for s in sites for partner in s.partners]


def cut_pair(datastack: Datastack, partner: Partner, spec: EMSpec) -> PairSample:
    """Cut the pictures of a site's segment and one partner, around their contact.

    The segments are those that hold the two supervoxels now, which may have changed
    since the site was found.

    Raises
    ------
    VolumeError
        If the datastack has no microscopy.
    InputError
        If the two were joined since the site was found.
    ProofdeskError
        If voxels cannot be read.
    """
    own, other = present_roots(datastack, [partner.own_supervoxel, partner.supervoxel])
    if own == other:
        raise InputError(
            "The site and its partner are one segment by now.",
            "Nothing is left to decide here; go on to the next site.",
        )
    center = contact_point(datastack, partner, own, other)
    return cut_at(datastack, center, own, other, spec)


def verdict(judge: Identified, site: Site, partner: Partner | None, opinion: Opinion) -> Verdict:
    """Return an opinion as a verdict on a candidate, with its complete provenance."""
    manifest = judge.manifest
    chance = np.array([opinion.probability])
    provenance = Provenance(
        model_id=manifest.id,
        weights_sha256=manifest.sha256,
        calibration_id=manifest.calibration.id,
        picture_spec=manifest.input_hash,
        code_version=code_version(),
        provider=judge.provider,
        latency_ms=opinion.latency_ms,
        prompt_sha256=None,
        out_of_distribution=opinion.out_of_distribution,
    )
    return Verdict(
        site_id=site.id,
        task=manifest.task,
        partner_supervoxel=None if partner is None else partner.supervoxel,
        probability=float(candidate_probability(chance, manifest.calibration)[0]),
        raw_score=opinion.raw_score,
        made_at=datetime.now(UTC),
        provenance=provenance,
    )


def failed(
    judge: Identified, site: Site, partner: Partner | None, error: ProofdeskError
) -> FailedVerdict:
    """Return an error as a state of the site."""
    return FailedVerdict(
        site_id=site.id,
        task=judge.manifest.task,
        partner_supervoxel=None if partner is None else partner.supervoxel,
        reason=error.message,
        hint=error.hint,
        made_at=datetime.now(UTC),
        model_id=judge.manifest.id,
    )


def _opinions(
    judge: Judge,
    datastack: Datastack,
    partners: Sequence[Partner],
    samples: Sequence[PairSample],
) -> Sequence[Opinion | ProofdeskError]:
    if not samples:
        return []
    try:
        return look_again(judge, datastack, partners, samples, judge.judge(samples))
    except ProofdeskError as error:
        return [error] * len(samples)
