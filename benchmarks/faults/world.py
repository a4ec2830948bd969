"""A small random datastack, and random edits that make sense in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from connectome.graph import GraphPoint
from connectome.offline.engine import GraphEngine
from connectome.offline.ingest import IngestRequest, ingest
from connectome.offline.layout import DatastackFolder
from connectome.offline.lookup import SupervoxelReader
from connectome.space import PointNm
from proofreading.decisions import Answer, Decider, Decision
from proofreading.edits import Edit, MergeEdit, SplitEdit
from proofreading.verdicts import Task

__all__ = ["World", "decision_for"]

VOXEL_NM = (16.0, 16.0, 16.0)
SHAPE_ZYX = (32, 72, 136)
"""Three by two chunks of 64 voxels: edits cross chunk borders."""
PIECES = 220
SEGMENTS = 60


@dataclass(frozen=True)
class World:
    """A datastack folder and where its supervoxels are.

    Parameters
    ----------
    folder : Path
        The datastack.
    voxels : ndarray, shape (z, y, x), uint64
        Its supervoxels.
    """

    folder: Path
    voxels: NDArray[np.uint64]

    @classmethod
    def make(cls, folder: Path, seed: int) -> World:
        """Grow a random partition and ingest it; the same seed gives the same world."""
        pieces, segments, em = _volumes(np.random.default_rng(seed))
        request = IngestRequest(
            em=em,
            supervoxels=pieces,
            segmentation=segments,
            resolution_nm=VOXEL_NM,
            name="offline_campaign",
            out=folder,
        )
        ingest(request, lambda *_: None)
        engine = GraphEngine.open(_opened(folder), read_only=True)
        try:
            reader = SupervoxelReader(engine.folder.supervoxels, engine.folder.scale)
            z, y, x = SHAPE_ZYX
            return cls(folder, reader.read((0, 0, 0), (x, y, z)))
        finally:
            engine.close()

    def edits(self, chance: Random, n: int) -> Iterator[Edit]:
        """Yield edits that the graph would take as it is now, each about its own voxels."""
        engine = GraphEngine.open(_opened(self.folder), read_only=True)
        try:
            yield from (self._edit(engine, chance) for _ in range(n))
        finally:
            engine.close()

    def _edit(self, engine: GraphEngine, chance: Random) -> Edit:
        a, b = self._neighbours(chance)
        ids = np.array([a.supervoxel, b.supervoxel], np.uint64)
        one, other = (int(root) for root in engine.roots(ids))
        name = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        if one != other:
            return MergeEdit(name, f"d-{name}", f"s-{name}", a, b, (one, other))
        more = self._more(engine, one, {a.supervoxel, b.supervoxel}, chance)
        sources, sinks = ((a, *more[:1]), (b, *more[1:]))
        return SplitEdit(name, f"d-{name}", f"s-{name}", sources, sinks, one)

    def _neighbours(self, chance: Random) -> tuple[GraphPoint, GraphPoint]:
        """Return a point on each side of a random face between two supervoxels."""
        while True:
            axis = chance.randrange(3)
            place = [chance.randrange(n - (k == axis)) for k, n in enumerate(SHAPE_ZYX)]
            beside = list(place)
            beside[axis] += 1
            a, b = self._point(place), self._point(beside)
            if a.supervoxel and b.supervoxel and a.supervoxel != b.supervoxel:
                return a, b

    def _more(
        self, engine: GraphEngine, root: int, taken: set[int], chance: Random
    ) -> list[GraphPoint]:
        """Return up to two more points in the object: cuts with several points."""
        others = [int(s) for s in engine.leaves(root) if int(s) not in taken]
        chosen = chance.sample(others, min(len(others), chance.randrange(3)))
        return [self._point(self._voxel_of(supervoxel, chance)) for supervoxel in chosen]

    def _voxel_of(self, supervoxel: int, chance: Random) -> list[int]:
        places = np.argwhere(self.voxels == np.uint64(supervoxel))
        return [int(v) for v in places[chance.randrange(len(places))]]

    def _point(self, zyx: list[int]) -> GraphPoint:
        z, y, x = zyx
        centre = tuple((i + 0.5) * v for i, v in zip((x, y, z), VOXEL_NM, strict=True))
        position: PointNm = (centre[0], centre[1], centre[2])
        return GraphPoint(int(self.voxels[z, y, x]), position)


def decision_for(edit: Edit) -> Decision:
    """Return the accepted answer that stands behind an edit."""
    task = (
        Task.SPLIT_ERROR_CORRECTION
        if isinstance(edit, MergeEdit)
        else Task.MERGE_ERROR_IDENTIFICATION
    )
    return Decision(
        id=edit.decision_id,
        site_id=edit.site_id,
        task=task,
        answer=Answer.ACCEPT,
        decider=Decider.PERSON,
        author="campaign",
        decided_at=datetime.now(UTC),
        elapsed_ms=0,
        verdict_visible=False,
        partner_supervoxel=edit.b.supervoxel if isinstance(edit, MergeEdit) else None,
    )


def _opened(folder: Path) -> DatastackFolder:
    return DatastackFolder.open(folder)


def _volumes(
    chance: np.random.Generator,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint8]]:
    """Return supervoxels (nearest of random points), segments (nearest of fewer) and EM."""
    from scipy.spatial import KDTree

    voxels = np.indices(SHAPE_ZYX).reshape(3, -1).T
    centres = chance.uniform(0, 1, (PIECES, 3)) * SHAPE_ZYX
    anchors = chance.uniform(0, 1, (SEGMENTS, 3)) * SHAPE_ZYX
    piece = np.asarray(KDTree(centres).query(voxels)[1], dtype=np.int64)
    owner = np.asarray(KDTree(anchors).query(centres)[1], dtype=np.int64)
    pieces = (piece + 1).reshape(SHAPE_ZYX).astype(np.uint32)
    segments = (owner[piece] + 1).reshape(SHAPE_ZYX).astype(np.uint32)
    em = chance.integers(0, 255, SHAPE_ZYX, dtype=np.uint8)
    return pieces, segments, em
