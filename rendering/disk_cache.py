"""A cache on disk that counts bytes and that several processes share.

Nothing about it is ever an error: what cannot be read was never there, and what cannot
be written (a full disk, a folder of somebody else) is simply not kept.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

__all__ = ["DiskCache"]

_LOG = logging.getLogger(__name__)
_HEAD = struct.Struct("<8sIQ")
"""Magic, checksum of the content, its length."""
_MAGIC = b"pdcache1"
_SUFFIX = ".bin"
_STEP = 16
"""The folder is swept each time a sixteenth of its limit has been written."""
_ABANDONED_S = 3600.0
"""A file begun so long ago will not be finished any more."""


class DiskCache:
    """The most recently used contents, as many as fit in a folder.

    Parameters
    ----------
    folder : path
        Made when the first content is written.
    limit_bytes : int
        What all files may weigh together. Each further process that writes at the same
        time may exceed it by a sixteenth for a while.
    """

    def __init__(self, folder: Path, limit_bytes: int = 2 << 30) -> None:
        self.folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._room = 0
        """What may be written before the next sweep; the first write sweeps."""

    def read(self, key: str) -> bytes | None:
        """Return what was written under a key, None if it is not (or not soundly) there."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        content = _unsealed(data)
        if content is None:
            _LOG.info("dropped a damaged file of the cache: %s", path)
            _remove(path)
            return None
        try:
            os.utime(path)
        except OSError:
            # Another process has just swept it away: the content is good all the same.
            return content
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep a content, if there is room for it on the disk and under the limit."""
        size = _HEAD.size + len(content)
        if size > self._limit // _STEP:
            return
        path = self._path(key)
        part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.part")
        self._make_room(size)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(_HEAD.pack(_MAGIC, zlib.crc32(content), len(content)) + content)
            part.replace(path)
        except OSError as error:
            _LOG.info("the cache in %s cannot be written: %s", self.folder, error)
            _remove(part)

    def used_bytes(self) -> int:
        """Return what all files weigh now."""
        return sum(size for _, size, _ in self._files())

    def _path(self, key: str) -> Path:
        name = blake2b(key.encode(), digest_size=20).hexdigest()
        return self.folder / name[:2] / (name + _SUFFIX)

    def _make_room(self, size: int) -> None:
        with self._lock:
            if size > self._room:
                self._room = self._limit // _STEP
                self._sweep(self._limit - self._room)
            self._room -= size

    def _sweep(self, limit: int) -> None:
        """Remove the least recently used files until the others weigh no more than a limit."""
        files = sorted(self._files(), key=lambda file: file[2])
        total = sum(size for _, size, _ in files)
        for path, size, used in files:
            abandoned = path.suffix == ".part" and time.time() - used > _ABANDONED_S
            if total <= limit and not abandoned:
                continue
            _remove(path)
            total -= size

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        """Yield every file with its size and when it was last used."""
        for path in self.folder.glob("??/*"):
            try:
                facts = path.stat()
            except OSError:
                # Another process has just removed it.
                continue
            yield path, facts.st_size, facts.st_mtime


def _unsealed(data: bytes) -> bytes | None:
    """Return the content of a file, None if anything of it is damaged."""
    if len(data) < _HEAD.size:
        return None
    magic, checksum, length = _HEAD.unpack_from(data)
    content = data[_HEAD.size :]
    sound = magic == _MAGIC and length == len(content) and checksum == zlib.crc32(content)
    return content if sound else None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # A reader on Windows holds it; a later sweep gets it.
        _LOG.info("a file of the cache cannot be removed: %s", error)
