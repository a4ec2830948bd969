"""The service and the client of a campaign as processes that can be killed."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from connectome.errors import MachineError
from connectome.offline.service import RunningAddress, find_running

__all__ = ["ServiceProcess", "start_client"]

_START_SECONDS = 60.0
_PROGRAM = (sys.executable, "-c", "from app.cli import main; main()")


class ServiceProcess:
    """``proofdesk serve`` on one datastack, always at the same address.

    Parameters
    ----------
    folder : Path
        The datastack.
    log : Path
        Where the process writes what it has to say.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self.token = secrets.token_hex(16)
        self.kills = 0
        self._folder = folder
        self._log = log
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    def start(self, faults: Sequence[str] = (), seed: int = 0) -> RunningAddress:
        """Start it with these faults and return when it answers.

        Raises
        ------
        MachineError
            If it does not come up within a minute.
        """
        options = [option for fault in faults for option in ("--fault", fault)]
        where = ["serve", str(self._folder), "--port", str(self._port), "--token", self.token]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_PROGRAM, *where, *options, "--fault-seed", str(seed)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            found = find_running(self._folder)
            if found is not None and found.pid == self._process.pid:
                return found
            time.sleep(0.05)
        self.kill()
        raise MachineError("The campaign's service did not start.", f"See {self._log}.")

    def kill(self) -> None:
        """End it with SIGKILL (TerminateProcess on Windows)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.kills += 1

    def stop(self) -> None:
        """End it in order, at last by force."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            self._process = None


def start_client(
    ledger: Path, service: ServiceProcess, name: str, seed: int, log: Path
) -> subprocess.Popen[bytes]:
    """Start one life of the client."""
    with log.open("ab") as stream:
        arguments = [str(ledger), service.url, service.token, name, str(seed)]
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.client", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
