"""Caches that count bytes, in memory and on disk."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from connectome.datastack import Mesh
from connectome.errors import NotFoundError
from rendering.cache import ByteCache
from rendering.disk_cache import DiskCache
from rendering.mesh_cache import MeshCache
from tests.arrays import ArrayDatastack

# In memory


def test_the_cache_never_weighs_more_than_its_limit() -> None:
    cache: ByteCache[bytes] = ByteCache(100, len)
    made: list[int] = []

    def make(index: int) -> bytes:
        made.append(index)
        return bytes(40)

    for index in (1, 2, 1, 3, 1, 2):
        cache.get(index, lambda index=index: make(index))  # type: ignore[misc]
        assert cache.used_bytes <= 100
    # 2 was the least recently used when 3 came.
    assert made == [1, 2, 3, 2]


def test_what_is_too_heavy_is_not_kept() -> None:
    cache: ByteCache[bytes] = ByteCache(10, len)
    assert len(cache.get("a", lambda: bytes(11))) == 11
    assert cache.used_bytes == 0


def together(count: int, cache: ByteCache[bytes], error: Exception | None) -> list[object]:
    """Return what each of several threads gets of one key, and who made it last."""
    entered, release = threading.Event(), threading.Event()
    found: list[object] = []

    def make() -> bytes:
        found.append("made")
        entered.set()
        release.wait(10)
        if error is not None:
            raise error
        return b"value"

    def ask() -> None:
        try:
            found.append(cache.get("key", make))
        except NotFoundError as caught:
            found.append(caught)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    # Other keys are not held up by the one that is being made.
    assert cache.get("other", lambda: b"quick") == b"quick"
    release.set()
    for thread in threads:
        thread.join(10)
    return found


def test_one_thread_makes_and_the_others_wait() -> None:
    cache: ByteCache[bytes] = ByteCache(100, len)
    assert together(6, cache, None) == ["made", *[b"value"] * 6]


def test_an_error_reaches_all_that_wait_and_is_not_kept() -> None:
    cache: ByteCache[bytes] = ByteCache(100, len)
    found = together(4, cache, NotFoundError("It has none."))
    # Who came after the error asks anew; nobody gets anything else.
    assert {type(one) for one in found} <= {str, NotFoundError}
    assert sum(isinstance(one, NotFoundError) for one in found) == 4
    assert cache.get("key", lambda: b"later") == b"later"


def test_what_was_made_before_a_clearing_is_not_kept() -> None:
    cache: ByteCache[bytes] = ByteCache(100, len)

    def make() -> bytes:
        cache.clear()
        return b"old"

    assert cache.get("key", make) == b"old"
    assert cache.used_bytes == 0
    assert cache.get("key", lambda: b"new") == b"new"


# On disk


def test_a_content_comes_back_whole(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    assert cache.read("a") is None
    cache.write("a", b"content")
    cache.write("b", b"")
    assert DiskCache(tmp_path / "cache").read("a") == b"content"
    assert cache.read("b") == b""


@pytest.mark.parametrize("harm", ["cut", "flipped", "emptied", "grown"])
def test_a_damaged_file_is_dropped(tmp_path: Path, harm: str) -> None:
    cache = DiskCache(tmp_path / "cache")
    cache.write("a", b"a content of some length")
    (path,) = (tmp_path / "cache").glob("*/*")
    data = path.read_bytes()
    flipped = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
    path.write_bytes(
        {"cut": data[:-4], "flipped": flipped, "emptied": b"", "grown": data * 2}[harm]
    )
    assert cache.read("a") is None
    assert not path.exists()
    cache.write("a", b"anew")
    assert cache.read("a") == b"anew"


def test_the_folder_never_weighs_more_than_its_limit(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", limit_bytes=10_000)
    for index in range(100):
        cache.write(str(index), bytes(400))
        assert cache.used_bytes() <= 10_000
    assert cache.used_bytes() > 8_000
    assert cache.read("99") is not None
    assert cache.read("0") is None


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", limit_bytes=10_000)
    for index in range(20):
        cache.write(str(index), bytes(400))
    for path in (tmp_path / "cache").glob("*/*"):
        os.utime(path, (1, 1))
    assert cache.read("3") is not None
    for index in range(100, 115):
        cache.write(str(index), bytes(400))
    assert cache.read("3") is not None
    assert sum(cache.read(str(index)) is None for index in range(20)) >= 10


def test_what_would_fill_the_folder_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache", limit_bytes=10_000)
    cache.write("a", bytes(5_000))
    assert cache.used_bytes() == 0


def test_a_full_disk_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path / "cache")

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    cache.write("a", b"content")
    assert cache.read("a") is None
    assert cache.used_bytes() == 0


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file stands in the way")
    cache = DiskCache(tmp_path / "cache")
    cache.write("a", b"content")
    assert cache.read("a") is None


def test_what_others_began_long_ago_is_swept_away(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "cache")
    (tmp_path / "cache" / "00").mkdir(parents=True)
    parts = [tmp_path / "cache" / "00" / f"{name}.part" for name in ("old", "new")]
    for part, age in zip(parts, (7200, 0), strict=True):
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age,) * 2)
    cache.write("a", b"content")
    assert [part.exists() for part in parts] == [False, True]


def churn(folder: Path, seed: int) -> None:
    """Write and read as a process of its own; what is read must be what was written."""
    cache = DiskCache(folder, limit_bytes=50_000)
    chance = np.random.default_rng(seed)
    for _ in range(300):
        index = int(chance.integers(0, 60))
        content = bytes([index]) * (1_000 + 10 * index)
        found = cache.read(str(index))
        if found is not None and found != content:
            os._exit(1)
        if found is None:
            cache.write(str(index), content)


def test_several_processes_share_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    folder = tmp_path / "cache"
    crew = [context.Process(target=churn, args=(folder, seed)) for seed in range(3)]
    for member in crew:
        member.start()
    for member in crew:
        member.join(120)
    assert [member.exitcode for member in crew] == [0, 0, 0]
    assert DiskCache(folder).used_bytes() <= 50_000 * (1 + 3 / 16)


# Of meshes


MESH = Mesh(
    np.array([[0, 0, 0], [1.5, 0, 0], [0, 2.25, 1e7]], np.float32),
    np.array([[0, 1, 2]], np.uint32),
)


def far(address: str) -> ArrayDatastack:
    stack = ArrayDatastack(None, None, np.ones((2, 2, 2), np.uint64), (10, 10, 10))
    stack.address = address
    return stack


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("cave:minnie@https://server.example", True),
        ("precomputed:gs://bucket/volume", True),
        ("precomputed:https://server.example/volume,em=https://server.example/em", True),
        ("precomputed:file:///data/volume", False),
        ("precomputed:http://127.0.0.1:8080/volume", False),
        ("cave:offline@http://localhost:8080", False),
        ("/data/offline", False),
    ],
)
def test_only_what_comes_from_elsewhere_goes_to_disk(
    tmp_path: Path, address: str, kept: bool
) -> None:
    fetched: list[int] = []

    def fetch() -> Mesh:
        fetched.append(7)
        return MESH

    for _ in range(2):
        cache = MeshCache.of(far(address), folder=tmp_path / "cache")
        mesh = cache.on_disk(7, fetch)
        np.testing.assert_array_equal(mesh.vertices_nm, MESH.vertices_nm)
        np.testing.assert_array_equal(mesh.faces, MESH.faces)
        assert mesh.vertices_nm.dtype == np.dtype(np.float32)
        assert mesh.faces.dtype == np.dtype(np.uint32)
    assert len(fetched) == (1 if kept else 2)


def test_sizes_can_be_set(tmp_path: Path) -> None:
    cache = MeshCache.of(
        far("cave:minnie@https://server.example"),
        memory_bytes=10_000,
        disk_bytes=0,
        folder=tmp_path / "cache",
    )
    cache.on_disk(7, lambda: MESH)
    assert not (tmp_path / "cache").exists()
    for node in range(200):
        cache.pieces.get(node, lambda: MESH)
    assert 0 < cache.used_bytes <= 10_000
    cache.clear()
    assert cache.used_bytes == 0
