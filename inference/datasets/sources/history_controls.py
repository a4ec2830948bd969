"""Where nothing was wrong: what an edit history does not tell but its datastack does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import NotFoundError, OutsideVolumeError
from connectome.graph import Graph, Lineage
from connectome.space import BoxNm, Cutout, PointNm
from inference.datasets.contacts import find_contacts
from inference.datasets.numbering import renumbered
from inference.datasets.samples import Sample
from inference.datasets.sources.corrections import Correction, latest_of
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import SkeletonPoint, branch_points, tips
from proofreading.verdicts import Task

if TYPE_CHECKING:
    from inference.datasets.sources.history import HistorySource

__all__ = ["error_free_places", "neighbours"]

_TIP, _BRANCH = "error-free tip", "error-free branch point"


def neighbours(source: HistorySource, datastack: Datastack) -> Iterator[Sample]:
    """Yield pairs of an edited segment and a neighbour that no edit ever joined.

    Whether two segments were joined is told by what became of both: two fragments of one
    neuron share it, whichever edit joined them and however much later.
    """
    graph = datastack.graph
    assert graph is not None, "`HistorySource` refuses a flat segmentation"
    for edit in source.corrections:
        at = edit.before_time if edit.is_merge else edit.after_time
        own = edit.before if edit.is_merge else edit.after
        found = _touching(source, datastack, graph, edit, own)
        parts = sorted({root for pair, _ in found for root in pair})
        became = latest_of(_lineage(graph, parts), parts)
        apart = []
        for pair, point in found:
            if became[pair[0]].isdisjoint(became[pair[1]]):
                apart.append((pair, point))
            else:
                source.left_out["neighbours that a later edit joined"] += 1
        source.latest.update(became)
        apart.sort(key=lambda item: _draw(source.settings.seed, edit.operation_id, item[0]))
        for pair, point in apart[: source.settings.adjacent]:
            yield source.made(
                Task.SPLIT_ERROR_CORRECTION,
                "neighbours never joined",
                False,
                pair,
                point,
                at,
                operation_id=edit.operation_id,
            )


def error_free_places(source: HistorySource, task: Task, datastack: Datastack) -> Iterator[Sample]:
    """Yield tips or branch points of proofread segments, far from every correction.

    A proofread segment is one that a correction made and no edit has replaced: a person
    looked at it, and left this place as it is.
    """
    graph = datastack.graph
    assert graph is not None, "`HistorySource` refuses a flat segmentation"
    ends = sorted({end for e in source.corrections for r in e.after for end in source.became(r)})
    current = graph.is_latest(np.array(ends, np.uint64)) if ends else np.zeros(0, np.bool_)
    proofread = [root for root, latest in zip(ends, current.tolist(), strict=True) if latest]
    bounds = datastack.segmentation.scales[0].bounds_nm
    splits = task is Task.SPLIT_ERROR_IDENTIFICATION
    settings = DetectionSettings()
    for skeleton in datastack.skeletons.skeletons(proofread):
        found = (
            tips(skeleton, settings.tangent_nm, settings.same_tip_nm)
            if splits
            else branch_points(skeleton, settings.same_tip_nm)
        )
        kept: list[PointNm] = []
        for place in found:
            if _at_a_face(place, bounds, settings.face_nm):
                source.left_out["place at a face of the volume"] += 1
            elif source.corrected_near(skeleton.root, place.point_nm, task):
                source.left_out["place near a correction"] += 1
            else:
                kept.append(place.point_nm)
        kept.sort(key=lambda p: _draw(source.settings.seed, skeleton.root, p))
        for point in kept[: source.settings.places]:
            name = _TIP if splits else _BRANCH
            yield source.made(task, name, False, (skeleton.root,), point, None)


def _touching(
    source: HistorySource,
    datastack: Datastack,
    graph: Graph,
    edit: Correction,
    own: tuple[int, ...],
) -> list[tuple[tuple[int, int], PointNm]]:
    """Return the touching pairs of an edited segment and another one, and where they touch."""
    box = BoxNm.around(edit.point_nm, source.settings.adjacent_nm / 2)
    at = edit.before_time if edit.is_merge else edit.after_time
    try:
        cutout = datastack.segmentation.read_supervoxels(box)
    except OutsideVolumeError:
        source.left_out["edit outside the volume"] += 1
        return []
    small, supervoxels = renumbered(cutout.data)
    labels, names = renumbered(graph.roots(supervoxels, at)[small])
    contacts = find_contacts(labels)
    found = []
    for row, (a, b) in enumerate(names[contacts.pairs].tolist()):
        if (a in own) != (b in own):
            found.append(((int(a), int(b)), _point(cutout, contacts.center[row])))
    return found


def _lineage(graph: Graph, roots: list[int]) -> Lineage:
    """Read what became of roots; a root that no edit ever touched may be unknown to the log."""
    if not roots:
        return Lineage(())
    try:
        return graph.lineage(roots)
    except NotFoundError:
        parts = [_lineage(graph, [root]) for root in roots] if len(roots) > 1 else []
        return Lineage(tuple(sorted({edge for part in parts for edge in part.edges})))


def _point(cutout: Cutout, zyx: NDArray[np.int64]) -> PointNm:
    x0, y0, z0 = cutout.first_voxel
    z, y, x = (int(v) for v in zyx)
    return cutout.scale.center_of((x + x0, y + y0, z + z0))


def _at_a_face(place: SkeletonPoint, bounds: BoxNm, face_nm: float) -> bool:
    room = min(
        min(p - low, high - p)
        for low, p, high in zip(bounds.lower, place.point_nm, bounds.upper, strict=True)
    )
    return room <= place.radius_nm + face_nm


def _draw(*values: object) -> str:
    """Return a random key that does not depend on the order of asking."""
    return hashlib.blake2b(repr(values).encode(), digest_size=8).hexdigest()
