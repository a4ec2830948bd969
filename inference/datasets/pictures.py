"""Pictures of samples, cut to look for leaks."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inference.datasets.samples import Sample, SampleSource
from inference.datasets.volumes import TruthVolume
from inference.pictures import pack_pair
from rendering.em import slice_cutouts
from rendering.spec import EMSpec

__all__ = ["PicturedSource", "cut_picture", "picture_hash"]


@runtime_checkable
class PicturedSource(SampleSource, Protocol):
    """A source whose samples lie in a volume of arrays."""

    volume: TruthVolume

    def labels(self, sample: Sample) -> NDArray[Any]:
        """Return the segmentation (zyx) that a sample is about."""
        ...


def cut_picture(source: PicturedSource, sample: Sample, spec: EMSpec) -> NDArray[np.uint8]:
    """Return a sample's picture as `inference.pictures.pack_pair` makes it.

    A sample about one segment shows that segment as A and nothing as B.
    """
    volume = source.volume
    slices = slice_cutouts(
        volume.imagery(), volume.labelled(source.labels(sample)), sample.point_nm, spec
    )
    segments = (*sample.segments, 0)
    packed = pack_pair(slices, segments[0], segments[1] or segments[0])
    return packed if segments[1] else _only_a(packed)


def picture_hash(picture: NDArray[np.uint8]) -> str:
    """Return 16 hexadecimal digits over shape and contents."""
    content = np.ascontiguousarray(picture)
    digest = hashlib.blake2b(repr(content.shape).encode(), digest_size=8)
    digest.update(content.tobytes())
    return digest.hexdigest()


def _only_a(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    packed[:, 1] = packed[:, 1] > 0
    return packed
