"""A model server on the loopback that speaks chat completions over a real (tiny) model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from inference.judges.vlm.asking import ask_likelihoods, ask_reasons
from inference.judges.vlm.encoding import Question
from inference.judges.vlm.model import LoadSettings, load_model
from inference.judges.vlm.protocol import picture_from
from inference.prompts.writing import Prompt
from proofreading.verdicts import Task

__all__ = ["ModelServer", "serving_model"]

PREFIX = "data:image/png;base64,"


@dataclass
class ModelServer:
    """What the server does.

    Parameters
    ----------
    guided : bool
        Write only what is an answer, as servers with guided decoding do: the likelihoods
        of yes and no are the model's own. Otherwise the model writes what it wants.
    logprobs : str
        ``tell``, ``leave out`` or ``refuse``.
    status : int
        Answered to every completion if not 200.
    hold : Event
        Completions wait until it is set.
    arrived : Semaphore
        Released once for each completion that has come in.
    """

    folder: Path
    guided: bool = True
    logprobs: str = "tell"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.hold.set()
        self._lock = threading.Lock()
        self._model = load_model(LoadSettings(str(self.folder), device="cpu"))

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        parts = body["messages"][0]["content"]
        texts = [part["text"] for part in parts if part["type"] == "text"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        assert all(url.startswith(PREFIX) for url in urls)
        pictures = tuple(picture_from(url.removeprefix(PREFIX)) for url in urls)
        names = tuple(str(n) for n in range(len(pictures)))
        words = Prompt(Task.SPLIT_ERROR_CORRECTION, texts[0], texts[1], names, (), "0" * 64)
        with self._lock:
            return self._written(Question(words, pictures), body)

    def _written(self, question: Question, body: dict[str, Any]) -> dict[str, Any]:
        if not self.guided:
            (reply,) = ask_reasons(
                self._model,
                [question],
                most_tokens=body["max_tokens"],
                temperature=body["temperature"],
                seed=body["seed"],
            )
            return {"message": {"role": "assistant", "content": reply.written.text}}
        (logit,) = ask_likelihoods(self._model, [question])
        chances = torch.log_softmax(torch.tensor([logit, 0.0]), 0)
        pick = int(logit < 0)
        if body["temperature"] > 0:
            chance = torch.Generator().manual_seed(body["seed"])
            heated = torch.softmax(chances / body["temperature"], 0)
            pick = int(torch.multinomial(heated, 1, generator=chance))
        word = ("yes", "no")[pick]
        choice: dict[str, Any] = {"message": {"content": f"<answer>{word}</answer>"}}
        if body.get("logprobs") and self.logprobs == "tell":
            others = [
                {"token": token, "logprob": float(chances[n])}
                for n, token in enumerate(("yes", "no"))
            ]
            sure = {"logprob": 0.0, "top_logprobs": []}
            entries = [
                {"token": "<answer>", **sure},
                {"token": word, "logprob": float(chances[pick]), "top_logprobs": others},
                {"token": "</answer>", **sure},
            ]
            choice["logprobs"] = {"content": entries}
        return choice


class _Handler(BaseHTTPRequestHandler):
    server_: ModelServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": "tiny"}]})
        else:
            self._send(404, {"error": "no such path"})

    def do_POST(self) -> None:
        made = self.server_
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made.bodies.append(body)
        made.keys.append(self.headers.get("Authorization") or "")
        made.arrived.release()
        made.hold.wait()
        if made.status != 200:
            self._send(made.status, {"error": "not today"})
        elif body.get("logprobs") and made.logprobs == "refuse":
            self._send(400, {"error": "logprobs are not supported"})
        else:
            self._send(200, {"choices": [{"index": 0, **made.completion(body)}]})

    def _send(self, status: int, told: object) -> None:
        content = json.dumps(told).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            for name, value in self.server_.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # Whoever asked has gone.


@contextmanager
def serving_model(server: ModelServer) -> Iterator[ModelServer]:
    """Serve a model on a free port of the loopback."""
    handler = type("Handler", (_Handler,), {"server_": server})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.hold.set()
        http.shutdown()
        thread.join()
        http.server_close()
