"""Tips with the neighbours that they might go on in, measured a whole segmentation at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.datasets.samples import Sample
from inference.datasets.sources.synthetic import Variant, skeletons_of
from inference.datasets.sources.tips import TipSource
from inference.datasets.volumes import TruthVolume
from inference.features.site_spec import SiteSpec
from inference.features.tip_partners import PartnerRows, Tip, partner_names, partner_rows
from inference.training.site_table import SiteRows
from proofreading.detection.settings import DetectionSettings
from proofreading.detection.topology import tips
from proofreading.verdicts import Task

__all__ = ["tip_rows"]

_TASK = Task.SPLIT_ERROR_IDENTIFICATION
_Key = tuple[str, int, tuple[int, int, int]]


def tip_rows(
    volume: TruthVolume, source: TipSource, cache: Path | None, tell: Callable[[str], None]
) -> SiteRows:
    """Return every tip of a source's segmentations with its neighbours.

    Tips without an answer (at the volume's faces, for one) lend their rows to training:
    whether a neighbour is the same body is known there too.
    """
    spec = SiteSpec(_TASK)
    answers = {_key(volume, sample): sample for sample in source.samples(_TASK)}
    tables: list[PartnerRows] = []
    places: list[tuple[_Key, int]] = []
    same: list[NDArray[np.int64]] = []
    for variant in source.variants.values():
        found = _tips(volume, source, variant, cache)
        tell(f"measuring the neighbours of {len(found)} tips of {variant.name}")
        rows = _measured(volume, variant, found, spec, cache)
        bodies = _bodies(variant)
        own = bodies[np.array([found[k].label for k in rows.tip], np.int64)]
        same.append(np.stack([own, bodies[rows.partner]], axis=1))
        tables.append(PartnerRows(rows.values, rows.tip + len(places), rows.partner))
        places += [((variant.name, tip.label, tip.voxel), int(bodies[tip.label])) for tip in found]
    pairs = np.concatenate(same)
    values = np.concatenate([table.values for table in tables])
    return SiteRows(
        task=_TASK,
        names=partner_names(spec.pairs),
        values=np.where(np.isfinite(values), values, np.nan).astype(np.float32),
        site=np.concatenate([table.tip for table in tables]),
        yes=pairs[:, 0] == pairs[:, 1],
        known=np.asarray((pairs > 0).all(axis=1)),
        section=np.array([key[2][0] for key, _ in places], np.int64),
        body=np.array([body for _, body in places], np.int64),
        samples=tuple(answers.get(key) for key, _ in places),
    )


def _key(volume: TruthVolume, sample: Sample) -> _Key:
    x, y, z = volume.scale.voxel_at(sample.point_nm)
    return sample.notes["segmentation"], sample.segments[0], (z, y, x)


def _bodies(variant: Variant) -> NDArray[np.int64]:
    """Return the body of each label, 0 where it has no single one."""
    bodies = np.zeros(int(variant.labels.max()) + 1, np.int64)
    bodies[variant.pairs.contacts.pairs.ravel()] = variant.pairs.bodies.ravel()
    return bodies


def _tips(
    volume: TruthVolume, source: TipSource, variant: Variant, cache: Path | None
) -> list[Tip]:
    settings = DetectionSettings()
    found = []
    for skeleton in skeletons_of(volume, variant.labels, cache):
        for tip in tips(skeleton, settings.tangent_nm, settings.same_tip_nm):
            x, y, z = volume.scale.voxel_at(tip.point_nm)
            room = source.room(tip.point_nm)
            found.append(Tip(skeleton.root, (z, y, x), tip.radius_nm, room))
    return found


def _measured(
    volume: TruthVolume, variant: Variant, found: list[Tip], spec: SiteSpec, cache: Path | None
) -> PartnerRows:
    labels: NDArray[Any] = variant.labels
    if cache is None:
        return partner_rows(volume.em, labels, found, volume.voxel_nm, spec.pairs)
    code = spec.hash([*partner_names(spec.pairs), volume.sha256, repr(found)])
    path = cache / f"tips-{variant.name.replace(' ', '-')}-{code}.npz"
    if not path.exists():
        rows = partner_rows(volume.em, labels, found, volume.voxel_nm, spec.pairs)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(path, values=rows.values, tip=rows.tip, partner=rows.partner)
    with path.open("rb") as file, np.load(file) as stored:
        return PartnerRows(stored["values"], stored["tip"], stored["partner"])
