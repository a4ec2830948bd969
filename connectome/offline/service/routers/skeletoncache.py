"""The skeleton service: skeletons traced on demand, kept, and sent in several formats."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
from starlette.responses import Response
from starlette.routing import BaseRoute

from connectome.errors import DatastackError
from connectome.offline.ids import layer_of
from connectome.offline.service.about import BINARY, IDS, About, Schema, array_of, fields
from connectome.offline.service.routing import Access, route
from connectome.offline.service.state import ServiceState
from connectome.offline.service.wire import Call, WireError, json_reply, shown
from connectome.offline.skeleton_formats import (
    KeptSkeleton,
    flat_json,
    precomputed,
    precomputed_info,
    swc,
)

__all__ = ["ROUTES"]

_SERVICE_VERSION = "0.24.0+offline"
_VERSIONS = (-1, 0, 2, 4)
"""-1 stands for the latest; 0 and 2 have compartments as floats, for Neuroglancer."""
_WIDE = frozenset({"0", "2"})
_FOR_VIEWERS = "0"
"""The version of an address that names none."""
_MAX_BULK = 10
_MAX_KEPT = 500
_MAX_ASKED = 10_000
_MAX_WAITING = 8
_SECONDS_EACH = 60.0
"""What the production promises for a skeleton."""

_FORMATS: dict[str, Callable[[KeptSkeleton], bytes]] = {
    "flatdict": flat_json,
    "json": lambda skeleton: gzip.decompress(flat_json(skeleton)),
    "swc": swc,
    "swccompressed": lambda skeleton: gzip.compress(swc(skeleton), mtime=0),
}
_PRECOMPUTED = "precomputed"
_BULK_FORMATS = {"flatdict": flat_json, "swccompressed": swc}
"""In bulk SWC is sent as it is, whatever the format's name says."""


def _version(_state: ServiceState, call: Call) -> Response:
    return json_reply(_SERVICE_VERSION, call)


def _versions(_state: ServiceState, call: Call) -> Response:
    return json_reply(list(_VERSIONS), call)


def _info(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    return json_reply(precomputed_info(wide=_is_wide(call)), call)


def _is_wide(call: Call) -> bool:
    return call.path.get("skeleton_version", _FOR_VIEWERS) in _WIDE


def _refusals(state: ServiceState, call: Call) -> Response:
    """Send an empty list, packed: no object is refused here."""
    _check(state, call)
    return _bytes(gzip.compress(b"", mtime=0))


def _kept(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    prefixes = tuple(part for part in call.path["prefixes"].split(",") if part)
    limit = _whole(call.path["limit"])
    # 0 is the client's word for no prefix.
    wanted = () if prefixes == ("0",) else prefixes
    roots = [r for r in state.skeletons.kept() if not wanted or str(r).startswith(wanted)]
    names = [f"skeleton__v4__rid-{root}__ds-{state.folder.name}.npz" for root in roots]
    return json_reply({"num_found": len(names), "files": names[: limit or None]}, call)


def _exist(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    return _existing(state, call, _posted(call))


def _exist_in_path(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    return _existing(state, call, _listed(call))


def _existing(state: ServiceState, call: Call, roots: list[int]) -> Response:
    return json_reply({str(root): state.skeletons.has(root) for root in roots}, call)


def _skeleton(state: ServiceState, call: Call) -> Response:
    """Send one skeleton, traced first where that was not done yet."""
    _check(state, call)
    name = call.path.get("format", _PRECOMPUTED)
    write = _FORMATS.get(name)
    if name == _PRECOMPUTED:
        write = partial(precomputed, wide=_is_wide(call))
    if write is None:
        known = ", ".join((*_FORMATS, _PRECOMPUTED))
        raise WireError(400, f"There is no format {shown(name)}, only {known}.")
    root = call.number("root")
    _require(state, root)
    # Everybody who waits holds one of the service's threads, and edits need some too.
    if not state.skeletons.has(root) and state.skeletons.waiting >= _MAX_WAITING:
        raise WireError(429, "Too many skeletons are being traced; ask again in a minute.")
    try:
        return _bytes(write(state.skeletons.get(root)))
    except DatastackError as error:
        raise WireError(400, str(error)) from error


def _bulk(state: ServiceState, call: Call) -> Response:
    """Send those that are kept; have the others traced if that is asked for."""
    _check(state, call)
    write = _bulk_format(call)
    generate = call.path["generate"].lower() in ("true", "1")
    answer: dict[str, str] = {}
    for root in _listed(call)[:_MAX_BULK]:
        if not _is_root(state, root):
            answer[str(root)] = "invalid_rid"
            continue
        found = state.skeletons.find(root)
        if found is None and generate:
            state.skeletons.request([root])
        answer[str(root)] = "async" if found is None else write(found).hex()
    return json_reply(answer, call)


def _bulk_kept(state: ServiceState, call: Call) -> Response:
    """Send those that are kept, and leave out the others."""
    _check(state, call)
    write, roots = _bulk_format(call), _posted(call)[:_MAX_KEPT]
    found = {root: state.skeletons.find(root) for root in roots}
    body = call.json()
    if isinstance(body, dict) and body.get("generate_missing") is True:
        missing = [root for root, skeleton in found.items() if skeleton is None]
        state.skeletons.request(_roots_among(state, missing))
    known = {str(r): write(s).hex() for r, s in found.items() if s is not None}
    return json_reply(known, call)


def _generate(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    return _queued(state, call, _posted(call))


def _generate_in_path(state: ServiceState, call: Call) -> Response:
    _check(state, call)
    return _queued(state, call, _listed(call))


def _queued(state: ServiceState, call: Call, roots: list[int]) -> Response:
    """Answer with an upper bound in seconds for all that wait."""
    waiting = state.skeletons.request(_roots_among(state, roots))
    return json_reply(waiting * _SECONDS_EACH, call)


def _check(state: ServiceState, call: Call) -> None:
    """Refuse another datastack's name and a version that there is not."""
    name, known = call.path["datastack"], state.folder.name
    if name != known:
        raise WireError(404, f"There is no datastack {shown(name)} here, only {known!r}.")
    version = call.path.get("skeleton_version")
    if version is not None and version not in map(str, _VERSIONS):
        raise WireError(400, f"There is no skeleton version {shown(version)}.")


def _posted(call: Call) -> list[int]:
    roots: list[int] = call.json_ids("root_ids").tolist()
    return _few(roots)


def _listed(call: Call) -> list[int]:
    parts = [part.strip() for part in call.path["roots"].split(",") if part.strip()]
    return _few([_whole(part) for part in parts])


def _few(roots: list[int]) -> list[int]:
    if len(roots) > _MAX_ASKED:
        raise WireError(400, f"More than {_MAX_ASKED} roots were asked for at once.")
    return roots


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 20 and int(text) < 2**64):
        raise WireError(400, f"This is not a whole number: {shown(text)}.")
    return int(text)


def _bulk_format(call: Call) -> Callable[[KeptSkeleton], bytes]:
    write = _BULK_FORMATS.get(call.path["format"])
    if write is None:
        raise WireError(400, f"In bulk there are only {' and '.join(_BULK_FORMATS)}.")
    return write


def _roots_among(state: ServiceState, ids: Iterable[int]) -> list[int]:
    return [root for root in ids if _is_root(state, root)]


def _is_root(state: ServiceState, root: int) -> bool:
    known = state.engine.exist(np.asarray([root], dtype=np.uint64))
    return bool(known[0]) and int(layer_of(root)) == state.engine.layout.n_layers


def _require(state: ServiceState, root: int) -> None:
    if not _is_root(state, root):
        raise WireError(400, f"Invalid root id: {root}.")


def _bytes(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream")


_TEXT: Schema = {"type": "string"}
_LIST: Schema = {"type": "string", "pattern": "^[0-9]{1,19}(,[0-9]{1,19}){0,9}$"}
_PATH: dict[str, Schema] = {
    "skeleton_version": {"enum": [str(version) for version in _VERSIONS]},
    "format": {"enum": [*_FORMATS, _PRECOMPUTED]},
    "generate": {"enum": ["True", "False"]},
    "limit": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    "prefixes": _LIST,
    "roots": _LIST,
}
_IN_BULK = {**_PATH, "format": {"enum": list(_BULK_FORMATS)}}
_HEX: Schema = {
    "type": "object",
    "additionalProperties": _TEXT,
    "description": "For each root its skeleton in hexadecimal digits, or why it is not here.",
}
_FLAGS: Schema = {"type": "object", "additionalProperties": {"type": "boolean"}}
_SECONDS: Schema = {"type": "number", "description": "An upper bound in seconds."}
_POSTED = fields(root_ids=IDS)
_ONE = About(
    "One skeleton, traced if it is not kept.",
    answer=BINARY,
    path=_PATH,
    errors={429: "Too many skeletons are being traced."},
)
_INFO = About(
    "What the precomputed skeletons hold.",
    answer=fields(**{"@type": _TEXT, "transform": array_of({"type": "number"})}),
    path=_PATH,
)
_WITH_MISSING: Schema = {
    "type": "object",
    "properties": {"root_ids": IDS, "generate_missing": {"type": "boolean"}},
    "required": ["root_ids"],
}

_API = "/skeletoncache/api"
_P = f"{_API}/v1/{{datastack}}/precomputed/skeleton"
_B = f"{_API}/v1/{{datastack}}/bulk"
_A = f"{_API}/v1/{{datastack}}/async/get_skeleton"
_V = "{skeleton_version}"
ROUTES: tuple[BaseRoute, ...] = (
    route(
        f"{_API}/version",
        _version,
        Access.OPEN,
        about=About("The version of the service.", answer=_TEXT),
    ),
    route(
        f"{_API}/versions",
        _versions,
        Access.OPEN,
        about=About("The versions of skeletons.", answer=array_of({"type": "integer"})),
    ),
    route(f"{_P}/info", _info, about=_INFO),
    route(
        f"{_P}/get_refusal_list",
        _refusals,
        about=About("Objects that are refused: none.", answer=BINARY),
    ),
    route(
        f"{_P}/query_cache/{_V}/{{prefixes}}/{{limit}}",
        _kept,
        about=About(
            "The skeletons that are kept.",
            answer=fields(num_found={"type": "integer"}, files=array_of(_TEXT)),
            path=_PATH,
        ),
    ),
    route(
        f"{_P}/exists",
        _exist,
        methods=("POST",),
        about=About("Whether skeletons are kept.", body=_POSTED, answer=_FLAGS),
    ),
    route(
        f"{_P}/exists/{_V}/{{roots}}",
        _exist_in_path,
        about=About("Whether skeletons are kept.", answer=_FLAGS, path=_PATH),
    ),
    route(f"{_P}/{_V}/info", _info, about=_INFO),
    route(f"{_P}/{{root}}", _skeleton, about=_ONE),
    route(f"{_P}/{_V}/{{root}}", _skeleton, about=_ONE),
    route(f"{_P}/{_V}/{{root}}/{{format}}", _skeleton, about=_ONE),
    route(f"{_A}/{_V}/{{root}}", _skeleton, about=_ONE),
    route(f"{_A}/{_V}/{{root}}/{{format}}", _skeleton, about=_ONE),
    route(
        f"{_B}/get_skeletons/{_V}/{{format}}/{{generate}}/{{roots}}",
        _bulk,
        about=About("At most ten skeletons that are kept.", answer=_HEX, path=_IN_BULK),
    ),
    route(
        f"{_B}/get_cached_skeletons/{_V}/{{format}}",
        _bulk_kept,
        methods=("POST",),
        about=About(
            "At most 500 skeletons that are kept.",
            body=_WITH_MISSING,
            answer=_HEX,
            path=_IN_BULK,
        ),
    ),
    route(
        f"{_B}/gen_skeletons",
        _generate,
        methods=("POST",),
        about=About("Have skeletons traced in the background.", body=_POSTED, answer=_SECONDS),
    ),
    route(
        f"{_B}/gen_skeletons/{_V}/{{roots}}",
        _generate_in_path,
        about=About("Have skeletons traced in the background.", answer=_SECONDS, path=_PATH),
    ),
)
