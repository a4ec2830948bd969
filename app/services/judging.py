"""Use-case: pictures and verdicts of sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.opening import open_session
from app.services.panel import Panel, held_out_batches, judge_batches
from connectome.datastack import present_roots
from connectome.opening import open_datastack
from connectome.space import PointNm
from inference.judges.looks import contact_point
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Verdict
from rendering.pictures import PictureMaker, SitePictures
from rendering.presets import Specs, specs_for

if TYPE_CHECKING:
    from connectome.datastack import Datastack

__all__ = ["JudgingSummary", "SiteDesk", "judge_session", "load_panel"]


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


def load_panel(models: Sequence[str] = ()) -> Panel:
    """Load the bundled judges, or those of these ids or folders.

    Raises
    ------
    ModelError
        If there is no such model, or its weights do not match its manifest.
    MissingPackageError
        If onnxruntime is not installed.
    """
    from inference.judges.registry import default_judges, site_judge
    from inference.models.registry import find_model

    return Panel([site_judge(find_model(m)) for m in models] if models else default_judges())


class SiteDesk:
    """Makes the pictures of a site and lets a judge look at it.

    Parameters
    ----------
    datastack : Datastack
        Where voxels, meshes and present roots come from.
    panel : Panel
        Its judges; an empty one still makes pictures.
    specs : Specs or None
        The pictures to make, if not those that fit the datastack.
    """

    def __init__(
        self, datastack: Datastack, panel: Panel | None = None, specs: Specs | None = None
    ) -> None:
        self._datastack = datastack
        self._panel = panel or Panel(())
        render, em, person_em = specs or specs_for(datastack)
        # A judge refuses pictures of another kind, so its own spec is the one to make.
        em = self._panel.em_spec or em
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
        """Return what the judges say, or why they do not, about every site."""
        return self._panel.judge(self._datastack, sites)


def judge_session(
    folder: Path,
    *,
    models: Sequence[str] = (),
    again: bool = False,
    held_out: bool = False,
    report: Callable[[str, float | None], None],
) -> JudgingSummary:
    """Judge the sites of a session that have no verdict yet.

    Parameters
    ----------
    models : sequence of str
        Ids or folders instead of the bundled judges.
    again : bool
        Retry what failed.
    held_out : bool
        Let every model judge only where its manifest says that it is an honest test:
        several models of one task, trained on different blocks, then cover a volume that
        they were trained on themselves.

    Raises
    ------
    SessionError, ModelError
        If the session cannot be opened or the model not used.
    """
    started = time.monotonic()
    with open_session(folder, role="worker") as session:
        panel = load_panel(models)
        if again:
            session.catalogue.retry()
        datastack = open_datastack(session.info.datastack_address)
        try:
            batches = held_out_batches if held_out else judge_batches
            results: list[Verdict | FailedVerdict] = []
            done = 0
            for batch in batches(panel, datastack, session.catalogue):
                results += batch
                done += len({result.site_id for result in batch})
                by_kind = session.catalogue.counts().by_kind
                report("judging", min(1.0, done / max(panel.questions(by_kind), 1)))
        finally:
            datastack.close()
    return _summary(panel, results, time.monotonic() - started)


def _summary(
    panel: Panel, results: list[Verdict | FailedVerdict], seconds: float
) -> JudgingSummary:
    sites = len({result.site_id for result in results})
    failed = sum(isinstance(result, FailedVerdict) for result in results)
    return JudgingSummary(
        model=", ".join(judge.manifest.id for judge in panel.judges),
        provider=panel.main.provider if panel.main is not None else "",
        sites_judged=sites,
        verdicts=len(results) - failed,
        failed=failed,
        seconds=round(seconds, 2),
        sites_per_second=round(sites / max(seconds, 1e-9), 2),
    )
