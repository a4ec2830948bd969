"""The chunked graph of CAVE, through the real caveclient."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from connectome.cave.client import CaveConnection
from connectome.cave.records import lineage_of, operation_of, receipt_of
from connectome.cave.translate import editing, previewing
from connectome.cave.transport import retried
from connectome.errors import EditUnknownError, OutsideVolumeError
from connectome.graph import (
    EditReceipt,
    GraphPoint,
    Ids,
    Lineage,
    MergeRequest,
    OperationDetails,
    SplitPreview,
    SplitRequest,
)
from connectome.space import BoxNm, Scale

__all__ = ["CaveGraph"]

_BATCH = 250_000
"""Supervoxels in one request, as cloud-volume does it."""
_PREVIEW = ("supervoxel_connected_components", "illegal_split")


class CaveGraph:
    """The `Graph` of one datastack on a CAVE server or on the offline service.

    Reads are tried up to three times; edits are sent once, whatever happens.
    """

    def __init__(self, connection: CaveConnection) -> None:
        self._connection = connection
        self._client = connection.graph
        self._server = connection.local_server

    @cached_property
    def base_scale(self) -> Scale:
        """The grid in which the graph counts voxels."""
        info = self._info
        finest = info["scales"][int(info["graph"].get("cv_mip", 0))]
        x, y, z = (float(v) for v in finest["resolution"])
        sx, sy, sz = (int(v) for v in finest["size"])
        ox, oy, oz = (int(v) for v in finest.get("voxel_offset", (0, 0, 0)))
        return Scale((x, y, z), (sx, sy, sz), (ox, oy, oz))

    def roots(self, supervoxels: Ids, timestamp: datetime | None = None) -> Ids:
        """Return the root of each supervoxel, shape (n,), 0 for id 0."""
        ids = np.asarray(supervoxels, np.uint64)
        roots = np.zeros(ids.shape, np.uint64)
        asked = np.flatnonzero(ids)
        with self._connection.reading("the roots of supervoxels"):
            for part in _parts(asked):
                roots[part] = retried(partial(self._ask_roots, ids[part], timestamp))
        return roots

    def _ask_roots(self, ids: Ids, timestamp: datetime | None) -> Ids:
        # Not caveclient's get_roots: it always sends this machine's clock as the timestamp,
        # and a clock that is slow would show the graph as it was before the latest edit.
        url = f"{self._table}/roots_binary"
        query = {} if timestamp is None else {"timestamp": timestamp.astimezone(UTC).timestamp()}
        answer = self.session.post(url, data=ids.astype("<u8").tobytes(), params=query)
        answer.raise_for_status()
        roots = np.frombuffer(answer.content, "<u8").astype(np.uint64)
        if roots.shape != ids.shape:
            raise ValueError(f"{len(ids)} supervoxels were asked for, {len(roots)} roots came")
        return roots

    def is_latest(self, roots: Ids) -> NDArray[np.bool_]:
        """Tell for each root whether it exists and was not replaced, shape (n,)."""
        ids = np.asarray(roots, np.uint64)
        # The server says True of any existing supervoxel or level-2 node as well.
        is_root = (ids >> np.uint64(64 - self._layer_bits)) == self._root_layer
        latest = np.zeros(ids.shape, np.bool_)
        if is_root.any():
            with self._connection.reading("the state of roots"):
                asked = ids[is_root]
                latest[is_root] = retried(lambda: self._client.is_latest_roots(asked))
        return latest

    def root_timestamps(self, roots: Ids) -> list[datetime]:
        """Return when each root was made (UTC)."""
        ids = np.asarray(roots, np.uint64)
        if not ids.size:
            return []
        with self._connection.reading("the age of roots"):
            times = retried(lambda: self._client.get_root_timestamps(ids))
            return [time.astimezone(UTC) for time in times]

    def leaves(self, root: int, box: BoxNm | None = None) -> Ids:
        """Return the supervoxels of a root, those in the chunks that meet the box if given."""
        bounds = None
        if box is not None:
            try:
                first, last = self.base_scale.clip(box)
            except OutsideVolumeError:
                return np.zeros(0, np.uint64)
            bounds = np.array([first, last]).T
        with self._connection.reading(f"the segment {root}"):
            leaves = retried(lambda: self._client.get_leaves(root, bounds=bounds))
            return np.asarray(leaves).astype(np.uint64)

    def lineage(self, roots: Iterable[int]) -> Lineage:
        """Return every edit that made or replaced these roots."""
        asked = np.array(sorted(set(roots)), np.uint64)
        if not asked.size:
            return Lineage(())
        with self._connection.reading("the history of segments"):
            return lineage_of(retried(lambda: self._client.get_lineage_graph(asked)))

    def operations(self, operation_ids: Iterable[int]) -> dict[int, OperationDetails]:
        """Return the log rows of these operations; unknown ids are absent."""
        asked = sorted(set(operation_ids))
        if not asked:
            return {}
        voxel_nm = self.base_scale.voxel_nm
        with self._connection.reading("the log of operations"):
            rows = retried(lambda: self._client.get_operation_details(asked))
            return {int(k): operation_of(int(k), row, voxel_nm) for k, row in rows.items() if row}

    def merge(self, request: MergeRequest) -> EditReceipt:
        """Send one merge, once."""
        points = (request.a, request.b)
        with editing(self._server):
            # Nanometres: the client's own default would multiply by 4 x 4 x 40.
            answer = self._client.do_merge(
                [int(point.supervoxel) for point in points],
                [point.position_nm for point in points],
                resolution=(1, 1, 1),
            )
            receipt = receipt_of(answer)
        if receipt is None or not receipt.new_roots:
            raise EditUnknownError(
                f"The server {self._server} answered the merge without an operation.",
                "Do not send it again: the roots on the server tell whether it was applied.",
            )
        return receipt

    def preview_split(self, request: SplitRequest) -> SplitPreview:
        """Return what a cut would do; a read, so it is tried again like one."""
        with previewing(self._server, self._connection.server):
            answer = retried(partial(self._ask_preview, request))
        parts = answer["supervoxel_connected_components"]
        return SplitPreview(
            tuple(np.array([int(one) for one in part], np.uint64) for part in parts),
            # A cut has two sides; a server that found fewer has cut nothing.
            illegal=bool(answer["illegal_split"]) or len(parts) < 2,
        )

    def _ask_preview(self, request: SplitRequest) -> dict[str, Any]:
        # Not caveclient's preview_split: it fails on an answer with fewer than two parts.
        answer = self.session.post(
            f"{self._table}/graph/split_preview",
            data=json.dumps({"sources": _rows(request.sources), "sinks": _rows(request.sinks)}),
            headers={"Content-Type": "application/json"},
        )
        answer.raise_for_status()
        return {key: answer.json()[key] for key in _PREVIEW}

    def split(self, request: SplitRequest) -> EditReceipt:
        """Send one cut, once."""
        with editing(self._server):
            # Its points are nanometres as they are.
            operation, roots = self._client.execute_split(
                [point.position_nm for point in request.sources],
                [point.position_nm for point in request.sinks],
                # The client uses the root only where a supervoxel is missing.
                root_id=0,
                source_supervoxels=[int(point.supervoxel) for point in request.sources],
                sink_supervoxels=[int(point.supervoxel) for point in request.sinks],
            )
            receipt = receipt_of({"operation_id": operation, "new_root_ids": roots})
        if receipt is None or not receipt.new_roots:
            raise EditUnknownError(
                f"The server {self._server} answered the cut without an operation.",
                "Do not send it again: the roots on the server tell whether it was applied.",
            )
        return receipt

    def undo(self, operation_id: int) -> EditReceipt | None:
        """Send one undo, once; None when the server says there was nothing to undo."""
        with editing(self._server):
            return receipt_of(self._client.undo_operation(int(operation_id)))

    def level2_graph(self, root: int) -> NDArray[np.uint64]:
        """Return the edges (m, 2) between the level-2 nodes of a root."""
        with self._connection.reading(f"the segment {root}"):
            edges = retried(lambda: self._client.level2_chunk_graph(root))
            return np.asarray(edges).astype(np.uint64).reshape(-1, 2)

    def level2_nodes(self, root: int, bounds: NDArray[np.int64]) -> Ids:
        """Return the level-2 nodes of a root in the chunks that meet a box of voxels (3, 2)."""
        with self._connection.reading(f"the segment {root}"):
            nodes = retried(lambda: self._client.get_leaves(root, bounds=bounds, stop_layer=2))
            return np.asarray(nodes).astype(np.uint64)

    @property
    def connection(self) -> CaveConnection:
        """The datastack on its server."""
        return self._connection

    @property
    def session(self) -> requests.Session:
        """The session with token and time limits."""
        return self._connection.session

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def _table(self) -> str:
        return f"{self._server}/segmentation/api/v1/table/{self._connection.table}"

    @cached_property
    def _info(self) -> dict[str, Any]:
        with self._connection.reading("the chunked graph's table"):
            info: dict[str, Any] = retried(lambda: self._client.segmentation_info)
            return info

    @property
    def _layer_bits(self) -> int:
        return int(self._info["graph"].get("n_bits_for_layer_id", 8))

    @property
    def _root_layer(self) -> np.uint64:
        return np.uint64(self._info["graph"]["n_layers"])


def _rows(points: Iterable[GraphPoint]) -> list[list[float]]:
    """Return ``[supervoxel, x, y, z]`` of each point, in nm."""
    return [[int(point.supervoxel), *map(float, point.position_nm)] for point in points]


def _parts(indices: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(indices), _BATCH):
        yield indices[start : start + _BATCH]
