"""The flat kind of datastack: no chunked graph, no edits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from connectome.datastack import Imagery, Segmentation, Skeletons, ViewerSources
from connectome.graph import Permission
from connectome.precomputed.layers import (
    PrecomputedImagery,
    PrecomputedSegmentation,
    supervoxel_at,
)
from connectome.precomputed.meshes import PrecomputedMeshes
from connectome.precomputed.volume import PrecomputedVolume, local_path, normal_url
from connectome.space import PointNm

if TYPE_CHECKING:
    from connectome.offline.service import RunningFiles

__all__ = ["PrecomputedDatastack"]


class PrecomputedDatastack:
    """A flat segmentation, with or without images, that takes no edits.

    Parameters
    ----------
    url : str
        The segmentation: an address, or a local folder.
    imagery_url : str, optional
        The images.
    """

    graph = None
    annotations = None

    def __init__(self, url: str, imagery_url: str | None = None) -> None:
        self._url = normal_url(url)
        self._imagery_url = None if imagery_url is None else normal_url(imagery_url)
        self._volume = PrecomputedVolume(self._url)
        self._segmentation = PrecomputedSegmentation(self._volume)
        self._imagery = (
            None
            if self._imagery_url is None
            else PrecomputedImagery(PrecomputedVolume(self._imagery_url))
        )
        self._served: dict[str, RunningFiles] = {}

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self._url.rsplit("/", 1)[-1]

    @property
    def address(self) -> str:
        """``precomputed:URL``, with ``,em=URL`` where there are images."""
        images = "" if self._imagery_url is None else f",em={self._imagery_url}"
        return f"precomputed:{self._url}{images}"

    @property
    def imagery(self) -> Imagery | None:
        """The microscopy, or None where there is none."""
        return self._imagery

    @property
    def segmentation(self) -> Segmentation:
        """The segments, which are supervoxels and roots at once."""
        return self._segmentation

    @cached_property
    def meshes(self) -> PrecomputedMeshes:
        """The surfaces."""
        return PrecomputedMeshes(self._volume)

    @cached_property
    def skeletons(self) -> Skeletons:
        """Skeletons, made from the voxels."""
        from connectome.skeletonize import KimimaroSkeletons

        return KimimaroSkeletons(self._segmentation)

    def may_edit(self) -> Permission:
        """Say that nobody may."""
        return Permission(
            False,
            f"The datastack {self.name} is a flat segmentation and takes no edits.",
            "Save the decisions as tables instead.",
        )

    def viewer_sources(self) -> ViewerSources:
        """Return the layer addresses; local folders are served over loopback."""
        images = "" if self._imagery_url is None else self._viewer_url(self._imagery_url)
        return ViewerSources(images, self._viewer_url(self._url), self._volume.scales[0].voxel_nm)

    def _viewer_url(self, url: str) -> str:
        if not url.startswith("file://"):
            return f"precomputed://{url}"
        from connectome.offline.service import serve_files

        if url not in self._served:
            self._served[url] = serve_files(local_path(url))
        return f"precomputed://{self._served[url].viewer_prefix}/precomputed"

    def supervoxel_at(self, point: PointNm) -> int:
        """Return the segment under the point, 0 for background."""
        return supervoxel_at(self._segmentation, point)

    def close(self) -> None:
        """Stop serving local folders."""
        while self._served:
            self._served.popitem()[1].stop()
