"""What would make a test dishonest: each check names the samples that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from inference.datasets.samples import Part, Sample

__all__ = ["Leak", "Placed", "bodies_in_two_parts", "fields_that_overlap", "same_pictures"]

Placed = Sequence[tuple[Sample, Part]]
_USED = (Part.TRAIN, Part.VALIDATION, Part.TEST)
_SHOWN = 10
_HAIR_NM = 1e-6


@dataclass(frozen=True)
class Leak:
    """Something that lets a model answer without having understood.

    Parameters
    ----------
    kind : str
        ``body``, ``field of view``, ``picture`` or ``tell``.
    detail : str
        One sentence for a person.
    samples : tuple of str
        Ids of samples it is seen at, ten at most.
    """

    kind: str
    detail: str
    samples: tuple[str, ...] = ()


def bodies_in_two_parts(rows: Placed) -> list[Leak]:
    """Return a leak if a true body has samples in two parts."""
    seen: dict[tuple[str, int], dict[Part, str]] = {}
    for sample, part in _used(rows):
        for body in sample.bodies:
            if body:
                seen.setdefault((sample.dataset, body), {}).setdefault(part, sample.id)
    spanning = {body: where for (_, body), where in sorted(seen.items()) if len(where) > 1}
    if not spanning:
        return []
    first = next(iter(spanning))
    detail = f"{len(spanning)} bodies stand in two parts, such as {first}."
    return [Leak("body", detail, _shown(i for where in spanning.values() for i in where.values()))]


def fields_that_overlap(rows: Placed, field_of_view_nm: float) -> list[Leak]:
    """Return a leak if the fields of view of two samples of different parts meet.

    Parameters
    ----------
    field_of_view_nm : float
        Width of the cube around a sample's point that its pictures may show.
    """
    found: list[str] = []
    pairs = 0
    for dataset in sorted({sample.dataset for sample, _ in rows}):
        for one, other in (
            (Part.TRAIN, Part.VALIDATION),
            (Part.TRAIN, Part.TEST),
            (Part.VALIDATION, Part.TEST),
        ):
            left, right = (_of(rows, dataset, part) for part in (one, other))
            if left and right:
                near = _nearer(left, right, field_of_view_nm)
                pairs += len(near)
                found += near
    if not pairs:
        return []
    detail = f"{pairs} samples are seen within {field_of_view_nm:g} nm of one of another part."
    return [Leak("field of view", detail, _shown(found))]


def same_pictures(rows: Placed, pictures: Mapping[str, str]) -> list[Leak]:
    """Return a leak if one picture stands in two parts.

    Parameters
    ----------
    pictures : mapping
        Sample id to the hash of its picture, for the samples that have one.
    """
    seen: dict[str, dict[Part, str]] = {}
    for sample, part in _used(rows):
        if name := pictures.get(sample.id, ""):
            seen.setdefault(name, {}).setdefault(part, sample.id)
    twice = [where for where in seen.values() if len(where) > 1]
    if not twice:
        return []
    detail = f"{len(twice)} pictures stand in two parts."
    return [Leak("picture", detail, _shown(i for where in twice for i in where.values()))]


def _used(rows: Placed) -> Iterable[tuple[Sample, Part]]:
    return ((sample, part) for sample, part in rows if part in _USED)


def _of(rows: Placed, dataset: str, wanted: Part) -> list[Sample]:
    return [sample for sample, part in rows if part is wanted and sample.dataset == dataset]


def _nearer(one: list[Sample], other: list[Sample], reach_nm: float) -> list[str]:
    """Return the samples of the first list that are too near to one of the second."""
    tree = cKDTree(np.array([sample.point_nm for sample in other]))
    apart, _ = tree.query(np.array([sample.point_nm for sample in one]), p=np.inf)
    near = np.flatnonzero(np.asarray(apart) < reach_nm - _HAIR_NM)
    return [one[row].id for row in near.tolist()]


def _shown(ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(ids))[:_SHOWN])
