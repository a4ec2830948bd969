"""Speed of the offline datastack: ingest of real data, reads and edits of a large graph."""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from benchmarks.lattice import Lattice, write_lattice
from benchmarks.measured import Measured
from connectome.closing import Closing

if TYPE_CHECKING:
    from connectome.offline.service import RunningService

__all__ = ["graph_rows", "ingest_rows"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "fib25"
"""Where real data lies beside the repository; see its README."""

_ROOTS_GOAL_S = 1.5
_MERGE_GOAL_S = 0.15
_INGEST_GOAL = 3.0
_WARM_UPS = 2


def ingest_rows(data: Path = DATA) -> Iterator[Measured]:
    """Measure an ingest of EM, supervoxels, segmentation and ground truth, meshes included."""
    measure, goal = "ingest, meshes included", f">= {_INGEST_GOAL:g}"
    if not (data / "labels.npz").is_file():
        yield Measured(measure, None, "Mvoxel/s", goal, note="the data set fib25 is not there")
        return
    from connectome.offline.ingest import IngestRequest, ingest

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        request = IngestRequest(
            em=f"{data / 'em.npz'}:em",
            segmentation=f"{data / 'labels.npz'}:segmentation",
            supervoxels=f"{data / 'labels.npz'}:supervoxels",
            groundtruth=f"{data / 'labels.npz'}:groundtruth",
            resolution_nm=(10, 10, 10),
            name="offline_bench",
            out=Path(scratch) / "datastack",
        )
        done = ingest(request, _quiet)
    voxels = int(np.prod(done.shape))
    rate = voxels / done.seconds / 1e6
    note = f"{done.n_supervoxels} supervoxels, {done.n_edges} edges, {done.seconds:.1f} s"
    yield Measured(measure, rate, "Mvoxel/s", goal, rate >= _INGEST_GOAL, voxels, note)


def graph_rows(side: int = 100, merges: int = 25, seed: int = 0) -> Iterator[Measured]:
    """Measure a graph of ``side ** 3`` supervoxels through the service.

    Merges are measured without the meshes, which follow in the background.
    """
    from connectome.offline.service import serve

    with tempfile.TemporaryDirectory(prefix="proofdesk-bench-") as scratch:
        lattice = write_lattice(Path(scratch) / "lattice", side, seed)
        size = f"{side**3:,} supervoxels, {len(lattice.base.edge_a):,} edges"
        with serve(lattice.folder) as service, _Client(service) as client:
            service.remesher.close()
            took = [_time_roots(client, lattice.base.sv_ids) for _ in range(3 + _WARM_UPS)]
            yield _row("roots_binary of all supervoxels", took, _ROOTS_GOAL_S, size)
            ends = _touching_objects(lattice, merges + _WARM_UPS, seed)
            took = [client.merge(lattice, *pair) for pair in ends]
            yield _row("merge, without the mesh", took, _MERGE_GOAL_S, size)


class _Client(Closing):
    """One connection to the service, kept open."""

    def __init__(self, service: RunningService) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=600)
        self._path = f"/segmentation/api/v1/table/{service.address.name}"
        self._headers = {"Authorization": f"Bearer {service.token}"}

    def close(self) -> None:
        self._connection.close()

    def post(self, route: str, body: bytes) -> tuple[bytes, float]:
        """Return the answer and the seconds it took."""
        began = time.perf_counter()
        self._connection.request("POST", f"{self._path}/{route}", body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{route} was answered with {answer.status}: {content[:200]!r}")
        return content, took

    def merge(self, lattice: Lattice, a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
        """Merge the objects of two places and return the seconds it took."""
        points = [[str(lattice.id_at(*at)), *lattice.center_nm(*at)] for at in (a, b)]
        content, took = self.post("merge", json.dumps(points).encode())
        if len(json.loads(content)["new_root_ids"]) != 1:
            raise RuntimeError(f"A merge made no single root: {content[:200]!r}")
        return took


def _time_roots(client: _Client, ids: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> float:
    content, took = client.post("roots_binary", ids.astype("<u8").tobytes())
    if len(content) != 8 * len(ids) or not np.frombuffer(content, "<u8").all():
        raise RuntimeError("Some supervoxels have no root.")
    return took


def _touching_objects(
    lattice: Lattice, n: int, seed: int
) -> list[tuple[tuple[int, int, int], tuple[int, int, int]]]:
    """Return places of pairs of touching objects; no object is in two pairs."""
    rng = np.random.default_rng(seed)
    half = lattice.side // 2
    chosen = rng.choice(half // 2 * half, n, replace=False)
    pairs = []
    for number in chosen.tolist():
        column, row = divmod(number, half)
        k = int(rng.integers(lattice.side))
        pairs.append(((4 * column + 1, 2 * row, k), (4 * column + 2, 2 * row, k)))
    return pairs


def _row(measure: str, took: list[float], goal_s: float, size: str) -> Measured:
    """Return the median without the first few, which open files and fill caches."""
    kept = took[_WARM_UPS:]
    median = statistics.median(kept)
    note = f"{size}; median, worst {max(kept) * 1000:.0f} ms, first {took[0] * 1000:.0f} ms"
    goal = f"< {goal_s * 1000:g}"
    return Measured(measure, median * 1000, "ms", goal, median < goal_s, len(kept), note)


def _quiet(_stage: str, _share: float) -> None:
    """Report nothing."""
