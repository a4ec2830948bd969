"""Pictures of labelled questions of a datastack, made for a data set that others can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import InputError, NotFoundError
from inference.datasets.formats.base import Row
from inference.datasets.formats.pictures import (
    OURS,
    PictureFrame,
    SamplePictures,
    em_png,
    pack_geometry,
)
from inference.datasets.samples import Sample
from proofreading.verdicts import Task
from rendering.geometry import CHANNELS, GeometrySpec, GeometryTensor
from rendering.pictures import PictureMaker
from rendering.presets import Framing, Jitter, Preset, preset_for
from rendering.slices import Slices
from rendering.spec import BEST, EMSpec

__all__ = ["ExportPictures", "as_published"]

_ONE_BODY = frozenset({Task.MERGE_ERROR_IDENTIFICATION, Task.SPLIT_ACTION_EVALUATION})


class ExportPictures:
    """Makes the pictures of questions about the segments of a datastack.

    Parameters
    ----------
    datastack : Datastack
        Where voxels and meshes come from.
    preset : Preset or None
        How far pictures reach; that of the datastack's kind if None.
    size_px : int
        Width and height; the published sets have 224.
    seed : int or None
        What chance starts from that moves and widens each question's views, as in the
        published sets; None for none of it. What came out stands with the pictures.
    """

    def __init__(
        self,
        datastack: Datastack,
        *,
        preset: Preset | None = None,
        size_px: int = 224,
        seed: int | None = None,
    ) -> None:
        self._preset = preset or preset_for(datastack)
        self._size_px = size_px
        self._jitter = None if seed is None else Jitter(seed, self._preset.jitter_nm)
        self._name = datastack.name
        self._has_em = datastack.imagery is not None
        planes = ("xy", "xz", "yz", BEST)
        em = EMSpec(self._preset.em_half_extent_nm, size_px, planes)
        self._maker = PictureMaker(datastack, em=em)

    def of(self, sample: Sample) -> SamplePictures:
        """Return the pictures of a question.

        Raises
        ------
        InputError, NotFoundError
            If it is of another dataset, its segments were replaced, or a mesh cannot be had.
        ServiceError
            If a server did not answer.
        MachineError
            If this machine cannot draw.
        """
        pair = self._pair(sample)
        framing = self._framing(sample)
        spec = GeometrySpec(framing.half_extent_nm, self._size_px)
        second = pair[1] if len(pair) > 1 else None
        tensor = self._maker.geometry(framing.center_nm, pair[0], second, spec)
        frame = PictureFrame(framing.center_nm, framing.half_extent_nm, depth=_DEPTH)
        packed = pack_geometry(as_published(tensor))
        if not self._has_em:
            return SamplePictures(packed, frame=frame)
        slices = self._maker.judge_slices(sample.point_nm, pair)
        frame = replace(
            frame,
            em_center_nm=slices.center_nm,
            em_half_extent_nm=slices.spec.half_extent_nm,
            em_orientation=OURS,
        )
        return SamplePictures(packed, _slice_files(slices, pair), frame=frame)

    def rows(self, rows: Iterable[Row], left_out: Counter[str]) -> Iterator[Row]:
        """Yield questions with their pictures; those that have none are counted.

        Raises
        ------
        ServiceError
            If a server did not answer.
        MachineError
            If this machine cannot draw.
        """
        for row in rows:
            try:
                pictures = self.of(row.sample)
            except (InputError, NotFoundError) as error:
                left_out[_reason(error)] += 1
                continue
            yield replace(row, pictures=pictures)

    def _pair(self, sample: Sample) -> tuple[int, ...]:
        if sample.dataset != self._name:
            raise _OtherDatasetError(
                f"The question {sample.id} is of {sample.dataset}, not of {self._name}."
            )
        wanted = 1 if sample.task in _ONE_BODY else 2
        if not 0 < len(sample.segments) <= wanted:
            # Drawn as two, the seam between them would give the answer away.
            raise _TwoBodiesError(
                f"The question {sample.id} is about one body, but {len(sample.segments)} are named."
            )
        return sample.segments

    def _framing(self, sample: Sample) -> Framing:
        if self._jitter is None:
            return Framing(sample.point_nm, self._preset.mesh_half_extent_nm)
        return self._jitter.frame(sample.point_nm, self._preset.mesh_half_extents_nm, sample.id)


class _OtherDatasetError(InputError):
    """A question about another dataset."""


class _TwoBodiesError(InputError):
    """A question about a merged body that the datastack does not have."""


_DEPTH = "0 at 1.2 half extents before the center plane, 1 at 1.2 behind it"


def as_published(tensor: GeometryTensor) -> NDArray[np.float16]:
    """Return a tensor with depth as the published sets have it: 0 to 1, small is near.

    Unlike theirs it is on one scale for both segments and for all questions, so that which
    of two stands in front can be told. 0 where there is no surface.
    """
    data = tensor.data.astype(np.float32)
    seen, depth = (CHANNELS.index(name) for name in ("silhouette", "depth"))
    reach = tensor.spec.crop_factor
    data[:, depth] = np.clip((reach - data[:, depth]) / (2 * reach), 0, 1) * data[:, seen]
    return data.astype(np.float16)


def _slice_files(slices: Slices, pair: tuple[int, ...]) -> dict[str, bytes]:
    a = slices.mask(pair[0])
    b = slices.mask(pair[1]) if len(pair) > 1 else np.zeros_like(a)
    return {
        plane: em_png(slices.em[number], a[number], b[number])
        for number, plane in enumerate(slices.spec.planes)
    }


_REASONS = (
    (_OtherDatasetError, "questions of another dataset"),
    (_TwoBodiesError, "questions about a merged body that the datastack does not have"),
)


def _reason(error: InputError | NotFoundError) -> str:
    found = (reason for kind, reason in _REASONS if isinstance(error, kind))
    return next(found, "questions without pictures: a segment was replaced or has no mesh there")
