"""One file over HTTP: resumed where it was cut off, checked, and only then in its place."""

from __future__ import annotations

import errno
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from connectome.errors import (
    AuthError,
    ModelError,
    NotFoundError,
    OfflineError,
    ServiceError,
    StorageError,
)
from inference.models.hub_store import HubFile, matches

__all__ = ["Reader", "download", "translated_disk"]

_TIMEOUT_S = 30.0
_CHUNK = 1 << 20
_MOST_TEXT_BYTES = 8 << 20
_FRUITLESS = 5
"""Connections in a row that brought nothing, after which a download is given up."""
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_TRANSIENT = (408, 429, 500, 502, 503, 504)


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request to follow with, or fail."""
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"redirected from https to {newurl[:80]}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Reader:
    """Reads small texts of a hub.

    Parameters
    ----------
    hint : str
        What a person can do where the hub cannot be reached.
    """

    def __init__(self, hint: str) -> None:
        self._hint = hint

    def read(self, url: str, what: str) -> bytes:
        """Return the content at an address.

        Raises
        ------
        OfflineError, NotFoundError, AuthError, ServiceError
            If it cannot be had.
        """
        try:
            with _open(url) as answer:
                content: bytes = answer.read(_MOST_TEXT_BYTES)
                return content
        except urllib.error.HTTPError as error:
            raise _refused(error, what) from error
        except (OSError, http.client.HTTPException) as error:
            raise OfflineError(f"{_host(url)} cannot be reached for {what}.", self._hint) from error


def download(url: str, path: Path, file: HubFile, report: Callable[[int], None]) -> None:
    """Download a file; ``path`` is there only when it is complete and has its hash.

    What was received stays in ``path.part`` when this fails, and the next call goes on.

    Raises
    ------
    StorageError
        If the disk is full or cannot be written.
    OfflineError
        If connections are lost five times in a row without a byte.
    ModelError
        If the content does not have its hash; it is removed.
    """
    partial = path.with_name(f"{path.name}.part")
    with translated_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _fill(url, partial, file, report)
        if not matches(partial, file):
            partial.unlink()
            raise ModelError(
                f"The file {file.name} that {_host(url)} sent is not the one it announced.",
                "Pull the model again; if it stays, do not use that address.",
            )
        partial.replace(path)


@contextmanager
def translated_disk(folder: Path) -> Iterator[None]:
    """Say in words that a disk is full or cannot be written.

    Raises
    ------
    StorageError
        If so.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "The disk is full" if full else f"It cannot be written: {error.strerror or error}"
        raise StorageError(
            f"The model cannot be kept in {folder}. {reason}.",
            "Make room and pull again: it goes on where it was cut off."
            if full
            else "Check the folder's rights, or set PROOFDESK_HOME to another one.",
        ) from error


def _fill(url: str, partial: Path, file: HubFile, report: Callable[[int], None]) -> None:
    """Receive until the file has its size, over as many connections as that takes."""
    fruitless = 0
    most = have = _size(partial)
    if have > file.size:
        partial.unlink()
        most = have = 0
    # An empty file needs no connection.
    partial.touch()
    while have < file.size:
        trouble = _receive(url, partial, have, file, report)
        have = _size(partial)
        fruitless = fruitless + 1 if have <= most else 0
        most = max(most, have)
        if have < file.size and fruitless >= _FRUITLESS:
            raise OfflineError(
                f"The connection to {_host(url)} was lost while {file.name} was downloaded.",
                f"{have / 1e6:.1f} of {file.size / 1e6:.1f} MB are kept: pull again to go on.",
            ) from trouble


def _receive(
    url: str, partial: Path, have: int, file: HubFile, report: Callable[[int], None]
) -> Exception | None:
    """Append what one connection brings; return what cut it off, if anything did.

    Raises
    ------
    NotFoundError, AuthError, ServiceError
        If the hub refuses the file: no further connection will change that.
    OSError
        If the disk cannot be written.
    """
    try:
        answer = _open(url, {"Range": f"bytes={have}-"} if have else {})
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.write_bytes(b"")  # What we have is no part of it.
            return error
        if error.code in _TRANSIENT:
            return error
        raise _refused(error, file.name) from error
    except (OSError, http.client.HTTPException) as error:
        return error
    with answer, partial.open("r+b") as target:
        begin = _begin(answer)
        if begin > have:
            return None
        target.seek(begin)
        target.truncate()
        return _copy(answer, target, begin, file, report)


def _copy(
    answer: Any, target: IO[bytes], begin: int, file: HubFile, report: Callable[[int], None]
) -> Exception | None:
    have = begin
    while have < file.size:
        try:
            chunk = answer.read(min(_CHUNK, file.size - have))
        except (OSError, http.client.HTTPException) as error:
            return error
        if not chunk:
            return None
        target.write(chunk)
        have += len(chunk)
        report(have)
    return None


def _begin(answer: Any) -> int:
    """Return where in the file an answer begins: a server may ignore what was asked for."""
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    found = _RANGE.fullmatch(answer.headers.get("Content-Range") or "")
    return int(found[1]) if found else 0


def _open(url: str, headers: dict[str, str] | None = None) -> Any:
    # Compressed, a range would be one of the compressed bytes.
    told = {"Accept-Encoding": "identity", "User-Agent": "proofdesk", **(headers or {})}
    opener = urllib.request.build_opener(_NoDowngrade)
    return opener.open(urllib.request.Request(url, headers=told), timeout=_TIMEOUT_S)


def _refused(error: urllib.error.HTTPError, what: str) -> ServiceError:
    error.close()
    if error.code == http.HTTPStatus.NOT_FOUND:
        return NotFoundError(f"The hub does not know {what}.", "Check the name and the revision.")
    if error.code in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
        return AuthError(
            f"The hub gives {what} only to people who have signed in.",
            "Download it with your account, and name its folder instead of its id.",
        )
    return ServiceError(f"The hub answered {error.code} for {what}.", "Try again later.")


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
