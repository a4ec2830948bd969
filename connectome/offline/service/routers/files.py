"""The file plane: precomputed volumes and mesh fragments, with Range, HEAD and packed chunks.

Chunks never change (edits make new ids), so a browser may keep them; the secret in the
address is new at every start, so it cannot keep another datastack's.
"""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from connectome.offline.service.about import BINARY, About
from connectome.offline.service.routing import route
from connectome.offline.service.state import Capability, ServiceState
from connectome.offline.service.wire import Call, WireError, shown

__all__ = ["ABOUT", "ROUTES", "send_from"]

_MESH = PurePosixPath("supervoxels/mesh")
_FORBIDDEN = "\\\0:"
"""Besides NUL: what Windows takes for a separator, a drive or a file's second stream."""
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
    keep = _ASK_AGAIN if relative.name in ("info", "provenance") else _KEEP
    path = _inside(root, relative)
    if path is not None:
        json = path.name in ("info", "provenance")
        kind = "application/json" if json else "application/octet-stream"
        return FileResponse(path, media_type=kind, headers=keep)
    packed = _inside(root, relative.with_name(relative.name + ".gz")) if relative.name else None
    if packed is None:
        raise _missing(relative)
    return _packed(packed, call)


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
    found = _inside(path.parent, PurePosixPath(path.name))
    if found is None:
        raise _missing(relative)
    return FileResponse(found, media_type="application/octet-stream", headers=_KEEP)


def _inside(root: Path, relative: PurePosixPath) -> Path | None:
    """Return the file below the root, None if there is none; refuse any way out of it."""
    text = str(relative)
    if relative.is_absolute() or ".." in relative.parts or any(c in text for c in _FORBIDDEN):
        raise _missing(relative)
    try:
        # Follows links, so that one that leads out of the folder is seen as well.
        path = (root / relative).resolve()
        return path if path.is_relative_to(root.resolve()) and path.is_file() else None
    except (OSError, RuntimeError, ValueError):  # A loop of links, or too long a name.
        return None


def _missing(relative: PurePosixPath) -> WireError:
    return WireError(404, f"There is no file {shown(relative.name)} here.")


ABOUT = About("A file of the precomputed volumes or a fragment of a mesh.", answer=BINARY)
ROUTES: tuple[BaseRoute, ...] = (route("/precomputed/{path:path}", _file, about=ABOUT),)
