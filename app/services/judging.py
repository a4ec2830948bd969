"""Use-case: pictures and verdicts of sites."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.opening import open_session
from app.services.panel import Panel, held_out_batches, judge_batches
from app.services.second_opinions import SecondOpinions
from connectome.datastack import present_roots
from connectome.opening import open_datastack
from connectome.space import PointNm
from inference.judges.looks import contact_point
from inference.judges.routing import Routing, read_routing
from proofreading.sites import Partner, Site
from proofreading.verdicts import FailedVerdict, Task, Verdict
from rendering.pictures import PictureMaker, SitePictures
from rendering.presets import Specs, specs_for

if TYPE_CHECKING:
    from connectome.datastack import Datastack
    from inference.judges.base import SiteJudge
    from inference.judges.router import Router
    from inference.models.registry import ModelFolder

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


def load_panel(models: Sequence[str] = (), routing: Routing | None = None) -> Panel:
    """Load the bundled judges, or those of these ids or folders.

    Language models among them are asked second, where the others are unsure; with
    language models alone, the bundled judges answer first.

    Parameters
    ----------
    routing : Routing or None
        Which judges a session names itself, and when language models are asked.

    Raises
    ------
    ModelError
        If there is no such model, or its weights do not match its manifest.
    MissingPackageError
        If onnxruntime is not installed.
    """
    from inference.judges.registry import default_judges, site_judge
    from inference.models.registry import find_model

    routes = routing or Routing()
    chosen = [find_model(name) for name in (*models, *_named(routes))]
    quick = [folder for folder in chosen if folder.manifest.input.kind != "language"]
    judges = [site_judge(folder) for folder in quick]
    if not any(models) or not judges:
        tasks = {judge.manifest.task for judge in judges}
        judges += [judge for judge in default_judges() if judge.manifest.task not in tasks]
    return Panel(judges, _routers([f for f in chosen if f not in quick], judges, routes))


def _named(routing: Routing) -> list[str]:
    routes = routing.routes.values()
    return [name for route in routes for name in (route.first, route.second) if name]


def _routers(
    folders: Sequence[ModelFolder], judges: Sequence[SiteJudge], routing: Routing
) -> list[Router]:
    """Return a router for each language model; those of the same weights share a process."""
    from inference.judges.router import Router
    from inference.judges.vlm.folder import load_of
    from inference.judges.vlm.judge import VlmJudge
    from inference.judges.vlm.process import VlmProcess

    processes: dict[str, VlmProcess] = {}
    made: dict[Task, Router] = {}
    for folder in folders:
        load = load_of(folder)
        model = processes.setdefault(load.line(), VlmProcess(load))
        task = folder.manifest.task
        first = next((judge for judge in judges if judge.manifest.task is task), None)
        # The first that was named counts: the command line comes before the session.
        made.setdefault(task, Router(VlmJudge(folder, model=model), first, routing.route(task)))
    return list(made.values())


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
        panel = load_panel(models, read_routing(folder))
        if again:
            session.catalogue.retry()
        datastack = open_datastack(session.info.datastack_address)
        second = SecondOpinions(panel.routers, datastack, session.catalogue)
        results: list[Verdict | FailedVerdict] = []
        try:
            batches = held_out_batches if held_out else judge_batches
            done = 0
            for batch in batches(panel, datastack, session.catalogue):
                results += batch
                done += len({result.site_id for result in batch})
                by_kind = session.catalogue.counts().by_kind
                report("judging", min(1.0, done / max(panel.questions(by_kind), 1)))
            if panel.routers and not held_out:
                second.recall()
                for batch in second.drain():
                    results += batch
                    report(f"asking again, {second.waiting:,} left open", None)
        finally:
            second.close()
            datastack.close()
    return _summary(panel, results, time.monotonic() - started)


def _summary(
    panel: Panel, results: list[Verdict | FailedVerdict], seconds: float
) -> JudgingSummary:
    sites = len({result.site_id for result in results})
    failed = sum(isinstance(result, FailedVerdict) for result in results)
    return JudgingSummary(
        model=", ".join(
            [judge.manifest.id for judge in panel.judges]
            + [router.second.manifest.id for router in panel.routers]
        ),
        provider=panel.main.provider if panel.main is not None else "",
        sites_judged=sites,
        verdicts=len(results) - failed,
        failed=failed,
        seconds=round(seconds, 2),
        sites_per_second=round(sites / max(seconds, 1e-9), 2),
    )
