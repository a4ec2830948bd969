"""All pictures of a site, for the person and for the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack, Imagery
from connectome.errors import ServiceError
from connectome.space import PointNm
from rendering.annotations import decorate
from rendering.backend import GeometryBackend, ViewBackend
from rendering.blocks import BlockImagery
from rendering.cache import ByteCache
from rendering.camera import CameraSpec
from rendering.captions import absent_note, gap_reason, slice_caption, view_caption
from rendering.em import Slices, cut_slices
from rendering.geometry import GeometrySpec, GeometryTensor
from rendering.mesh_cache import MeshCache
from rendering.meshes import MeshFetcher, StaleRootError
from rendering.overlay import paint_slice
from rendering.picture import Picture, PictureState
from rendering.presets import PERSON_EM, PERSON_RENDER
from rendering.record import PictureRecord
from rendering.spec import EMSpec, RenderSpec
from rendering.surfaces import BrokenMeshError, Surface
from rendering.trouble import NoImageryError, Trouble, attempt

__all__ = ["PictureMaker", "SitePictures"]

_Pair = list[tuple[str, int]]
"""The letters and roots of one segment or two."""


@dataclass(frozen=True)
class SitePictures:
    """What a person sees of a site.

    Parameters
    ----------
    views, slices : dict of str to Picture
        ``front``, ``side``, ``top`` and ``xy``, ``xz``, ``yz``, and whatever else the
        specs name.
    """

    views: dict[str, Picture]
    slices: dict[str, Picture]

    @property
    def all(self) -> dict[str, Picture]:
        """Every picture by its name, views first."""
        return {**self.views, **self.slices}

    @property
    def complete(self) -> bool:
        """Whether every picture is there and nothing is missing in it."""
        return all(picture.ready for picture in self.all.values())


class PictureMaker:
    """Makes the pictures of sites; safe to share between threads.

    Parameters
    ----------
    datastack : Datastack
        Where voxels and meshes come from.
    render : RenderSpec
        The views.
    em, person_em : EMSpec
        Slices for the judge and, wider, for the person.
    backend : ViewBackend or None
        What draws views; octarine if None.
    geometry_backend : GeometryBackend or None
        What draws tensors; the fastest of this machine if None.
    mesh_cache_bytes, voxel_cache_bytes : int
        How much is kept in memory.
    """

    def __init__(
        self,
        datastack: Datastack,
        *,
        render: RenderSpec = PERSON_RENDER,
        em: EMSpec | None = None,
        person_em: EMSpec = PERSON_EM,
        backend: ViewBackend | None = None,
        geometry_backend: GeometryBackend | None = None,
        mesh_cache_bytes: int = 256 << 20,
        voxel_cache_bytes: int = 128 << 20,
    ) -> None:
        self.datastack = datastack
        self.render = render
        self.em = em or EMSpec()
        self.person_em = person_em
        self._backend = backend
        self._geometry_backend = geometry_backend
        self._meshes = MeshFetcher(
            datastack, MeshCache.of(datastack, memory_bytes=mesh_cache_bytes)
        )
        self._voxels: ByteCache[NDArray[np.uint8]] = ByteCache(voxel_cache_bytes, _array_bytes)
        self._imagery: Imagery | None = None
        if datastack.imagery is not None:
            self._imagery = BlockImagery(datastack.imagery, self._voxels, datastack.name)

    def make(self, center_nm: PointNm, root_a: int, root_b: int | None = None) -> SitePictures:
        """Return the pictures of a site for people.

        Never raises for what can be wrong with one site: each picture that cannot be
        made carries its state and the reason. Two segments that are one by now are drawn
        as one.
        """
        stale = self._stale(_pair(root_a, root_b))
        if stale is not None:
            return self.failed(center_nm, stale)
        views = self.views(center_nm, root_a, root_b)
        return SitePictures(views, self.slices(center_nm, root_a, root_b))

    def failed(self, center_nm: PointNm, trouble: Trouble) -> SitePictures:
        """Return pictures none of which could be made, for one reason."""
        return SitePictures(self._failed_views(trouble), self._failed_slices(center_nm, trouble))

    def judge_slices(self, center_nm: PointNm, pair: Sequence[int] = ()) -> Slices:
        """Return exactly what a judge of slices is given of a site.

        Parameters
        ----------
        pair : sequence of int
            The segments: none of them may have been replaced, and the ``best`` plane,
            if the judge's spec names it, is theirs.

        Raises
        ------
        StaleRootError
            If a segment was replaced by an edit.
        OutsideVolumeError
            If the field of view holds no voxel.
        NotFoundError
            If the datastack has no imagery.
        ServiceError
            If a server did not answer.
        """
        if pair:
            self._meshes.require_current(*pair)
        return self._cut(center_nm, self.em, pair)

    def geometry(
        self,
        center_nm: PointNm,
        root_a: int,
        root_b: int | None = None,
        spec: GeometrySpec | None = None,
    ) -> GeometryTensor:
        """Return exactly what a judge of shapes is given of a site.

        Never of a mesh with a gap in it, and at the meshes' full detail.

        Parameters
        ----------
        spec : GeometrySpec or None
            As wide as the views if None.

        Raises
        ------
        StaleRootError
            If a segment was replaced by an edit.
        InputError, NotFoundError, ServiceError
            If a mesh cannot be had; see `MeshFetcher.around`.
        MachineError
            If this machine cannot draw.
        """
        spec = spec or GeometrySpec(half_extent_nm=self.render.half_extent_nm)
        pair = _pair(root_a, root_b)
        self._meshes.require_current(*(root for _, root in pair))
        reach = spec.half_extent_nm * spec.crop_factor
        surfaces = [
            self._surface(letter, root, center_nm, reach, partial_ok=False) for letter, root in pair
        ]
        if self._geometry_backend is None:
            from rendering.backend import best_geometry_backend

            self._geometry_backend = best_geometry_backend()
        return self._geometry_backend.draw(surfaces, spec, center_nm)

    def slices(self, center_nm: PointNm, root_a: int, root_b: int | None) -> dict[str, Picture]:
        """Return one painted slice per plane, for people."""
        pair = _pair(root_a, root_b)
        cut = attempt(lambda: self._cut(center_nm, self.person_em, [root for _, root in pair]))
        if isinstance(cut, Trouble):
            return self._failed_slices(center_nm, cut)
        return {plane: _painted(cut, plane, pair) for plane in cut.spec.planes}

    def views(self, center_nm: PointNm, root_a: int, root_b: int | None) -> dict[str, Picture]:
        """Return one picture of the meshes per view, for people."""
        pair = _pair(root_a, root_b)
        drawn = attempt(lambda: self._draw(center_nm, pair))
        if isinstance(drawn, Trouble):
            return self._failed_views(drawn)
        pictures, gaps = drawn
        state = PictureState.PARTIAL if gaps else PictureState.READY
        reason = gap_reason(gaps) if gaps else ""
        return {
            name: self._viewed(name, rgb, center_nm, state, reason)
            for name, rgb in pictures.items()
        }

    def forget(self) -> None:
        """Drop every mesh and voxel that is kept."""
        self._meshes.forget()
        self._voxels.clear()

    # Meshes

    def _draw(
        self, center_nm: PointNm, pair: _Pair
    ) -> tuple[dict[str, NDArray[np.uint8]], list[tuple[str, int]]]:
        """Return the pictures, and how many pieces of which segment are missing in them."""
        spec = self.render
        reach, detail = spec.half_extent_nm * spec.crop_factor, spec.detail_px * self._view_scale
        surfaces = [
            self._surface(letter, root, center_nm, reach, detail, partial_ok=True)
            for letter, root in pair
        ]
        gaps = [
            (letter, len(surface.missing))
            for (letter, _), surface in zip(pair, surfaces, strict=True)
            if surface.missing
        ]
        if self._backend is None:
            from rendering.octarine_views import octarine_views

            self._backend = octarine_views()
        return self._backend.draw(surfaces, spec), gaps

    def _surface(
        self,
        letter: str,
        root: int,
        center_nm: PointNm,
        reach_nm: float,
        detail_nm: float = 0.0,
        *,
        partial_ok: bool,
    ) -> Surface:
        color = self.render.color_a if letter == "A" else self.render.color_b
        try:
            return self._meshes.around(
                root, center_nm, reach_nm, color=color, detail_nm=detail_nm, partial_ok=partial_ok
            )
        except BrokenMeshError as error:
            reason = f"Segment {letter} ({root}) cannot be drawn: {error.message}"
            raise BrokenMeshError(reason, error.hint) from error

    def _viewed(
        self,
        name: str,
        rgb: NDArray[np.uint8],
        center_nm: PointNm,
        state: PictureState,
        reason: str,
    ) -> Picture:
        scale = self._view_scale
        axes = CameraSpec.of_view(name, center_nm, self.render.half_extent_nm).axes
        marked = decorate(rgb, scale, dark_ground=False, axes=axes)
        record = PictureRecord(self.render, center_nm, axes)
        return Picture(marked, view_caption(name, self.render), scale, state, reason, record)

    # Trouble

    def _stale(self, pair: _Pair) -> Trouble | None:
        try:
            self._meshes.require_current(*(root for _, root in pair))
        except StaleRootError as error:
            return Trouble(PictureState.STALE, str(error))
        except ServiceError:
            # Nobody knows then; each picture says for itself whether it can be made.
            return None
        return None

    def _cut(self, center_nm: PointNm, spec: EMSpec, pair: Sequence[int]) -> Slices:
        return cut_slices(self._need_imagery(), self.datastack.segmentation, center_nm, spec, pair)

    def _need_imagery(self) -> Imagery:
        if self._imagery is None:
            raise NoImageryError(
                f"The datastack {self.datastack.name} has no electron microscopy.",
                "Judge from the meshes, or add imagery to the datastack.",
            )
        return self._imagery

    def _failed_views(self, trouble: Trouble) -> dict[str, Picture]:
        spec = self.render
        return {n: trouble.picture(view_caption(n, spec), self._view_scale) for n in spec.views}

    def _failed_slices(self, center_nm: PointNm, trouble: Trouble) -> dict[str, Picture]:
        spec = self.person_em
        scale = 2 * spec.half_extent_nm / spec.size_px
        return {
            plane: trouble.picture(slice_caption(plane, center_nm, spec), scale)
            for plane in spec.planes
        }

    @property
    def _view_scale(self) -> float:
        return 2 * self.render.half_extent_nm / self.render.size_px


def _pair(root_a: int, root_b: int | None) -> _Pair:
    """Return the segments with their letters, one only if they were joined."""
    if root_b is None or root_b == root_a:
        return [("A", root_a)]
    return [("A", root_a), ("B", root_b)]


def _painted(cut: Slices, plane: str, pair: _Pair) -> Picture:
    roots = [root for _, root in pair]
    rgb = paint_slice(cut, plane, roots[0], roots[1] if len(roots) > 1 else None)
    frame = cut.frame(plane)
    axes = (frame.right, frame.down, frame.normal)
    marked = decorate(rgb, cut.nm_per_px, dark_ground=True, axes=axes)
    caption = slice_caption(plane, cut.center_nm, cut.spec) + absent_note(cut, plane, pair)
    record = PictureRecord(cut.spec, cut.center_nm, axes, _details(cut))
    return Picture(marked, caption, cut.nm_per_px, record=record)


def _details(cut: Slices) -> dict[str, Any]:
    """Return what was used beside the spec, ready for JSON."""
    names = ("em_voxel_nm", "id_voxel_nm", "contrast", "stretch", "best_areas_nm2")
    record = cut.record()
    return {name: record[name] for name in names}


def _array_bytes(array: NDArray[np.uint8]) -> int:
    return array.nbytes
