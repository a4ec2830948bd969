"""The file plane: precomputed volumes and mesh fragments, with Range, HEAD and packed chunks.

Chunks never change (edits make new ids), so a browser may keep them; the secret in the
address is new at every start, so it cannot keep another datastack's.
"""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from connectome.offline.service.routing import route
from connectome.offline.service.state import Capability, ServiceState
from connectome.offline.service.wire import Call, WireError

__all__ = ["ROUTES", "send_from"]

_MESH = PurePosixPath("supervoxels/mesh")
_FORBIDDEN = "\\\0"
_KEEP = {"cache-control": "private, max-age=86400"}
_ASK_AGAIN = {"cache-control": "no-cache"}


def _file(state: ServiceState, call: Call) -> Response:
    relative = PurePosixPath(call.path["path"])
    if relative.parent == _MESH and relative.name != "info":
        return _fragment(state, relative)
    return send_from(state.folder.precomputed, state, call)


def send_from(root: Path, _state: Capability, call: Call) -> Response:
    """Send the file below ``root`` that the call's path names."""
    relative = PurePosixPath(call.path["path"])
    path = _inside(root, relative)
    keep = _ASK_AGAIN if relative.name in ("info", "provenance") else _KEEP
    if path.is_file():
        json = path.name in ("info", "provenance")
        kind = "application/json" if json else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers=keep)
    packed = path.with_name(path.name + ".gz")
    if packed.is_file():
        return _packed(packed, call)
    raise _missing(relative)


def _packed(path: Path, call: Call) -> Response:
    """Send a chunk that lies packed on disk as it is, or unpacked to one who cannot read gzip."""
    if "gzip" in call.accept_encoding and not call.wants_range:
        headers = {**_KEEP, "content-encoding": "gzip", "vary": "Accept-Encoding"}
        return FileResponse(path, media_type="application/octet-stream", headers=headers)
    return Response(
        gzip.decompress(path.read_bytes()), media_type="application/octet-stream", headers=_KEEP
    )


def _fragment(state: ServiceState, relative: PurePosixPath) -> Response:
    """Send a mesh fragment: its name on the wire holds colons, which a disk may not."""
    try:
        path = state.meshes.path_of(relative.name)
    except ValueError as error:
        raise _missing(relative) from error
    if not path.is_file():
        raise _missing(relative)
    return FileResponse(path, media_type="application/octet-stream", headers=_KEEP)


def _inside(root: Path, relative: PurePosixPath) -> Path:
    """Return the path below the root; refuse any way out of it."""
    text = str(relative)
    if relative.is_absolute() or ".." in relative.parts or any(c in text for c in _FORBIDDEN):
        raise _missing(relative)
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise _missing(relative)
    return path


def _missing(relative: PurePosixPath) -> WireError:
    return WireError(404, f"There is no file {relative.name!r} here.")


ROUTES: tuple[BaseRoute, ...] = (route("/precomputed/{path:path}", _file),)
