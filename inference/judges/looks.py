"""Where along a contact a judge looks, and what several looks add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from connectome.datastack import Datastack
from connectome.errors import VolumeError
from connectome.space import BoxNm, Cutout, PointNm
from inference.calibration import calibrated
from inference.datasets.contacts import contact_center, contact_spread
from inference.judges.base import Judge, Opinion, PairSample
from inference.models.manifest import Calibration
from proofreading.sites import Partner
from rendering.em import cut_slices
from rendering.spec import EMSpec

__all__ = ["contact_point", "cut_at", "look_again"]

CONTACT_REACH_NM = 200.0
"""How far around the partner's points the contact is looked for."""
MORE_LOOKS = 6
RULED_OUT = -3.0
"""A logit below which the first look is the last: most touching pairs are plainly two neurons."""


def contact_point(datastack: Datastack, partner: Partner, own: int, other: int) -> PointNm:
    """Return the middle of the contact near the partner's points, as in training.

    Where the two do not touch there, it is the point between them.
    """
    cutout = _around(datastack, partner)
    voxel = contact_center(cutout.data, own, other)
    return _between(partner) if voxel is None else _position(cutout, voxel)


def cut_at(
    datastack: Datastack, center_nm: PointNm, own: int, other: int, spec: EMSpec
) -> PairSample:
    """Cut the pictures of a pair around a point.

    Raises
    ------
    VolumeError
        If the datastack has no microscopy.
    """
    imagery = datastack.imagery
    if imagery is None:
        raise VolumeError(
            f"The datastack {datastack.name} has no microscopy.",
            "This model needs it; use another one, or answer without a verdict.",
        )
    return PairSample(cut_slices(imagery, datastack.segmentation, center_nm, spec), own, other)


def look_again(
    judge: Judge,
    datastack: Datastack,
    partners: Sequence[Partner],
    samples: Sequence[PairSample],
    first: Sequence[Opinion],
) -> list[Opinion]:
    """Return opinions from several places of each contact that the first look left open.

    Logits, and distances from the training pictures, are averaged with equal weight.
    """
    more: list[PairSample] = []
    owners: list[int] = []
    for row, (partner, sample, opinion) in enumerate(zip(partners, samples, first, strict=True)):
        if opinion.raw_score > RULED_OUT:
            again = _other_places(datastack, partner, sample)
            more += again
            owners += [row] * len(again)
    looks: list[list[Opinion]] = [[opinion] for opinion in first]
    for row, opinion in zip(owners, judge.judge(more) if more else [], strict=True):
        looks[row].append(opinion)
    calibration = judge.manifest.calibration
    return [_together(opinions, calibration) for opinions in looks]


def _together(opinions: Sequence[Opinion], calibration: Calibration) -> Opinion:
    if len(opinions) == 1:
        return opinions[0]
    score = float(np.mean([opinion.raw_score for opinion in opinions]))
    strange = [o.out_of_distribution for o in opinions if o.out_of_distribution is not None]
    return replace(
        opinions[0],
        probability=float(calibrated(np.array([score]), calibration)[0]),
        raw_score=score,
        out_of_distribution=float(np.mean(strange)) if strange else None,
        latency_ms=sum(opinion.latency_ms for opinion in opinions),
    )


def _other_places(datastack: Datastack, partner: Partner, sample: PairSample) -> list[PairSample]:
    cutout = _around(datastack, partner)
    own, other = sample.segment_a, sample.segment_b
    voxels = contact_spread(cutout.data, own, other, MORE_LOOKS)
    spec = sample.slices.spec
    return [cut_at(datastack, _position(cutout, v), own, other, spec) for v in voxels]


def _around(datastack: Datastack, partner: Partner) -> Cutout:
    reach = partner.distance_nm / 2 + CONTACT_REACH_NM
    return datastack.segmentation.read_roots(BoxNm.around(_between(partner), reach))


def _between(partner: Partner) -> PointNm:
    one, two = partner.own_point_nm, partner.point_nm
    return ((one[0] + two[0]) / 2, (one[1] + two[1]) / 2, (one[2] + two[2]) / 2)


def _position(cutout: Cutout, voxel: tuple[int, ...]) -> PointNm:
    x, y, z = (i + o for i, o in zip(reversed(voxel), cutout.first_voxel, strict=True))
    return cutout.scale.center_of((x, y, z))
