"""Use-case: pictures and verdicts of sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.opening import open_session
from connectome.datastack import present_roots
from connectome.opening import open_datastack
from connectome.space import PointNm
from inference.judges.looks import contact_point
from inference.judges.verdicts import judge_sites
from proofreading.sites import Partner, Site, SiteKind
from proofreading.verdicts import FailedVerdict, Task, Verdict
from rendering.pictures import PictureMaker, SitePictures
from rendering.presets import Specs, specs_for

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.base import Judge
    from proofreading.catalogue import Catalogue
    from proofreading.session import Session

__all__ = ["JudgingSummary", "SiteDesk", "judge_batches", "judge_session", "load_judge"]

BATCH_SITES = 8
AHEAD = 256
"""How far to look ahead for sites that matter more."""
BEFORE_LOOKING_ANEW = 32


@dataclass(frozen=True)
class JudgingSummary:
    """What the judge has said."""

    model: str
    provider: str
    sites_judged: int
    verdicts: int
    failed: int
    seconds: float
    sites_per_second: float


def load_judge(model: str | None) -> Judge:
    """Load a judge for pairs: the bundled model, or one by id or folder.

    Raises
    ------
    ModelError
        If there is no such model, or its weights do not match its manifest.
    MissingPackageError
        If onnxruntime is not installed.
    """
    from inference.judges.onnx import OnnxJudge
    from inference.models.registry import default_model, find_model

    folder = find_model(model) if model else default_model(Task.SPLIT_ERROR_CORRECTION)
    return OnnxJudge(folder)


class SiteDesk:
    """Makes the pictures of a site and lets a judge look at it.

    Parameters
    ----------
    datastack : Datastack
        Where voxels, meshes and present roots come from.
    judge : Judge or None
        None still makes pictures.
    specs : Specs or None
        The pictures to make, if not those that fit the datastack.
    """

    def __init__(
        self, datastack: Datastack, judge: Judge | None, specs: Specs | None = None
    ) -> None:
        self._datastack = datastack
        self._judge = judge
        render, em, person_em = specs or specs_for(datastack)
        if judge is not None:
            # The judge refuses pictures of another kind, so its own spec is the one to make.
            em = judge.manifest.picture_spec.em_spec()
        self.maker = PictureMaker(datastack, render=render, em=em, person_em=person_em)

    def roots(self, site: Site, partner: Partner | None) -> tuple[int, int | None]:
        """Return the roots of a pair as they are now."""
        if partner is None:
            return present_roots(self._datastack, [site.supervoxel])[0], None
        own, other = present_roots(self._datastack, [partner.own_supervoxel, partner.supervoxel])
        return own, other

    def center_nm(
        self, site: Site, partner: Partner | None, roots: tuple[int, int | None]
    ) -> PointNm:
        """Return the middle of every picture: the contact with the partner, or the site."""
        if partner is None or roots[1] is None:
            return site.point_nm
        return contact_point(self._datastack, partner, roots[0], roots[1])

    def pictures(
        self, site: Site, partner: Partner | None, roots: tuple[int, int | None]
    ) -> SitePictures:
        """Return the pictures of a site with one of its partners, around their contact."""
        return self.maker.make(self.center_nm(site, partner, roots), *roots)

    def judge(self, sites: Sequence[Site]) -> list[Verdict | FailedVerdict]:
        """Return a verdict, or the reason for none, for every partner of every site."""
        if self._judge is None:
            return []
        return judge_sites(self._judge, self._datastack, sites)


def judge_batches(
    desk: SiteDesk, judge: Judge, catalogue: Catalogue
) -> Iterator[list[Verdict | FailedVerdict]]:
    """Judge every site without a verdict of this model, store each batch, then yield it."""
    manifest = judge.manifest
    while waiting := catalogue.unjudged(manifest.task, manifest.id, limit=AHEAD):
        # Tips where the neurite merely leaves the volume come last in the queue too.
        waiting.sort(key=lambda site: site.at_volume_face)
        for begin in range(0, min(len(waiting), BEFORE_LOOKING_ANEW), BATCH_SITES):
            results = desk.judge(waiting[begin : begin + BATCH_SITES])
            catalogue.add_verdicts(results)
            yield results


def judge_session(
    folder: Path,
    *,
    model: str | None,
    again: bool,
    report: Callable[[str, float | None], None],
) -> JudgingSummary:
    """Judge the sites of a session that have no verdict of the model.

    Raises
    ------
    SessionError, ModelError
        If the session cannot be opened or the model not used.
    """
    started = time.monotonic()
    with open_session(folder, role="worker") as session:
        judge = load_judge(model)
        if again:
            session.catalogue.retry()
        datastack = open_datastack(session.info.datastack_address)
        try:
            results = _judge_all(session, SiteDesk(datastack, judge), judge, report)
        finally:
            datastack.close()
    seconds = time.monotonic() - started
    sites = len({result.site_id for result in results})
    failed = sum(isinstance(result, FailedVerdict) for result in results)
    return JudgingSummary(
        model=judge.manifest.id,
        provider=judge.provider,
        sites_judged=sites,
        verdicts=len(results) - failed,
        failed=failed,
        seconds=round(seconds, 2),
        sites_per_second=round(sites / seconds, 2),
    )


def _judge_all(
    session: Session,
    desk: SiteDesk,
    judge: Judge,
    report: Callable[[str, float | None], None],
) -> list[Verdict | FailedVerdict]:
    results: list[Verdict | FailedVerdict] = []
    for batch in judge_batches(desk, judge, session.catalogue):
        results += batch
        counts = session.catalogue.counts()
        report("judging", counts.judged / max(counts.by_kind[SiteKind.ENDPOINT], 1))
    return results
