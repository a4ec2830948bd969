"""A datastack held in arrays, so that a test can state its whole world in numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.annotations import Annotations
from connectome.datastack import Imagery, Mesh, Segmentation, Skeleton, Skeletons, ViewerSources
from connectome.errors import NotFoundError
from connectome.graph import Graph, Ids, Permission
from connectome.space import BoxNm, Cutout, PointNm, Scale

__all__ = ["ArrayDatastack", "ArrayImagery", "ArrayMeshes", "ArraySegmentation"]


def _cut(data: NDArray[Any], scale: Scale, box: BoxNm) -> Cutout:
    (x0, y0, z0), (x1, y1, z1) = scale.clip(box)
    ox, oy, oz = scale.offset
    part = data[z0 - oz : z1 - oz, y0 - oy : y1 - oy, x0 - ox : x1 - ox]
    return Cutout(np.ascontiguousarray(part), (x0, y0, z0), scale)


def _grid(
    data: NDArray[Any], voxel_nm: tuple[float, float, float], offset: tuple[int, int, int]
) -> Scale:
    nz, ny, nx = data.shape
    return Scale(voxel_nm, (nx, ny, nz), offset)


@dataclass
class ArrayImagery:
    """Imagery of one zyx uint8 array."""

    data: NDArray[np.uint8]
    scale: Scale

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (self.scale,)

    def read(self, box: BoxNm, scale: int = 0) -> Cutout:
        return _cut(self.data, self.scales[scale], box)


@dataclass
class ArraySegmentation:
    """Segmentation of two zyx arrays of one shape."""

    supervoxels: NDArray[np.uint64]
    root_ids: NDArray[np.uint64]
    scale: Scale

    @property
    def scales(self) -> tuple[Scale, ...]:
        return (self.scale,)

    def read_supervoxels(self, box: BoxNm, scale: int = 0) -> Cutout:
        return _cut(self.supervoxels, self.scales[scale], box)

    def read_roots(self, box: BoxNm, scale: int = 0) -> Cutout:
        return _cut(self.root_ids, self.scales[scale], box)

    def roots(self) -> Ids:
        return np.unique(self.root_ids[self.root_ids != 0])


@dataclass
class ArrayMeshes:
    """Surfaces by marching cubes over the whole array."""

    segmentation: ArraySegmentation

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        from zmesh import Mesher

        scale = self.segmentation.scale
        mask = np.pad(self.segmentation.root_ids == np.uint64(root), 1)
        if not mask.any():
            raise NotFoundError(f"The segment {root} has no mesh.", "Choose a current segment.")
        mesher = Mesher(scale.voxel_nm)
        mesher.mesh(np.ascontiguousarray(mask.T).astype(np.uint8))
        found = mesher.get(1, normals=False)
        # zmesh puts voxel centres on whole numbers; the array was padded by one voxel.
        shift = (np.asarray(scale.offset) - 0.5) * np.asarray(scale.voxel_nm)
        return Mesh((found.vertices + shift).astype(np.float32), found.faces.astype(np.uint32))


@dataclass
class LazySkeletons:
    """Kimimaro's skeletons, imported when first asked for."""

    segmentation: Segmentation

    def skeletons(self, roots: Iterable[int] | None = None) -> Iterator[Skeleton]:
        from connectome.skeletonize import KimimaroSkeletons

        return KimimaroSkeletons(self.segmentation).skeletons(roots)


class ArrayDatastack:
    """A datastack of arrays.

    Parameters
    ----------
    em : ndarray or None, shape (z, y, x), uint8
    supervoxels : ndarray or None, shape (z, y, x)
        The roots if None.
    roots : ndarray, shape (z, y, x)
    voxel_nm : tuple of float
        Edge lengths (x, y, z) of a voxel.
    offset : tuple of int
        Index (x, y, z) of the first voxel.
    """

    def __init__(
        self,
        em: NDArray[np.uint8] | None,
        supervoxels: NDArray[Any] | None,
        roots: NDArray[Any],
        voxel_nm: tuple[float, float, float],
        *,
        name: str = "offline_arrays",
        offset: tuple[int, int, int] = (0, 0, 0),
        skeletons: Skeletons | None = None,
    ) -> None:
        grid = _grid(roots, voxel_nm, offset)
        own = roots if supervoxels is None else supervoxels
        self.name = name
        self.address = f"array:{name}"
        self.graph: Graph | None = None
        self.annotations: Annotations | None = None
        self.imagery: Imagery | None = None if em is None else ArrayImagery(em, grid)
        self.arrays = ArraySegmentation(own.astype(np.uint64), roots.astype(np.uint64), grid)
        self.segmentation: Segmentation = self.arrays
        self.meshes = ArrayMeshes(self.arrays)
        self.skeletons: Skeletons = skeletons or LazySkeletons(self.arrays)

    def may_edit(self) -> Permission:
        return Permission(self.graph is not None)

    def viewer_sources(self) -> ViewerSources:
        raise NotFoundError("Arrays have no address for a viewer.", "Ingest them first.")

    def supervoxel_at(self, point: PointNm) -> int:
        x, y, z = self.arrays.scale.voxel_at(point)
        ox, oy, oz = self.arrays.scale.offset
        return int(self.arrays.supervoxels[z - oz, y - oy, x - ox])

    def close(self) -> None:
        """Nothing to give back."""
