"""A local precomputed folder over loopback, for Neuroglancer to read."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware

from connectome.offline.service.routers.files import ABOUT, send_from
from connectome.offline.service.routing import route
from connectome.offline.service.safety import Safety
from connectome.offline.service.state import Capability
from connectome.offline.service.thread import ServerThread, listen, url_of

__all__ = ["RunningFiles", "serve_files"]


@dataclass(frozen=True)
class RunningFiles:
    """A folder being served; `stop` ends it."""

    viewer_prefix: str
    _resources: ExitStack

    def stop(self) -> None:
        """Give back the port."""
        self._resources.close()


def serve_files(root: Path, port: int = 0) -> RunningFiles:
    """Serve a folder under ``{viewer_prefix}/precomputed`` to whoever knows that address.

    Raises
    ------
    PortInUseError
        If the port belongs to another program.
    """
    with ExitStack() as resources:
        listener = listen(port)
        resources.callback(listener.close)
        state = Capability(base_url=url_of(listener), secret=secrets.token_hex(16))
        server = ServerThread(_app(root, state), listener)
        resources.callback(server.stop)
        server.start()
        return RunningFiles(state.read_url, resources.pop_all())


def _app(root: Path, state: Capability) -> Starlette:
    app = Starlette(
        routes=[route("/precomputed/{path:path}", partial(send_from, root), about=ABOUT)],
        middleware=[Middleware(Safety, state=state)],
    )
    app.state.service = state
    return app
