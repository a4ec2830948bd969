"""Start and stop the service of a datastack."""

from __future__ import annotations

import os
import re
import secrets
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from connectome.errors import InputError
from connectome.offline.annotations import AnnotationStore
from connectome.offline.engine import GraphEngine
from connectome.offline.l2_store import L2Store
from connectome.offline.layout import DatastackFolder
from connectome.offline.live_tables import LiveTables
from connectome.offline.meshing import MeshStore
from connectome.offline.remeshing import Remesher
from connectome.offline.service.app import ROUTE_NAMES, build_app
from connectome.offline.service.connections import Limits
from connectome.offline.service.faults import Faults
from connectome.offline.service.holder import RunningAddress, ServiceLock
from connectome.offline.service.state import ServiceState
from connectome.offline.service.thread import ServerThread, listen, url_of
from connectome.offline.skeleton_store import SkeletonStore
from connectome.offline.states import StateStore

__all__ = ["RunningService", "run", "serve"]


class RunningService:
    """A datastack being served by a thread of this process; a context manager.

    Parameters
    ----------
    state : ServiceState
        What is served.
    resources : ExitStack
        What to give back after the last answer.
    """

    def __init__(self, state: ServiceState, resources: ExitStack) -> None:
        self.engine = state.engine
        self.meshes = state.meshes
        self.remesher = state.remesher
        self.faults = state.faults
        self._state = state
        self._resources = resources
        self._stopping = threading.Lock()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._state.base_url

    @property
    def token(self) -> str:
        """What allows edits: 32 hexadecimal digits."""
        return self._state.token

    @property
    def viewer_prefix(self) -> str:
        """The address under which Neuroglancer reads, without a token."""
        return self._state.read_url

    @property
    def address(self) -> RunningAddress:
        """What another process needs to use this service."""
        state = self._state
        return RunningAddress(
            name=state.folder.name,
            folder=str(state.folder.path.resolve()),
            pid=os.getpid(),
            url=state.base_url,
            token=state.token,
            secret=state.secret,
        )

    def stop(self) -> None:
        """Answer what is being asked, then give back the port, the files and the lock."""
        with self._stopping:
            self._resources.close()

    def __enter__(self) -> RunningService:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def serve(
    folder: DatastackFolder | Path | str,
    port: int = 0,
    token: str | None = None,
    allowed_origins: Iterable[str] = (),
    faults: Faults | None = None,
    limits: Limits | None = None,
) -> RunningService:
    """Serve an offline datastack on loopback, from a thread of this process.

    Parameters
    ----------
    folder : DatastackFolder or path
        The datastack.
    port : int
        The port, 0 for any free one.
    token : str, optional
        32 hexadecimal digits that allow edits; made up if absent.
    allowed_origins : iterable of str
        Web origins beyond loopback whose pages may read through the secret path.
    faults : Faults, optional
        What goes wrong on demand; ``RunningService.faults`` switches them later too.
    limits : Limits, optional
        What clients may take of connections and time.

    Raises
    ------
    InputError
        If the token, the port or a fault cannot be used.
    DatastackError
        If the folder is no complete datastack, or another process serves it.
    PortInUseError
        If the port belongs to another program.
    """
    _check(port, token)
    faults = faults or Faults()
    faults.know_routes(ROUTE_NAMES)
    opened = folder if isinstance(folder, DatastackFolder) else DatastackFolder.open(folder)
    with ExitStack() as resources:
        lock = ServiceLock(opened.path)
        resources.callback(lock.release)
        listener = listen(port)
        resources.callback(listener.close)
        engine = GraphEngine.open(opened, seams=faults.seams)
        resources.callback(engine.close)
        meshes = MeshStore(opened)
        remesher = Remesher(engine, meshes)
        resources.callback(remesher.close)
        l2 = L2Store(engine)
        resources.callback(l2.close)
        skeletons = SkeletonStore(engine, l2)
        resources.callback(skeletons.close)
        annotations = AnnotationStore(opened.annotations_db)
        resources.callback(annotations.close)
        states = StateStore(opened.states_db)
        resources.callback(states.close)
        state = ServiceState(
            base_url=url_of(listener),
            secret=secrets.token_hex(16),
            allowed_origins=frozenset(allowed_origins),
            folder=opened,
            engine=engine,
            meshes=meshes,
            remesher=remesher,
            l2=l2,
            skeletons=skeletons,
            annotations=annotations,
            live=LiveTables(engine, annotations),
            states=states,
            token=token or secrets.token_hex(16),
            faults=faults,
        )
        server = ServerThread(build_app(state), listener, limits)
        resources.callback(server.stop)
        server.start()
        service = RunningService(state, resources.pop_all())
    lock.announce(service.address)
    return service


def run(
    folder: DatastackFolder | Path | str,
    port: int = 0,
    token: str | None = None,
    ready: Callable[[RunningService], None] | None = None,
    faults: Faults | None = None,
) -> None:
    """Serve until the person interrupts (or the process is asked to end).

    ``ready`` is called once with the service when it answers.
    """
    end = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda *_: end.set())
    try:
        with serve(folder, port, token, faults=faults) as service:
            if ready is not None:
                ready(service)
            # In slices, because on Windows a wait without end cannot be interrupted.
            while not end.wait(1.0):
                pass
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, previous)


def _check(port: int, token: str | None) -> None:
    if token is not None and not re.fullmatch(r"[0-9a-f]{32}", token):
        raise InputError(
            "The token is not 32 hexadecimal digits.",
            "Leave --token away to have one made, or give 32 digits of 0-9 and a-f.",
        )
    if not 0 <= port < 65536:
        raise InputError(f"There is no port {port}.", "Give --port a number from 0 to 65535.")
