"""A sample of a scan's work, done and measured here: blocks, skeletons, verdicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from app.services.panel import Panel, can_be_asked
from connectome.contact_blocks import Block, blocks, find_touching
from connectome.datastack import Datastack, Imagery, Segmentation
from connectome.graph import Ids
from connectome.space import BoxNm, Cutout, Scale
from proofreading.detection.bottlenecks import bottlenecks, cut_site
from proofreading.detection.contacts import block_sites, large_enough, working_level
from proofreading.detection.detector import Detector
from proofreading.detection.settings import DetectionSettings
from proofreading.sites import Site

if TYPE_CHECKING:
    from inference.judges.base import SiteJudge

__all__ = ["JudgeSample", "PartSample", "Sampler"]

MARGIN = 0.5
"""How far around a block is looked, as a share of its edge: contacts end somewhere else."""


@dataclass(frozen=True)
class PartSample:
    """A block or a root: its sites, the CPU seconds they took, and the bytes that were read."""

    sites: tuple[Site, ...]
    seconds: float
    bytes_read: float


@dataclass(frozen=True)
class JudgeSample:
    """One model, asked about some sites.

    `share` is the share of all sites of which it can be asked; seconds and bytes are those
    of each site in turn.
    """

    model: str
    share: float
    seconds: tuple[float, ...]
    bytes_read: float
    gpu: bool


class _CountedSegmentation:
    """Counts the bytes of the voxels that are read through it."""

    def __init__(self, inner: Segmentation, count: Callable[[Cutout], Cutout]) -> None:
        self._inner, self._count = inner, count

    @property
    def scales(self) -> tuple[Scale, ...]:
        return self._inner.scales

    def read_supervoxels(self, box: BoxNm, scale: int = 0) -> Cutout:
        return self._count(self._inner.read_supervoxels(box, scale))

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        return self._count(self._inner.read_roots(box, scale))

    def roots(self) -> Ids:
        return self._inner.roots()


class _CountedImagery:
    def __init__(self, inner: Imagery, count: Callable[[Cutout], Cutout]) -> None:
        self._inner, self._count = inner, count

    @property
    def scales(self) -> tuple[Scale, ...]:
        return self._inner.scales

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        return self._count(self._inner.read(box, scale))


class _Counting:
    """A datastack that counts the bytes of voxels, uncompressed, whoever reads them."""

    def __init__(self, inner: Datastack) -> None:
        self._inner = inner
        self.bytes_read = 0
        self.segmentation = _CountedSegmentation(inner.segmentation, self._note)
        images = inner.imagery
        self.imagery = None if images is None else _CountedImagery(images, self._note)

    def _note(self, cutout: Cutout) -> Cutout:
        self.bytes_read += cutout.data.nbytes
        return cutout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Sampler:
    """Does parts of a scan's work and measures them.

    Parameters
    ----------
    datastack : Datastack
        What would be scanned.
    settings : DetectionSettings
        What would be looked for.
    """

    def __init__(self, datastack: Datastack, settings: DetectionSettings) -> None:
        self._counting = _Counting(datastack)
        self._datastack = cast("Datastack", self._counting)
        self._settings = settings
        self._level = working_level(datastack.segmentation, settings)
        self._scale = datastack.segmentation.scales[self._level]
        self.blocks = blocks(self._scale, settings.block_voxels)

    def block(self, block: Block) -> PartSample:
        """Find the contacts and weak cuts of a block, looking a little beyond it.

        Seconds and bytes are those of its own share of what was read.
        """
        edge = max(e - f for f, e in zip(block.first, block.last, strict=True))
        halo = max(1, round(MARGIN * edge))
        wide = block.box(self._scale, (halo, halo, halo))
        first, last = self._scale.clip(wide)
        own = np.prod(np.subtract(block.last, block.first)) / np.prod(np.subtract(last, first))
        began, before = time.process_time(), self._counting.bytes_read
        sites = (*self._contacts(block, wide), *self._cuts(block, wide))
        seconds = (time.process_time() - began) * float(own)
        return PartSample(sites, seconds, (self._counting.bytes_read - before) * float(own))

    def roots(self, roots: Sequence[int]) -> dict[int, PartSample]:
        """Look along the skeletons of some roots; each gets its share of the seconds."""
        began, before = time.process_time(), self._counting.bytes_read
        found: dict[int, list[Site]] = {root: [] for root in roots}
        for site in Detector(self._settings).along_skeletons(self._datastack, roots):
            found[site.root].append(site)
        share = 1 / max(1, len(roots))
        seconds = (time.process_time() - began) * share
        bytes_read = (self._counting.bytes_read - before) * share
        return {
            root: PartSample(tuple(sites), seconds, bytes_read) for root, sites in found.items()
        }

    def judged(
        self, judges: Mapping[str, SiteJudge], sites: Sequence[Site], most: int, seed: int
    ) -> list[JudgeSample]:
        """Ask every model about at most so many of the sites, one by one."""
        rng = np.random.default_rng(seed)
        found = []
        for judge in judges.values():
            asked = [site for site in sites if can_be_asked(judge.manifest.task, site)]
            chosen = [asked[place] for place in rng.permutation(len(asked))[:most]]
            if chosen:
                found.append(self._judged(judge, chosen, len(asked) / len(sites)))
        return found

    def _judged(self, judge: SiteJudge, chosen: Sequence[Site], share: float) -> JudgeSample:
        panel = Panel([judge])
        # The first one pays for loading what all of them use.
        panel.judge(self._datastack, chosen[:1])
        seconds, before = [], self._counting.bytes_read
        for site in chosen:
            began = time.perf_counter()
            panel.judge(self._datastack, [site])
            seconds.append(time.perf_counter() - began)
        read = (self._counting.bytes_read - before) / len(chosen)
        gpu = judge.provider.upper().startswith("CUDA")
        return JudgeSample(judge.manifest.id, share, tuple(seconds), read, gpu)

    def _contacts(self, block: Block, wide: BoxNm) -> list[Site]:
        segmentation, settings = self._datastack.segmentation, self._settings
        pairs = find_touching(
            lambda box: segmentation.read_roots(box, self._level),
            self._scale,
            gap_nm=settings.gap_nm,
            box=wide,
            block_voxels=settings.block_voxels,
        )
        pairs = large_enough(pairs, settings)
        core = block.box(self._scale)
        inside = [core.contains((x, y, z)) for x, y, z in pairs.middle_nm.tolist()]
        return block_sites(
            self._datastack, pairs.take(np.array(inside, np.bool_)), block, self._level
        )

    def _cuts(self, block: Block, wide: BoxNm) -> list[Site]:
        core = block.box(self._scale)
        found = bottlenecks(self._datastack, self._settings, box=wide)
        cuts = (
            cut_site(self._datastack, cut, self._settings)
            for cut in found
            if core.contains(cut.point_nm)
        )
        return [site for site in cuts if site is not None]
