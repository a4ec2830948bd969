"""The service that a scripted day works with: a process that can be killed and started anew."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.day_window import SERVICE_DOWN
from benchmarks.window_session import move_session
from connectome.errors import ProofdeskError
from proofreading.session import read_info

if TYPE_CHECKING:
    from app.services.opening import Opened

__all__ = ["Service", "served"]

_ROOT = Path(__file__).parents[1]


class Service:
    """Serves a datastack to the window from a process of its own, on one port for good."""

    def __init__(self, folder: Path, token: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.folder = folder
        self.token = token
        self._process: subprocess.Popen[bytes] | None = None

    def obey(self, line: str) -> None:
        """End the service or start it, as a window asks."""
        if line == SERVICE_DOWN:
            self.stop()
        else:
            self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-c", "from app.cli import main; main()", "serve"]
        command += [str(self.folder), "--port", str(self.port), "--token", self.token]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > end or self._process.poll() is not None:
                raise ProofdeskError("The service of the datastack did not start.")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        with socket.socket() as client:
            client.settimeout(0.5)
            return client.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def served(opened: Opened, home: Path) -> Iterator[tuple[Opened, Service]]:
    """Serve a session's datastack to a person who keeps the token in their home."""
    from app.services.opening import Opened

    service = Service(Path(opened.address), secrets.token_hex(16))
    tokens = home / ".cloudvolume" / "secrets"
    tokens.mkdir(parents=True)
    (tokens / "cave-secret.json").write_text(json.dumps({"token": service.token}), "utf-8")
    name = read_info(opened.session).datastack_name
    address = f"cave:{name}@http://127.0.0.1:{service.port}"
    move_session(opened.session, address)
    try:
        service.start()
        yield Opened(opened.session, address), service
    finally:
        service.stop()
