"""A datastack: imagery, segmentation, meshes, skeletons and a graph behind one address.

Three kinds open through `connectome.opening.open_datastack`: an offline datastack's
folder, ``cave:NAME@SERVER`` and ``precomputed:URL``. Everything below is a Protocol;
`tests/contract` holds the suite that every implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from connectome.annotations import Annotations
from connectome.graph import Graph, Ids, Permission
from connectome.space import BoxNm, Cutout, PointNm, Scale

__all__ = [
    "Datastack",
    "Imagery",
    "Mesh",
    "Meshes",
    "Segmentation",
    "Skeleton",
    "Skeletons",
    "ViewerSources",
    "present_roots",
]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh: vertices (n, 3) float32 xyz in nm, faces (m, 3) uint32."""

    vertices_nm: NDArray[np.float32]
    faces: NDArray[np.uint32]


@dataclass(frozen=True)
class Skeleton:
    """A skeleton: vertices (n, 3) float32 xyz in nm, edges (m, 2) uint32, radii (n,) in nm."""

    root: int
    vertices_nm: NDArray[np.float32]
    edges: NDArray[np.uint32]
    radii_nm: NDArray[np.float32]


@dataclass(frozen=True)
class ViewerSources:
    """Where Neuroglancer reads the layers of this datastack (complete source URLs).

    `token_origins` are the origins that may be given the person's CAVE token, which
    `token_for` returns; it never stands in a URL.
    """

    imagery: str
    segmentation: str
    voxel_nm: tuple[float, float, float]
    token_origins: tuple[str, ...] = ()
    token_for: Callable[[str], str] | None = None


class Imagery(Protocol):
    """Electron (or expansion) microscopy, finest scale first."""

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        ...

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint8 voxels of the box cut at the volume's faces.

        Raises
        ------
        OutsideVolumeError
            If the box holds no voxel.
        """
        ...


class Segmentation(Protocol):
    """Supervoxels and the roots they belong to now, finest scale first."""

    @property
    def scales(self) -> tuple[Scale, ...]:
        """The resolution levels, finest first."""
        ...

    def read_supervoxels(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint64 supervoxel ids of the box cut at the volume's faces."""
        ...

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        """Return uint64 current root ids of the box cut at the volume's faces."""
        ...

    def roots(self) -> Ids:
        """Return every current root; raises `ServiceError` where they cannot be listed."""
        ...


class Meshes(Protocol):
    """Surfaces of roots."""

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        """Return the surface of a root, at least the part inside the box if one is given.

        Raises
        ------
        NotFoundError
            If the root has no mesh.
        """
        ...


class Skeletons(Protocol):
    """Skeletons of roots."""

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        """Yield the skeletons of these roots (of all, largest first, if None) as they are made.

        Roots too small for a skeleton yield nothing.
        """
        ...


@runtime_checkable
class Datastack(Protocol):
    """Everything known about one dataset, behind one address."""

    @property
    def name(self) -> str:
        """Short name, such as ``offline_fib25``."""
        ...

    @property
    def address(self) -> str:
        """What opens it again: folder, ``cave:NAME@SERVER`` or ``precomputed:URL``."""
        ...

    @property
    def imagery(self) -> Imagery | None:
        """The microscopy, or None where there is none."""
        ...

    @property
    def segmentation(self) -> Segmentation:
        """The supervoxels and roots."""
        ...

    @property
    def meshes(self) -> Meshes:
        """The surfaces."""
        ...

    @property
    def skeletons(self) -> Skeletons:
        """The skeletons."""
        ...

    @property
    def graph(self) -> Graph | None:
        """The chunked graph, or None for a flat segmentation that takes no edits."""
        ...

    @property
    def annotations(self) -> Annotations | None:
        """The annotation tables, or None for a flat segmentation."""
        ...

    def may_edit(self) -> Permission:
        """Tell whether the person may send edits, and if not, what is missing.

        Raises
        ------
        ServiceError
            If the server cannot be asked.
        """
        ...

    def viewer_sources(self) -> ViewerSources:
        """Return the layer URLs for Neuroglancer (starts the offline service if needed)."""
        ...

    def supervoxel_at(self, point: PointNm) -> int:
        """Return the supervoxel under the point, 0 for background.

        Raises
        ------
        OutsideVolumeError
            If the point lies outside the volume.
        """
        ...

    def close(self) -> None:
        """Give back files, connections and a service that this object started."""
        ...


def present_roots(datastack: Datastack, supervoxels: Iterable[int]) -> list[int]:
    """Return the root that holds each supervoxel now.

    In a flat segmentation every supervoxel is its own root.

    Raises
    ------
    ServiceError
        If the graph cannot be read.
    """
    wanted = [int(supervoxel) for supervoxel in supervoxels]
    graph = datastack.graph
    if graph is None:
        return wanted
    return [int(root) for root in graph.roots(np.array(wanted, np.uint64))]
