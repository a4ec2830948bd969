"""What an open session's window works with: every part once, and how they hang together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from app.services.answers import Answers
from app.services.catalogue_follower import CatalogueFollower
from app.services.export_desk import ExportDesk
from app.services.improbable import Improbable
from app.services.jobs import JobTable
from app.services.language import LanguageDesk
from app.services.learning.desk import LearningDesk
from app.services.looking import Looking
from app.services.notices import Notices
from app.services.opening import Opened, open_session
from app.services.place import Place
from app.services.quality import Quality
from app.services.queue import Queue
from app.services.root_watch import RootWatch
from app.services.scan_note import note_scan
from app.services.scan_watch import ScanWatch
from app.services.second_look import SecondLooks
from app.services.seeing import seeing
from app.services.site_pairs import SitePairs
from app.services.why import WhyDesk
from app.services.worker.process import Work
from app.services.workers import Post, Worker, Workers
from connectome.opening import open_datastack
from ngplugin.viewer import SiteViewer

if TYPE_CHECKING:
    from app.services.worker.messages import Reply
    from connectome.datastack import Datastack

__all__ = ["Desks", "Hears"]


class Hears(Protocol):
    """Who is told, on the owner's thread, what workers say and that one was lost."""

    def take(self, reply: Reply) -> None:
        """Take what a worker or a scan says."""
        ...

    def restarted(self, worker: Worker) -> None:
        """Ask anew for what a lost worker will never answer."""
        ...

    def gave_up(self, worker: Worker) -> None:
        """Hear that a worker was lost too often."""
        ...


class Desks:
    """The parts behind one window, on the owner's thread.

    Parameters
    ----------
    opened : Opened
        The session folder and the address of its datastack.
    post : callable
        Runs a callable on the owner's thread.
    clock : callable
        Seconds that never go backwards.
    changed : callable
        Called after every change that shows.
    hears : callable
        Returns who hears the workers; not called before they are started.

    Raises
    ------
    ProofdeskError
        If the session or the datastack cannot be opened; nothing is left open then.
    """

    def __init__(
        self,
        opened: Opened,
        post: Post,
        clock: Callable[[], float],
        changed: Callable[[], None],
        hears: Callable[[], Hears],
    ) -> None:
        self.datastack: Datastack = open_datastack(opened.address)
        try:
            self.session = open_session(opened.session, datastack=self.datastack)
        except BaseException:
            self.datastack.close()
            raise
        self.jobs, self.notices = JobTable(), Notices(changed)
        self.queue, self.pairs = Queue(), SitePairs()
        self.viewer = self._make_viewer()
        self.improbable = Improbable(self.queue, self.viewer)
        self._open_figures()
        self.workers = Workers(
            Work(self.session.folder, self.datastack.address, opened.models),
            post,
            take=lambda reply: hears().take(reply),
            restarted=lambda worker: hears().restarted(worker),
            gave_up=lambda worker: hears().gave_up(worker),
        )
        self._open_desks_of_workers(clock)
        self.cutting, self.after, self.map, self.tint = seeing(
            self.session, self.datastack, self.viewer, self.place, self.queue, post, changed
        )
        self.answers = Answers(self.session, self.queue, self.viewer, self.pairs)
        self.export = ExportDesk(self.session, self.datastack, post)
        self.scan = None if opened.scan is None else self._watch(opened.scan, post, hears)

    def close(self) -> None:
        """End the workers and give everything back; the ledger is complete already."""
        if self.scan is not None:
            self.scan.close()
        benches = (self.follower, self.cutting, self.after, self.map, self.tint)
        for part in (self.workers, self.export, *benches, self.viewer, self.quality):
            part.close()
        self.session.close()
        self.datastack.close()

    def _open_figures(self) -> None:
        """Open what follows the catalogue into queue, viewer and figures."""
        self.quality = Quality(self.session)
        self.queue.veils = self.quality.hides
        self.looking = Looking(self.session, self.queue, self.quality)
        self.quality.dial_moved = self.looking.dial_moved
        self.second = SecondLooks(self.session.ledger)
        self.follower = CatalogueFollower(
            self.session.catalogue,
            self.session.ledger,
            self.queue,
            self.viewer,
            self.pairs,
            self.quality.hides_all,
        )

    def _open_desks_of_workers(self, clock: Callable[[], float]) -> None:
        """Open the desks that send commands to workers."""
        to_drawer = self.workers.to_drawer
        self.why = WhyDesk(to_drawer, self.quality.dashboard)
        self.language = LanguageDesk(self.session.folder, to_drawer)
        self.roots = RootWatch(self.queue, self.pairs, self.workers.to_detector)
        self.place = Place(self.session, self.queue, self.viewer, to_drawer, clock)
        self.learning = LearningDesk(self.session, self.workers.to_ranker)

    def _make_viewer(self) -> SiteViewer:
        sources = self.datastack.viewer_sources()
        bounds = self.datastack.segmentation.scales[0].bounds_nm
        # A workbench without token origins never asks for a token.
        sites = self.session.catalogue.counts().sites
        return SiteViewer(sources, bounds, token_for=sources.token_for, expected_sites=sites)

    def _watch(self, folder: Path, post: Post, hears: Callable[[], Hears]) -> ScanWatch:
        """Follow a scan; what its thread says is taken on the owner's."""
        note_scan(self.session.artifacts, folder)
        return ScanWatch(
            folder, self.session.catalogue.path, lambda said: post(lambda: hears().take(said))
        )
