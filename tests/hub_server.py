"""A hub on the loopback: real HTTP with ranges, that cuts connections and sends wrong bytes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Hub", "serving_hub"]

COMMIT = "c" * 40


@dataclass
class Hub:
    """What the hub holds and how it misbehaves.

    Parameters
    ----------
    cut_after : int or None
        Bytes after which every connection for a large file is dropped.
    honours_ranges : bool
        Whether a part can be asked for.
    lies : bool
        Whether contents differ from what their hashes say.
    status : int
        Answered to everything if not 200.
    failures : int
        So many first requests for contents are answered 503.
    asked : list
        Path and range of every request.
    """

    files: dict[str, bytes]
    licence: str = "apache-2.0"
    cut_after: int | None = None
    honours_ranges: bool = True
    lies: bool = False
    status: int = 200
    failures: int = 0
    address: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def card(self, name: str) -> dict[str, Any]:
        siblings = []
        for path, content in self.files.items():
            entry: dict[str, Any] = {"rfilename": path, "size": len(content)}
            if path.endswith((".safetensors", ".bin")):
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content)}
            else:
                blob = b"blob %d\0" % len(content) + content
                entry["blobId"] = hashlib.sha1(blob).hexdigest()
            siblings.append(entry)
        card = {"license": self.licence, "license_link": "https://example.org/licence"}
        return {"id": name, "sha": COMMIT, "cardData": card, "siblings": siblings}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path, _, _ = self.path.partition("?")
        self.hub.asked.append((path, self.headers.get("Range") or ""))
        if self.hub.status != 200:
            self._send(self.hub.status, b"")
        elif path.startswith("/api/models/owner/"):
            name = "/".join(path.split("/")[3:5])
            self._send(200, json.dumps(self.hub.card(name)).encode())
        elif f"/resolve/{COMMIT}/" in path:
            self._content(path.split(f"/resolve/{COMMIT}/")[1])
        else:
            self._send(404, b"")

    def _content(self, name: str) -> None:
        if name not in self.hub.files:
            self._send(404, b"")
            return
        if self.hub.failures:
            self.hub.failures -= 1
            self._send(503, b"")
            return
        content = self.hub.files[name]
        if self.hub.lies:
            content = bytes(255 - byte for byte in content)
        begin, wanted = 0, self.headers.get("Range")
        if wanted and self.hub.honours_ranges:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            if begin >= len(content):
                self._send(416, b"")
                return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        cut = self.hub.cut_after
        end = len(content) if cut is None or len(content) < 1000 else begin + cut
        self.wfile.write(content[begin:end])

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving_hub(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port of the loopback."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
