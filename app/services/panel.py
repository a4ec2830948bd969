"""The judges of a session: which of them answers what, and in which order they work.

A quick judge ranks everything first, so that the queue is in a useful order within
seconds; then the slow ones look at what it leaves open, the most probable sites first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectome.datastack import Datastack
from inference.judges.base import SiteJudge
from inference.judges.ensemble import EnsembleJudge
from inference.judges.features import FeaturesJudge, Measured
from inference.judges.router import Router
from inference.judges.shapes import ShapesJudge
from inference.judges.verdicts import PicturesJudge
from proofreading.catalogue import Catalogue
from proofreading.catalogue_schema import PAIR_TASKS, kinds_for
from proofreading.sites import Site, SiteKind
from proofreading.verdicts import FailedVerdict, Task, Verdict
from rendering.spec import EMSpec

__all__ = ["Panel", "Pass", "held_out_batches", "judge_batches"]

Results = list[Verdict | FailedVerdict]

QUICK_SITES = 128
"""Sites a batch of a judge that only measures: neighbours share the voxels they read."""
MEASURED_SITES = 16
"""Sites a batch of a judge that measures each site by itself."""
SLOW_SITES = 8
AHEAD = 256
"""How far to look ahead for sites that matter more."""
BEFORE_LOOKING_ANEW = 32


@dataclass(frozen=True)
class Pass:
    """One judge going over all sites of its task."""

    judge: SiteJudge
    work: Callable[[Datastack, Sequence[Site]], Results]
    batch: int
    ahead: int
    anew: int


class Panel:
    """The judges that answer for a datastack.

    Parameters
    ----------
    judges : sequence of SiteJudge
        At most one for each task.
    routers : sequence of Router
        Who else is asked where these leave a question open, at most one for each task;
        `app.services.second_opinions` does so.
    """

    def __init__(self, judges: Sequence[SiteJudge], routers: Sequence[Router] = ()) -> None:
        self.judges = tuple(judges)
        self.routers = tuple(routers)

    @property
    def main(self) -> SiteJudge | None:
        """The judge that stands for all of them in the window."""
        return self.judges[0] if self.judges else None

    def looks_at_pictures(self, task: Task) -> PicturesJudge | None:
        """Return the judge that answers a task, or a part of it, from pictures."""
        found = (j for j in self._members() if j.manifest.task is task)
        return next((judge for judge in found if isinstance(judge, PicturesJudge)), None)

    def measures(self, task: Task) -> FeaturesJudge | None:
        """Return the judge that answers a task, or a part of it, from numbers."""
        found = (j for j in self._members() if j.manifest.task is task)
        return next((judge for judge in found if isinstance(judge, FeaturesJudge)), None)

    @property
    def em_spec(self) -> EMSpec | None:
        """The slices that a judge of pictures takes, None if there is no such judge."""
        for judge in self._members():
            if isinstance(judge, PicturesJudge):
                return judge.manifest.picture_spec.em_spec()
        return None

    @property
    def pair_models(self) -> tuple[str, ...]:
        """Ids of everything that answers whether two segments are one."""
        asked = [j for j in self._members() if j.manifest.task is Task.SPLIT_ERROR_CORRECTION]
        whole = [j for j in self.judges if j.manifest.task is Task.SPLIT_ERROR_CORRECTION]
        return tuple(sorted({judge.manifest.id for judge in (*asked, *whole)}))

    def keep_measured(self, keep: Callable[[Measured], None], spec_hash: str) -> None:
        """Hand on what judges measure on pairs, if they measure it in this way."""
        for judge in self._members():
            if isinstance(judge, FeaturesJudge) and judge.spec.hash == spec_hash:
                judge.on_measured = keep

    def passes(self) -> Iterator[Pass]:
        """Yield what is to be done, the quick things first.

        Whether a tip ends is asked last: most tips have a partner, and are asked about it.
        """
        later, last = [], []
        for judge in self.judges:
            work = Pass(judge, _told_by(judge), SLOW_SITES, AHEAD, BEFORE_LOOKING_ANEW)
            if isinstance(judge, EnsembleJudge):
                yield Pass(judge.members[0], judge.rank, QUICK_SITES, 4 * QUICK_SITES, QUICK_SITES)
            if judge.manifest.task is Task.SPLIT_ERROR_IDENTIFICATION:
                last.append(work)
            elif isinstance(judge, EnsembleJudge | PicturesJudge | ShapesJudge):
                later.append(work)
            else:
                yield Pass(judge, _told_by(judge), MEASURED_SITES, AHEAD, BEFORE_LOOKING_ANEW)
        yield from later
        yield from last

    def questions(self, by_kind: Mapping[SiteKind, int]) -> int:
        """Return how many times a site will be judged, for so many sites of each kind."""
        tasks = [each.judge.manifest.task for each in self.passes()]
        return sum(by_kind.get(kind, 0) for task in tasks for kind in kinds_for(task))

    def without_verdict(self, catalogue: Catalogue, site: Site) -> Panel:
        """Return the judges that have not judged a site of which they can be asked."""
        return Panel(
            [
                judge
                for judge in self.judges
                if can_be_asked(judge.manifest.task, site)
                and not _has_judged(judge, catalogue, site)
            ]
        )

    def recall(self, catalogue: Catalogue, site: Site) -> None:
        """Let those that ask several judges know what the quick one has said of a site."""
        for judge in self.judges:
            _recall(judge, catalogue, site)

    def judge(self, datastack: Datastack, sites: Sequence[Site]) -> Results:
        """Return what every judge says about the sites of which it can be asked."""
        results: Results = []
        for judge in self.judges:
            asked = [site for site in sites if can_be_asked(judge.manifest.task, site)]
            results += _told_by(judge)(datastack, asked) if asked else []
        return results

    def _members(self) -> Iterator[SiteJudge]:
        for judge in self.judges:
            yield from judge.members if isinstance(judge, EnsembleJudge) else (judge,)


def _told_by(judge: SiteJudge) -> Callable[[Datastack, Sequence[Site]], Results]:
    """Return the way to ask a judge by which all that its members say is heard as well.

    What they say together comes after what each says, so that it is what counts.
    """
    if not isinstance(judge, EnsembleJudge):
        return judge.judge_sites

    def told(datastack: Datastack, sites: Sequence[Site]) -> Results:
        explained = judge.explained(datastack, sites)
        said = [part for joint, parts in explained for part in parts if part is not joint]
        return [*said, *(joint for joint, _ in explained)]

    return told


def can_be_asked(task: Task, site: Site) -> bool:
    """Tell whether a site is one that the task asks about."""
    return site.kind in kinds_for(task) and (bool(site.partners) or task not in PAIR_TASKS)


def judge_batches(panel: Panel, datastack: Datastack, catalogue: Catalogue) -> Iterator[Results]:
    """Judge every site without a verdict, store each batch, then yield it.

    What somebody else, such as the process that draws, has judged meanwhile is left as it is.
    """
    for each in panel.passes():
        manifest = each.judge.manifest
        while waiting := catalogue.unjudged(manifest.task, manifest.id, limit=each.ahead):
            _most_promising_first(waiting, catalogue, each)
            for begin in range(0, min(len(waiting), each.anew), each.batch):
                asked = _not_judged(each.judge, catalogue, waiting[begin : begin + each.batch])
                for site in asked:
                    _recall(each.judge, catalogue, site)
                results = each.work(datastack, asked) if asked else []
                still = {site.id for site in _not_judged(each.judge, catalogue, asked)}
                results = [result for result in results if result.site_id in still]
                catalogue.add_verdicts(results)
                if results:
                    yield results


def held_out_batches(panel: Panel, datastack: Datastack, catalogue: Catalogue) -> Iterator[Results]:
    """Let each judge answer only in the blocks that it was neither trained nor fitted on."""
    for judge in panel.judges:
        task = judge.manifest.task
        blocks = judge.manifest.training.held_out_blocks
        waiting = [
            site
            for site in catalogue.sites()
            if can_be_asked(task, site)
            and any(block.holds(site.point_nm) for block in blocks)
            and not _has_judged(judge, catalogue, site)
        ]
        for begin in range(0, len(waiting), QUICK_SITES):
            results = judge.judge_sites(datastack, waiting[begin : begin + QUICK_SITES])
            catalogue.add_verdicts(results)
            yield results


def _recall(judge: SiteJudge, catalogue: Catalogue, site: Site) -> None:
    """Let a judge that asks several know what the quick one said in another process or run."""
    if isinstance(judge, EnsembleJudge) and not judge.remembers(site):
        quick = judge.members[0].manifest
        said = catalogue.verdicts(site.id, quick.task)
        # They come the newest first, and the last one that is told stays.
        judge.remember([v for v in said[::-1] if v.provenance.model_id == quick.id])


def _not_judged(judge: SiteJudge, catalogue: Catalogue, sites: Sequence[Site]) -> list[Site]:
    return [site for site in sites if not _has_judged(judge, catalogue, site)]


def _has_judged(judge: SiteJudge, catalogue: Catalogue, site: Site) -> bool:
    verdicts = catalogue.verdicts(site.id, judge.manifest.task)
    return any(verdict.provenance.model_id == judge.manifest.id for verdict in verdicts)


def _most_promising_first(sites: list[Site], catalogue: Catalogue, each: Pass) -> None:
    """Sort the sites for a slow judge; a quick one takes them as they lie in the volume."""
    if each.batch == QUICK_SITES:
        return
    chance = {site.id: catalogue.score(site.id).probability or 0.0 for site in sites}
    # Tips where the neurite merely leaves the volume come last in the queue too.
    sites.sort(key=lambda site: (site.at_volume_face, -chance[site.id]))
