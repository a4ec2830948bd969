"""All pictures of a site, for the person and for the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack, Imagery
from connectome.errors import ServiceError
from connectome.space import BoxNm, PointNm
from rendering.backend import ViewBackend
from rendering.blocks import BlockImagery, snapped
from rendering.cache import ByteCache
from rendering.camera import CameraSpec
from rendering.em import PLANES, Slices, cut_slices
from rendering.overlay import decorate, paint_slice
from rendering.picture import Picture, PictureState
from rendering.presets import PERSON_EM, PERSON_RENDER
from rendering.record import PictureRecord
from rendering.spec import BEST, EMSpec, RenderSpec
from rendering.surfaces import BrokenMeshError, NotInViewError, Solid, Surface, prepare, to_surface
from rendering.trouble import NoImageryError, Trouble, attempt

__all__ = ["PictureMaker", "SitePictures"]

_LOOKING = {"front": "along +x", "side": "along +y", "top": "along -z"}


@dataclass(frozen=True)
class SitePictures:
    """What a person sees of a site.

    Parameters
    ----------
    views, slices : dict of str to Picture
        ``front``, ``side``, ``top`` and ``xy``, ``xz``, ``yz``.
    """

    views: dict[str, Picture]
    slices: dict[str, Picture]

    @property
    def all(self) -> dict[str, Picture]:
        """Every picture by its name, views first."""
        return {**self.views, **self.slices}

    @property
    def complete(self) -> bool:
        """Whether every picture is there."""
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
        mesh_cache_bytes: int = 256 << 20,
        voxel_cache_bytes: int = 128 << 20,
    ) -> None:
        self.datastack = datastack
        self.render = render
        self.em = em or EMSpec()
        self.person_em = person_em
        self._backend = backend
        self._solids: ByteCache[Solid] = ByteCache(mesh_cache_bytes, _solid_bytes)
        self._voxels: ByteCache[NDArray[np.uint8]] = ByteCache(voxel_cache_bytes, _array_bytes)
        self._imagery: Imagery | None = None
        if datastack.imagery is not None:
            self._imagery = BlockImagery(datastack.imagery, self._voxels, datastack.name)

    def make(self, center_nm: PointNm, root_a: int, root_b: int | None = None) -> SitePictures:
        """Return all pictures of a site.

        Never raises for what can be wrong with one site: each picture that cannot be
        made carries its state and the reason.
        """
        stale = self._stale(root_a, root_b)
        if stale is not None:
            return self.failed(center_nm, stale)
        if root_b == root_a:
            # They were joined since: one body, as whoever looks has to see it.
            root_b = None
        views = self.views(center_nm, root_a, root_b)
        return SitePictures(views, self.slices(center_nm, root_a, root_b))

    def failed(self, center_nm: PointNm, trouble: Trouble) -> SitePictures:
        """Return pictures none of which could be made, for one reason."""
        return SitePictures(self._failed_views(trouble), self._failed_slices(center_nm, trouble))

    def judge_slices(self, center_nm: PointNm) -> Slices:
        """Return exactly what a judge is given of a site.

        Raises
        ------
        OutsideVolumeError
            If the field of view holds no voxel.
        NotFoundError
            If the datastack has no imagery.
        ServiceError
            If a server did not answer.
        """
        return self._cut(center_nm, self.em, ())

    def slices(self, center_nm: PointNm, root_a: int, root_b: int | None) -> dict[str, Picture]:
        """Return one painted slice per plane, for people."""
        pair = [root_a] if root_b is None else [root_a, root_b]
        cut = attempt(lambda: self._cut(center_nm, self.person_em, pair))
        if isinstance(cut, Trouble):
            return self._failed_slices(center_nm, cut)
        return {plane: _painted(cut, plane, root_a, root_b) for plane in cut.spec.planes}

    def views(self, center_nm: PointNm, root_a: int, root_b: int | None) -> dict[str, Picture]:
        """Return one picture of the meshes per view, for people."""
        drawn = attempt(lambda: self._draw(center_nm, root_a, root_b))
        if isinstance(drawn, Trouble):
            return self._failed_views(drawn)
        scale = self._view_scale
        return {
            name: Picture(
                decorate(rgb, scale, dark_ground=False),
                self._view_caption(name),
                scale,
                record=self._view_record(name, center_nm),
            )
            for name, rgb in drawn.items()
        }

    def _view_record(self, name: str, center_nm: PointNm) -> PictureRecord:
        camera = CameraSpec.of_view(name, center_nm, self.render.half_extent_nm)
        return PictureRecord(self.render, center_nm, camera.axes)

    def forget(self) -> None:
        """Drop every mesh and voxel that is kept."""
        self._solids.clear()
        self._voxels.clear()

    # Meshes

    def _draw(
        self, center_nm: PointNm, root_a: int, root_b: int | None
    ) -> dict[str, NDArray[np.uint8]]:
        spec = self.render
        surfaces = [self._surface("A", root_a, center_nm, spec.color_a)]
        if root_b is not None:
            surfaces.append(self._surface("B", root_b, center_nm, spec.color_b))
        if self._backend is None:
            from rendering.octarine_views import octarine_views

            self._backend = octarine_views()
        return self._backend.draw(surfaces, spec)

    def _surface(self, letter: str, root: int, center_nm: PointNm, color: str) -> Surface:
        reach = self.render.half_extent_nm * self.render.crop_factor
        # Neighbouring sites ask for the same box, and so find it in the cache.
        box = snapped(BoxNm.around(center_nm, reach), reach / 2)
        cell = self.render.detail_px * self._view_scale
        try:
            solid = self._solids.get(
                (self.datastack.name, root, box.lower, box.upper, cell),
                lambda: prepare(self.datastack.meshes.mesh(root, box), box, cell),
            )
        except BrokenMeshError as error:
            reason = f"Segment {letter} ({root}) cannot be drawn: {error.message}"
            raise BrokenMeshError(reason, error.hint) from error
        surface = to_surface(solid, center_nm, reach, color)
        if surface.empty:
            raise NotInViewError(f"Segment {letter} ({root}) does not reach into this view.")
        return surface

    # Trouble

    def _stale(self, root_a: int, root_b: int | None) -> Trouble | None:
        graph = self.datastack.graph
        if graph is None:
            return None
        roots = [root_a] if root_b is None else [root_a, root_b]
        try:
            latest = graph.is_latest(np.array(roots, np.uint64))
        except ServiceError:
            # Nobody knows then; each picture says for itself whether it can be made.
            return None
        old = [str(r) for r, good in zip(roots, latest, strict=True) if not good]
        if not old:
            return None
        which = f"segment {old[0]} was" if len(old) == 1 else f"segments {' and '.join(old)} were"
        return Trouble(
            PictureState.STALE, f"The {which} replaced by an edit. Detect again around it."
        )

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
        scale = self._view_scale
        return {n: trouble.picture(self._view_caption(n), scale) for n in self.render.views}

    def _failed_slices(self, center_nm: PointNm, trouble: Trouble) -> dict[str, Picture]:
        spec = self.person_em
        scale = 2 * spec.half_extent_nm / spec.size_px
        return {
            plane: trouble.picture(_slice_caption(plane, center_nm, spec), scale)
            for plane in spec.planes
        }

    # Words

    @property
    def _view_scale(self) -> float:
        return 2 * self.render.half_extent_nm / self.render.size_px

    def _view_caption(self, name: str) -> str:
        return f"{name}, looking {_LOOKING[name]}, {_length(2 * self.render.half_extent_nm)} wide"


def _painted(cut: Slices, plane: str, root_a: int, root_b: int | None) -> Picture:
    rgb = paint_slice(cut, plane, root_a, root_b)
    ids = cut.ids[cut.spec.planes.index(plane)]
    absent = [
        letter
        for letter, root in (("A", root_a), ("B", root_b))
        if root is not None and not np.equal(ids, np.uint64(root)).any()
    ]
    caption = _slice_caption(plane, cut.center_nm, cut.spec)
    if absent:
        caption += f"; {' and '.join(absent)} not in this slice"
    frame = cut.frame(plane)
    axes = (frame.right, frame.down, frame.normal)
    record = PictureRecord(cut.spec, cut.center_nm, axes, _details(cut))
    marked = decorate(rgb, cut.nm_per_px, dark_ground=True)
    return Picture(marked, caption, cut.nm_per_px, record=record)


def _details(cut: Slices) -> dict[str, Any]:
    """Return what was used beside the spec, ready for JSON."""
    names = ("em_voxel_nm", "id_voxel_nm", "contrast", "stretch", "best_areas_nm2")
    record = cut.record()
    return {name: record[name] for name in names}


def _slice_caption(plane: str, center_nm: PointNm, spec: EMSpec) -> str:
    wide = f"{_length(2 * spec.half_extent_nm)} wide"
    if plane == BEST:
        return f"the oblique plane that shows most of the pair, {wide}"
    axis = PLANES[plane].across
    return f"{plane} at {'xyz'[axis]} = {center_nm[axis]:,.0f} nm, {wide}"


def _length(nm: float) -> str:
    return f"{nm / 1000:g} µm" if nm >= 1000 else f"{nm:g} nm"


def _solid_bytes(solid: Solid) -> int:
    return solid.nbytes


def _array_bytes(array: NDArray[np.uint8]) -> int:
    return array.nbytes
