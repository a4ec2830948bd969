"""What a cut asks of the datastack: supervoxels under points and previews, never on the window.

Everything runs on one thread of its own, one thing at a time; results are posted to the
owner's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.services.facts import facts_of
from app.services.one_thread import OneThread
from app.services.splitting_picture import CutPicture, cut_picture
from app.services.workers import Post
from connectome.datastack import present_roots
from connectome.errors import (
    EditRejectedError,
    EditUnknownError,
    OfflineError,
    OutsideVolumeError,
    ProofdeskError,
)
from connectome.graph import GraphPoint, SplitPreview, SplitRequest
from connectome.objects import MeasuresCuts
from connectome.space import BoxNm, PointNm

if TYPE_CHECKING:
    from connectome.datastack import Datastack

__all__ = ["CutDesk", "Previewed", "Resolved"]

REACH_NM = 250.0
"""How far from the object a point may lie; a click on a mesh is off by a voxel or two."""

_STALE = "Somebody edited this object since it was shown; it is shown anew."
_OUTSIDE = "That point lies outside the volume."
_FLAT = "This segmentation takes no edits, so nothing can be cut."


@dataclass(frozen=True)
class Resolved:
    """The supervoxel of the object nearest to a point, or why there is none."""

    point: GraphPoint | None
    trouble: str = ""
    stale: bool = False
    root: int = 0


@dataclass(frozen=True, eq=False)
class Previewed:
    """What a cut would do, or why it would not.

    Parameters
    ----------
    legal : bool
        Whether the cut would take the points apart.
    shown : CutPicture or None
        What to show of it; None where only the picture could not be made.
    whole_nm3 : tuple of float or None
        The volumes of the two sides as far as they reach, where the datastack knows.
    trouble, remedy : str
        What is wrong, as one sentence each.
    stale : bool
        Whether the object is no longer the one that was shown.
    """

    legal: bool
    shown: CutPicture | None = None
    whole_nm3: tuple[float, float] | None = None
    trouble: str = ""
    remedy: str = ""
    stale: bool = False


class CutDesk:
    """Answers questions about cuts in the background.

    Parameters
    ----------
    datastack : Datastack
        Where supervoxels, surfaces and previews come from.
    post : callable
        Runs a callable on the owner's thread.
    """

    def __init__(self, datastack: Datastack, post: Post) -> None:
        self._datastack = datastack
        self._thread = OneThread("proofdesk-cut", post)

    def resolve(
        self, roots: Sequence[int], point_nm: PointNm, done: Callable[[Resolved], None]
    ) -> None:
        """Find the supervoxel of one of these objects at or next to a point."""
        self._thread.do(lambda: self._resolved(roots, point_nm), done)

    def preview(self, root: int, request: SplitRequest, done: Callable[[Previewed], None]) -> None:
        """Find out what a cut of an object would do; reads only."""
        self._thread.do(lambda: self._previewed(root, request), done)

    def close(self) -> None:
        """Answer nothing any more, and wait for what is being read."""
        self._thread.close()

    def _resolved(self, roots: Sequence[int], point_nm: PointNm) -> Resolved:
        try:
            if self._datastack.graph is None:
                return Resolved(None, _FLAT)
            found, root = _nearest(self._datastack, roots, point_nm)
            if found is None and not _are_latest(self._datastack, roots):
                return Resolved(None, _STALE, stale=True)
        except OutsideVolumeError:
            return Resolved(None, _OUTSIDE)
        except ProofdeskError as error:
            return Resolved(None, _without_network(error))
        if found is None:
            text = f"Nothing of this object lies within {REACH_NM:.0f} nm of that point."
            return Resolved(None, text)
        return Resolved(found, root=root)

    def _previewed(self, root: int, request: SplitRequest) -> Previewed:
        try:
            graph = self._datastack.graph
            if graph is None:
                return Previewed(legal=False, trouble=_FLAT)
            points = [*request.sources, *request.sinks]
            roots = set(present_roots(self._datastack, [p.supervoxel for p in points]))
            if roots != {root}:
                return Previewed(legal=False, trouble=_STALE, stale=True)
            preview = graph.preview_split(request)
        except EditRejectedError as error:
            return Previewed(legal=False, trouble=error.message, remedy=_MOVE)
        except EditUnknownError as error:
            # A preview changes nothing: without an answer it is a read that failed.
            return Previewed(legal=False, trouble=error.message, remedy="Press P again.")
        except ProofdeskError as error:
            return Previewed(legal=False, trouble=_without_network(error), remedy=error.hint)
        if preview.illegal:
            return Previewed(legal=False, trouble=_HOLDS, remedy=_MOVE)
        return self._drawn(root, request, preview)

    def _drawn(self, root: int, request: SplitRequest, preview: SplitPreview) -> Previewed:
        points = [point.position_nm for point in (*request.sources, *request.sinks)]
        whole = self._measured(request)
        try:
            shown = cut_picture(self._datastack, root, points, preview)
        except ProofdeskError as error:
            text = f"The cut is possible, but not drawn: {error.message}"
            return Previewed(legal=True, whole_nm3=whole, trouble=text)
        return Previewed(legal=True, shown=shown, whole_nm3=whole)

    def _measured(self, request: SplitRequest) -> tuple[float, float] | None:
        facts = facts_of(self._datastack)
        voxels = facts.cut_voxels(request) if isinstance(facts, MeasuresCuts) else None
        if voxels is None:
            return None
        voxel_nm3 = float(np.prod(self._datastack.segmentation.scales[0].voxel_nm))
        return voxels[0] * voxel_nm3, voxels[1] * voxel_nm3


_HOLDS = "This cut would not separate the points: the object still holds together."
_MOVE = "Move the points, or add more on either side, and press P again."


def _without_network(error: ProofdeskError) -> str:
    if isinstance(error, OfflineError):
        return "No connection: the points stay, and the preview can be asked for later."
    return error.message


def _are_latest(datastack: Datastack, roots: Sequence[int]) -> bool:
    graph = datastack.graph
    return graph is None or bool(graph.is_latest(np.array(roots, np.uint64)).all())


def _nearest(
    datastack: Datastack, wanted: Sequence[int], point_nm: PointNm
) -> tuple[GraphPoint | None, int]:
    """Return the point itself if it lies in one of the objects, else their nearest voxel.

    Returns
    -------
    point : GraphPoint or None
        None where nothing of them is near.
    root : int
        The object that it lies in.
    """
    cutout = datastack.segmentation.read_supervoxels(BoxNm.around(point_nm, REACH_NM))
    ids = np.unique(cutout.data)
    roots = np.array(present_roots(datastack, ids.tolist()), np.uint64)
    mine = np.isin(cutout.data, ids[np.isin(roots, np.array(wanted, np.uint64)) & (ids != 0)])
    voxels = np.argwhere(mine)
    if not len(voxels):
        return None, 0
    voxel = np.asarray(cutout.scale.voxel_nm)
    centers = (voxels[:, ::-1] + 0.5 + np.asarray(cutout.first_voxel)) * voxel
    distance = np.linalg.norm(centers - np.asarray(point_nm), axis=1)
    best = int(distance.argmin())
    if distance[best] > REACH_NM:
        return None, 0
    x, y, z = centers[best].tolist()
    supervoxel = int(cutout.data[tuple(voxels[best])])
    return GraphPoint(supervoxel, (x, y, z)), int(roots[ids == np.uint64(supervoxel)][0])
