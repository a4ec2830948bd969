"""A live precomputed annotation source on Neuroglancer's own server.

Follows ``neuroglancer_annotations_v1``. It is mounted on the tornado application that
serves the page, so requests are same-origin, and the page reports back to it. Answers
are made from snapshots of the store and never wait for anybody. A passing fault answers
503, which the client retries; 500 would leave a cell empty for good.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import tornado.web
from neuroglancer import server as neuroglancer_server

from ngplugin.after import AFTER, AfterSource
from ngplugin.grid import CellKey
from ngplugin.store import ANSWER_CODES, KIND_CODES, SiteStore

__all__ = ["SiteSource"]

_log = logging.getLogger(__name__)
_CELL = re.compile(r"spatial(\d{1,2})/(\d{1,6})_(\d{1,6})_(\d{1,6})")
_ROWS = re.compile(r"rows/(\d{1,10})_(\d{1,10})")
_NUMBER = re.compile(r"(by_id|segs)/(\d{1,20})")

Answer = tuple[bytes, str]


class SiteSource:
    """Serves one store under an address that only this session knows.

    Parameters
    ----------
    store : SiteStore
        What is served.
    on_report : callable
        Called with what the page posts, on the server's thread.
    """

    def __init__(
        self, store: SiteStore, on_report: Callable[[dict[str, object]], None] | None = None
    ) -> None:
        self.store = store
        self.name = secrets.token_hex(12)
        self.after = AfterSource(store.bounds, store.voxel_nm)
        self.requests: Counter[str] = Counter()
        self._on_report = on_report

    @property
    def path(self) -> str:
        """Where it is on the server, without a slash at the end."""
        return f"/proofdesk/{neuroglancer_server.global_server.token}/{self.name}"

    @property
    def url(self) -> str:
        """The source URL for the annotation layer."""
        return f"precomputed://{neuroglancer_server.get_server_url()}{self.path}"

    def mount(self) -> None:
        """Put the source on the running server (started if it is not)."""
        neuroglancer_server.start()
        server = neuroglancer_server.global_server
        mounted = _mounted.get(server)
        if mounted is None:
            mounted = _mounted[server] = WeakValueDictionary()
            rule = (r"/proofdesk/([^/]+)/([^/]+)/(.+)", _Handler, {"token": server.token})
            neuroglancer_server.defer_callback(server.app.add_handlers, r".*", [rule])
        mounted[self.name] = self

    def unmount(self) -> None:
        """Take the source off; later requests get 404."""
        for mounted in _mounted.values():
            mounted.pop(self.name, None)

    def answer(self, path: str) -> Answer | None:
        """Return body and content type for a path below the source, None where there is none."""
        if path == "info":
            self.requests["info"] += 1
            # What a page asks for first: whatever an earlier one held is gone.
            self.store.forget_served()
            return json.dumps(self.info()).encode(), "application/json"
        if path.startswith(f"{AFTER}/"):
            return self.after.answer(path.removeprefix(f"{AFTER}/"))
        if path.startswith("rows"):
            body = self._rows(path)
        else:
            body = self._cell(path) if path.startswith("spatial") else self._numbered(path)
        return None if body is None else (body, "application/octet-stream")

    def report(self, body: bytes) -> None:
        """Take a message from the page."""
        message = json.loads(body)
        if self._on_report is not None and isinstance(message, dict):
            self._on_report(message)

    def info(self) -> dict[str, object]:
        """Return the ``info`` of the source; positions are in nm."""
        bounds = self.store.bounds
        return {
            "@type": "neuroglancer_annotations_v1",
            "annotation_type": "POINT",
            "dimensions": {axis: [1e-9, "m"] for axis in "xyz"},
            "lower_bound": list(bounds.lower),
            "upper_bound": list(bounds.upper),
            "properties": _properties(),
            "relationships": [{"id": "segments", "key": "segs"}],
            "by_id": {"key": "by_id"},
            "spatial": [
                {
                    "key": f"spatial{level}",
                    "grid_shape": list(shape),
                    "chunk_size": list(self.store.grid.cell_size(level)),
                    "limit": self.store.cell_limit,
                }
                for level, shape in enumerate(self.store.grid.shapes)
            ],
        }

    def _cell(self, path: str) -> bytes | None:
        match = _CELL.fullmatch(path)
        key = CellKey(*(int(part) for part in match.groups())) if match else None
        if key is None or key not in self.store.grid:
            return None
        self.requests["cell"] += 1
        code = self.store.grid.code(key)
        # First this, then the values: what changes in between is sent to the page, too.
        self.store.serve(code)
        snapshot = self.store.snapshot
        return snapshot.encode(snapshot.rows_in_cell(code), self.store.veils)

    def _rows(self, path: str) -> bytes | None:
        match = _ROWS.fullmatch(path)
        if match is None:
            return None
        self.requests["rows"] += 1
        return self.store.rows_on_page(int(match[1]), int(match[2]))

    def _numbered(self, path: str) -> bytes | None:
        match = _NUMBER.fullmatch(path)
        if match is None:
            return None
        folder, number = match[1], int(match[2])
        self.requests[folder] += 1
        snapshot = self.store.snapshot
        if folder == "by_id":
            row = self.store.row_of(number)
            known = row is not None and row < snapshot.count
            return snapshot.encode_one(row, self.store.veils) if known and row is not None else None
        self.store.serve(None)
        snapshot = self.store.snapshot
        rows = snapshot.rows_of_segment(number)
        return snapshot.encode(snapshot.by_importance(rows), self.store.veils)


# Sources of each running server; a stopped server takes its entry with it.
_mounted: WeakKeyDictionary[Any, WeakValueDictionary[str, SiteSource]] = WeakKeyDictionary()


def _find(token: str, name: str, path_token: str) -> SiteSource | None:
    if not secrets.compare_digest(token, path_token):
        return None
    for mounted in list(_mounted.values()):
        source = mounted.get(name)
        if source is not None:
            return source
    return None


class _Handler(tornado.web.RequestHandler):
    def initialize(self, token: str) -> None:
        self.token = token

    def get(self, token: str, name: str, path: str) -> None:
        source = _find(self.token, name, token)
        self.set_header("Cache-Control", "no-store")
        try:
            found = None if source is None else source.answer(path)
        # Whatever went wrong, 503 makes the client ask again instead of giving up.
        except Exception:  # noqa: BLE001
            _log.exception("The site source could not answer")
            self.set_status(503)
            return
        if found is None:
            self.set_status(404)
            return
        body, kind = found
        self.set_header("Content-Type", kind)
        self.write(body)

    def post(self, token: str, name: str, path: str) -> None:
        source = _find(self.token, name, token)
        if source is None or path != "report":
            self.set_status(404)
            return
        try:
            source.report(self.request.body)
        except (ValueError, UnicodeDecodeError):
            self.set_status(400)


def _properties() -> list[dict[str, object]]:
    """Describe the properties in the order of `ngplugin.snapshot.PROPERTIES`."""
    kinds = {code: kind.value for kind, code in KIND_CODES.items()}
    answers = {
        code: answer.value if answer else "not decided" for answer, code in ANSWER_CODES.items()
    }
    return [
        {"id": "probability", "type": "float32", "description": "-1: not judged"},
        _enumeration("kind", kinds),
        _enumeration("answer", answers),
        {"id": "flags", "type": "uint8", "description": "1: current, 2: verdict failed, 4: aside"},
        {"id": "spare", "type": "uint8", "description": "unused"},
    ]


def _enumeration(name: str, labels: dict[int, str]) -> dict[str, object]:
    return {
        "id": name,
        "type": "uint8",
        "enum_values": list(labels),
        "enum_labels": list(labels.values()),
    }
