"""A CAVE server that answers edits as badly as real ones sometimes do."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

NAME = "offline_faulty"
Answer = Callable[[BaseHTTPRequestHandler], None]


class FaultServer:
    """Serves what a client needs to begin; ``answers`` decides for the rest, by path ending.

    Every request is noted in ``requests`` as (method, path without query, body), and its
    whole target in ``targets``.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.targets: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.handle(self)

            def do_POST(self) -> None:
                outer.handle(self)

            def do_CONNECT(self) -> None:
                """What a client asks of a proxy."""
                outer.handle(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more, and answer no more on connections that are open."""
        self.released.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def count(self, ending: str) -> int:
        """Return how many requests came for a path."""
        return sum(path.endswith(ending) for _, path, _ in self.requests)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        self.targets.append(request.path)
        self.requests.append((request.command, path, body))
        answer = next((a for end, a in self.answers.items() if path.endswith(end)), None)
        if self.released.is_set():
            drop(request)
        elif answer is not None:
            answer(request)
        elif path.endswith(f"/datastack/full/{NAME}"):
            say(200, self.record())(request)
        elif path.endswith("/segmentation/api/version"):
            say(200, "2.21.1")(request)
        elif path.endswith("/info"):
            say(200, _TABLE)(request)
        else:
            say(404, {"code": 404, "message": "nothing here"})(request)

    def record(self) -> dict[str, object]:
        return {
            "local_server": self.url,
            "segmentation_source": f"graphene://{self.url}/segmentation/table/{NAME}",
            "aligned_volume": {"name": "volume", "id": 1, "image_source": ""},
        }

    def hang(self, request: BaseHTTPRequestHandler) -> None:
        """Never answer."""
        self.released.wait(60)
        drop(request)


_TABLE = {
    "graph": {"cv_mip": 0, "n_layers": 4, "n_bits_for_layer_id": 8},
    "scales": [{"resolution": [8, 8, 40], "size": [1000, 1000, 100], "voxel_offset": [0, 0, 0]}],
}


def say(status: int, body: object, **headers: str) -> Answer:
    """Answer with JSON, or with bytes as they are."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    return answer


def drop(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    request.close_connection = True
    with contextlib.suppress(OSError):  # The client may have gone first.
        request.connection.shutdown(socket.SHUT_RDWR)


def by_method(**answers: Answer) -> Answer:
    """Answer each HTTP method in its own way."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        answers[request.command](request)

    return answer


def after(answer: Answer, action: Callable[[], object]) -> Answer:
    """Do something first, then answer."""

    def answered(request: BaseHTTPRequestHandler) -> None:
        action()
        answer(request)

    return answered


def in_turn(*answers: Answer) -> Answer:
    """Give one answer after the other, and the last one from then on."""
    left = list(answers)

    def answer(request: BaseHTTPRequestHandler) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer
