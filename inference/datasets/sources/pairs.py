"""Touching pairs of segments and whether one true body holds both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Segmentation
from connectome.errors import InputError, VolumeError
from connectome.offline.datastack import OfflineDatastack
from connectome.space import BoxNm
from inference.datasets.contacts import Contacts, find_contacts, gaps_filled
from inference.datasets.numbering import renumbered
from inference.datasets.pairs import GAP_VOXELS, Pairs, automatic_pairs, watershed_pairs
from inference.datasets.samples import Origin, Sample, sample_id
from inference.datasets.volumes import TruthVolume, content_hash
from proofreading.verdicts import Task

__all__ = ["PAIR_KINDS", "PairSource", "truth_of"]

_TASK = Task.SPLIT_ERROR_CORRECTION
PAIR_KINDS = ("watershed", "automatic")
_MAKERS: dict[str, Callable[[TruthVolume], Pairs]] = {
    "watershed": watershed_pairs,
    "automatic": automatic_pairs,
}
_STRATEGIES = {"watershed": "touching supervoxels", "automatic": "touching segments"}
_LARGEST = 1_000_000_000


class PairSource:
    """The touching pairs of a truth volume; a `SampleSource`.

    Labelled as `inference.datasets.pairs` does: *yes* when both segments are pure pieces
    of one body. Pairs without a pure body on either side are left out and counted.

    Parameters
    ----------
    volume : TruthVolume
        The volume.
    kinds : sequence of str
        Which segmentations: ``watershed``, ``automatic``, or both.
    names : mapping, optional
        For each kind the id of every label, where the volume's labels are not the ids.

    Raises
    ------
    InputError
        If a kind is unknown.
    """

    tasks = frozenset({_TASK})

    def __init__(
        self,
        volume: TruthVolume,
        kinds: Sequence[str] = PAIR_KINDS,
        names: Mapping[str, NDArray[np.uint64]] | None = None,
    ) -> None:
        if unknown := [kind for kind in kinds if kind not in _MAKERS]:
            raise InputError(
                f"There are no {unknown[0]} pairs.", f"Choose of {', '.join(PAIR_KINDS)}."
            )
        self.volume = volume
        self.kinds = tuple(kinds)
        self.left_out: Counter[str] = Counter()
        self._names = names or {}
        self._named: dict[str, NDArray[np.uint64]] = {}

    @property
    def dataset(self) -> str:
        """Name of the volume."""
        return self.volume.name

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the segmentation (zyx) that a sample is about."""
        kind = sample.notes["segmentation"]
        labels = self.volume.supervoxels if kind == "watershed" else self.volume.segmentation
        if kind not in self._names:
            return labels
        if kind not in self._named:
            self._named[kind] = self._names[kind][labels]
        return self._named[kind]

    def samples(self, task: Task) -> Iterator[Sample]:
        """Yield the labelled pairs, always the same in the same order.

        Raises
        ------
        InputError
            If another task is asked for.
        """
        if task is not _TASK:
            raise InputError(f"Touching pairs do not answer {task.value}.", f"Ask for {_TASK}.")
        self.left_out.clear()
        for kind in self.kinds:
            pairs = _MAKERS[kind](self.volume)
            unlabelled = self._touching(kind) - len(pairs)
            if unlabelled:
                self.left_out[f"{_STRATEGIES[kind]} without one pure body each"] += unlabelled
            for row in range(len(pairs)):
                yield self._sample(kind, pairs, row)

    def _touching(self, kind: str) -> int:
        if kind == "watershed":
            return _count(find_contacts(self.volume.supervoxels))
        return _count(find_contacts(gaps_filled(self.volume.segmentation, GAP_VOXELS)))

    def _sample(self, kind: str, pairs: Pairs, row: int) -> Sample:
        z, y, x = (int(v) for v in pairs.contacts.center[row])
        ox, oy, oz = self.volume.first_voxel
        point = self.volume.scale.center_of((x + ox, y + oy, z + oz))
        a, b = (self._name(kind, int(label)) for label in pairs.contacts.pairs[row])
        strategy = _STRATEGIES[kind]
        return Sample(
            id=sample_id(_TASK, self.dataset, (a, b), point, strategy),
            task=_TASK,
            dataset=self.dataset,
            origin=Origin.TRUTH,
            strategy=strategy,
            label=bool(pairs.same[row]),
            synthetic=False,
            point_nm=point,
            segments=(a, b),
            bodies=tuple(sorted({int(body) for body in pairs.bodies[row]})),
            notes={"segmentation": kind},
        )

    def _name(self, kind: str, label: int) -> int:
        return int(self._names[kind][label]) if kind in self._names else label


def truth_of(
    datastack: OfflineDatastack, *, excluded_bodies: Sequence[int] = (), box: BoxNm | None = None
) -> tuple[TruthVolume, dict[str, NDArray[np.uint64]]]:
    """Read a datastack with truth, as it is now.

    Parameters
    ----------
    datastack : OfflineDatastack
        The datastack.
    excluded_bodies : sequence of int
        Bodies of the truth that are no single neuron.
    box : BoxNm, optional
        Only this part of it.

    Returns
    -------
    volume : TruthVolume
        Its labels count from 1. Grey values are 0 where there is no microscopy.
    names : dict
        For ``watershed`` and ``automatic`` the id of each label; for `PairSource`.

    Raises
    ------
    VolumeError
        If there is no truth, or more than 1e9 voxels would be read.
    """
    truth = datastack.groundtruth
    if truth is None:
        raise VolumeError(
            f"The datastack {datastack.name} has no ground truth.",
            "Ingest it with --groundtruth, or use its edit history.",
        )
    scale = datastack.segmentation.scales[0]
    first, last = scale.clip(box or scale.bounds_nm)
    if np.prod([b - a for a, b in zip(first, last, strict=True)], dtype=float) > _LARGEST:
        raise VolumeError(
            f"The datastack {datastack.name} is too large to be read at once.", "Give a box."
        )
    wanted = box or scale.bounds_nm
    pieces, owns = renumbered(datastack.segmentation.read_supervoxels(wanted).data)
    roots, ids = renumbered(datastack.segmentation.read_roots(wanted).data)
    arrays: dict[str, NDArray[Any]] = {
        "em": _grey(datastack, wanted, pieces.shape),
        "groundtruth": _bodies(truth, wanted),
        "supervoxels": pieces.astype(np.uint32),
        "segmentation": roots.astype(np.uint32),
    }
    volume = TruthVolume(
        name=datastack.name,
        **arrays,
        voxel_nm=scale.voxel_nm,
        excluded_bodies=tuple(excluded_bodies),
        sha256=content_hash(arrays),
        licence="",
        first_voxel=first,
    )
    return volume, {"watershed": owns, "automatic": ids}


def _bodies(truth: Segmentation, box: BoxNm) -> NDArray[np.uint32]:
    bodies = truth.read_roots(box).data
    if bodies.size and int(bodies.max()) > np.iinfo(np.uint32).max:
        raise VolumeError("The truth has body numbers beyond 32 bits.", "Renumber the bodies.")
    return np.asarray(bodies, np.uint32)


def _grey(datastack: OfflineDatastack, box: BoxNm, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    imagery = datastack.imagery
    return np.zeros(shape, np.uint8) if imagery is None else imagery.read(box).data


def _count(contacts: Contacts) -> int:
    return len(contacts.area)
