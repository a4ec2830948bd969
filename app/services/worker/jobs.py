"""What a worker can do, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from app.services.detecting import DETECTED, detect_batches
from app.services.judging import SiteDesk, load_panel
from app.services.learning.learner import Learner
from app.services.opening import open_session
from app.services.panel import Panel, judge_batches
from app.services.worker.explaining import Explainer
from app.services.worker.language import LanguageBench
from app.services.worker.messages import (
    Changed,
    CheckRoots,
    Explain,
    FindRoots,
    JobDone,
    JobProgress,
    Judged,
    JudgeReady,
    LearnedSo,
    Look,
    Looked,
    Reply,
)
from app.services.worker.roots import found_roots, replaced_roots
from connectome.errors import ProofdeskError
from connectome.opening import open_datastack
from inference.judges.routing import read_routing
from proofreading.sites import Partner, Site

if TYPE_CHECKING:
    from app.services.worker.process import Work

__all__ = ["Shop"]


class Shop:
    """Holds what the jobs need and opens it when first needed.

    Parameters
    ----------
    work : Work
        Whose session it is; the worker adds to its catalogue and never to its ledger.
    send : callable
        Sends a reply to the window.
    wake : callable
        Called on any thread when `language` may have something to do.
    """

    def __init__(
        self,
        work: Work,
        send: Callable[[Reply], None],
        wake: Callable[[], None],
    ) -> None:
        self.send = send
        self.language = LanguageBench(send, lambda: send(Changed()), wake)
        self._models = work.models
        self._datastack = open_datastack(work.address)
        self._session = open_session(work.session, datastack=self._datastack, role="worker")
        self._learner = Learner(self._session, self._datastack)
        self._desk: SiteDesk | None = None
        self._loaded: Panel | None = None

    def close(self) -> None:
        """End the models, and close the session and the datastack."""
        self.language.close()
        self._learner.close()
        self._session.close()
        self._datastack.close()

    def detect(self) -> Iterator[None]:
        """Find sites; a step is one batch."""
        fraction: list[float | None] = [None]

        def progress(_label: str, done: float | None) -> None:
            fraction[0] = done

        for _batch in detect_batches(self._datastack, self._session.catalogue, progress):
            self.send(Changed())
            found = self._session.catalogue.counts().sites
            self.send(JobProgress("detect", f"detecting · {found:,} sites", fraction[0]))
            yield
        (self._session.artifacts / DETECTED).touch()
        found = self._session.catalogue.counts().sites
        self.send(JobDone("detect", f"{found:,} sites"))

    def judge_all(self, *, again: bool) -> Iterator[None]:
        """Judge sites; a step is one batch."""
        panel = self._judges()
        if panel.main is None:
            self.send(JobDone("judge", "no model"))
            return
        if again:
            self._session.catalogue.retry()
        done = 0
        for batch in judge_batches(panel, self._datastack, self._session.catalogue):
            judged = tuple(dict.fromkeys(result.site_id for result in batch))
            self.send(Judged(judged))
            counts = self._session.catalogue.counts()
            done += len(judged)
            fraction = done / max(panel.questions(counts.by_kind), 1)
            self.send(JobProgress("judge", f"judging · {counts.judged:,}", min(fraction, 1.0)))
            yield
        yield from self.learn()
        self.send(JobDone("judge", f"{self._session.catalogue.counts().judged:,} sites judged"))

    def learn(self) -> Iterator[None]:
        """Learn from the person's decisions, and answer as learned; a step is one batch."""
        learner = self._learner
        for _step in learner.learn(self._judges().pair_models):
            self.send(Changed())
            yield
        learned = learner.learned
        self.send(LearnedSo(learned.version, learned.decisions))

    def explain(self, command: Explain) -> Iterator[None]:
        """Find out why a judge says what it says of a site; a step is a fraction of a second."""
        site = self._session.catalogue.site(command.site_id)
        if site is None:
            return
        explainer = Explainer(self._judges(), self._datastack, self._learner.measured)
        for explained in explainer.explain(command, site):
            if explained is not None:
                self.send(explained)
            yield

    def roots(self, command: CheckRoots | FindRoots) -> Iterator[None]:
        """Tell which roots are current, or which root holds what now; a step is one batch."""
        graph = self._datastack.graph
        if graph is None:
            return  # Nothing ever changes in a flat segmentation.
        replies: Iterator[Reply | None]
        if isinstance(command, CheckRoots):
            replies = replaced_roots(graph, command)
        else:
            replies = found_roots(graph, self._session.catalogue, command)
        for reply in replies:
            if reply is not None:
                self.send(reply)
            yield

    def look(self, look: Look) -> None:
        """Make the pictures of a site."""
        site = self._session.catalogue.site(look.site_id)
        if site is None:
            self._answer(look, None, "That site is not in this session.")
            return
        try:
            self._make_pictures(look, site)
        except ProofdeskError as error:
            self._answer(look, None, f"{error.message} {error.hint}".strip())

    def judge(self, site_id: str) -> None:
        """Judge one site if that is still to be done.

        Raises
        ------
        ProofdeskError
            If the catalogue cannot be read or written.
        """
        site = self._session.catalogue.site(site_id)
        if site is None:
            return
        self._drawing()
        waiting = self._judges().without_verdict(self._session.catalogue, site)
        if waiting.judges:
            waiting.recall(self._session.catalogue, site)
            results = waiting.judge(self._datastack, [site])
            self._session.catalogue.add_verdicts(results)
            self.language.consider(results)
            self.send(Changed())

    def ask_language(self, site_id: str) -> None:
        """Ask a language model about a site because the person wants it."""
        site = self._session.catalogue.site(site_id)
        if site is not None:
            self._drawing()
            self.language.ask(site)

    def _make_pictures(self, look: Look, site: Site) -> None:
        desk = self._drawing()
        partner: Partner | None = site.partners[look.partner_index] if site.partners else None
        roots = desk.roots(site, partner)
        pictures = desk.pictures(site, partner, roots)
        self.send(Looked(look.site_id, look.partner_index, look.generation, pictures, roots))

    def _answer(self, look: Look, roots: tuple[int, int | None] | None, message: str) -> None:
        self.send(Looked(look.site_id, look.partner_index, look.generation, None, roots, message))

    def _drawing(self) -> SiteDesk:
        """Return what draws, made once, with the judges; without one, pictures are still made.

        Language models are loaded with it: they are asked where sites are drawn.
        """
        if self._desk is None:
            panel = self._judges()
            self._desk = SiteDesk(self._datastack, panel)
            self.language.open(panel, self._datastack, self._session.catalogue)
        return self._desk

    def _judges(self) -> Panel:
        """Load the judges once, and tell how that went."""
        if self._loaded is None:
            self._loaded = Panel(())
            try:
                self._loaded = self._load_panel()
            except ProofdeskError as error:
                self.send(JudgeReady("", "", f"{error.message} {error.hint}".strip()))
            if (main := self._loaded.main) is not None:
                self.send(JudgeReady(main.manifest.id, main.provider))
            self._loaded.keep_measured(self._learner.keep, self._learner.spec_hash)
        return self._loaded

    def _load_panel(self) -> Panel:
        """Load the judges; where those that were chosen cannot be had, the bundled ones."""
        try:
            return load_panel(self._models, read_routing(self._session.folder))
        except ProofdeskError as error:
            if not self._models and not read_routing(self._session.folder).routes:
                raise
            self.language.fail(error)
            return load_panel()
