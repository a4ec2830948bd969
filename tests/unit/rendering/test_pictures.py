"""Pictures of a site: there, or a state that says why not."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from connectome.datastack import Mesh
from connectome.errors import GraphicsError, InputError, NotFoundError, OfflineError
from connectome.graph import Graph, Ids
from connectome.space import BoxNm
from rendering.picture import Picture, PictureState, png_bytes
from rendering.pictures import PictureMaker
from rendering.spec import EMSpec, RenderSpec
from rendering.surfaces import PartialMeshError, Surface
from tests.arrays import ArrayDatastack
from tests.data import shared_data

A, B, FAR = 2**60 + 7, 2**60 + 8, 9
CENTER = (320.0, 320.0, 320.0)
SMALL = RenderSpec(half_extent_nm=300.0, size_px=96)


class Flat:
    """Draws no light, only which surfaces arrive: enough for everything but looks."""

    name = "flat"

    def __init__(self) -> None:
        self.seen: list[Sequence[Surface]] = []

    def draw(self, surfaces: Sequence[Surface], spec: RenderSpec) -> dict[str, NDArray[np.uint8]]:
        self.seen.append(surfaces)
        blank = np.full((spec.size_px, spec.size_px, 3), 255, np.uint8)
        return {view: blank.copy() for view in spec.views}


class Broken(Flat):
    """A machine that has lost its graphics device."""

    def draw(self, surfaces: Sequence[Surface], spec: RenderSpec) -> dict[str, NDArray[np.uint8]]:
        raise GraphicsError("The device was lost.", "Try again.")


class OneMesh:
    """The same mesh for every segment, or an error, and how often it was asked for."""

    def __init__(self, answer: Mesh | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def mesh(self, root: int, box: BoxNm | None = None) -> Mesh:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def world(*, em: bool = True) -> ArrayDatastack:
    """Return 64 voxels of 10 nm with A and B touching in the middle."""
    grey = np.random.default_rng(1).integers(0, 255, (64, 64, 64), np.uint8)
    ids = np.zeros((64, 64, 64), np.uint64)
    ids[24:40, 24:40, 12:32] = A
    ids[24:40, 24:40, 32:52] = B
    ids[0:2, 0:2, 0:2] = FAR
    return ArrayDatastack(grey if em else None, None, ids, (10, 10, 10))


def maker(stack: ArrayDatastack, backend: Flat | None = None) -> PictureMaker:
    return PictureMaker(stack, render=SMALL, backend=backend or Flat())


def states(pictures: dict[str, Picture]) -> set[PictureState]:
    return {picture.state for picture in pictures.values()}


def test_a_site_has_three_views_and_three_slices() -> None:
    made = maker(world()).make(CENTER, A, B)
    assert made.complete
    assert list(made.views) == ["front", "side", "top"]
    assert list(made.slices) == ["xy", "xz", "yz"]
    assert list(made.all) == ["front", "side", "top", "xy", "xz", "yz"]
    assert made.slices["xy"].caption == "xy at z = 320 nm, 1.4 µm wide"
    assert made.slices["xy"].nm_per_px == pytest.approx(1400 / 320)


def test_the_judges_input_is_the_judges_spec() -> None:
    made = maker(world()).judge_slices(CENTER)
    assert made.spec == EMSpec()
    assert made.mask(A).any()
    assert made.mask(B).any()


def test_every_picture_tells_how_it_was_made() -> None:
    stack = world()
    made = maker(stack).make(CENTER, A, B)
    front, yz = made.views["front"].record, made.slices["yz"].record
    assert front is not None
    assert yz is not None
    assert front.spec == SMALL
    assert front.center_nm == yz.center_nm == CENTER
    # Right, down and into the picture: the view looks along +x, z upwards.
    assert front.axes == ((0, -1, 0), (0, 0, -1), (1, 0, 0))
    # Neuroglancer's panel: -z to the right, y down.
    assert yz.axes == ((0, 0, -1), (0, 1, 0), (1, 0, 0))
    plain = json.loads(json.dumps(yz.plain()))
    assert plain["spec"]["hash"] == maker(stack).person_em.hash
    assert plain["spec"]["half_extent_nm"] == maker(stack).person_em.half_extent_nm


def test_segments_that_were_joined_are_drawn_as_one() -> None:
    backend = Flat()
    assert maker(world(), backend).make(CENTER, A, A).complete
    assert len(backend.seen[0]) == 1


def test_the_surfaces_are_centred_and_coloured() -> None:
    backend = Flat()
    maker(world(), backend).make(CENTER, A, B)
    a, b = backend.seen[0]
    assert (a.color, b.color) == (SMALL.color_a, SMALL.color_b)
    assert a.positions[:, 0].max() == pytest.approx(0, abs=10)
    assert b.positions[:, 0].min() == pytest.approx(0, abs=10)
    np.testing.assert_allclose(np.linalg.norm(a.normals, axis=1), 1, atol=1e-5)


def test_one_segment_alone_is_drawn_alone() -> None:
    backend = Flat()
    assert maker(world(), backend).make(CENTER, A).complete
    assert len(backend.seen[0]) == 1


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (NotFoundError("The segment has no mesh."), PictureState.MISSING_MESH, "no mesh"),
        (OfflineError("No answer."), PictureState.UNREACHABLE, "No answer"),
        (
            Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint32)),
            PictureState.BROKEN_MESH,
            "no faces",
        ),
        (
            Mesh(np.full((3, 3), np.nan, np.float32), np.array([[0, 1, 2]], np.uint32)),
            PictureState.BROKEN_MESH,
            f"A ({A})",
        ),
        (
            Mesh(np.eye(3, dtype=np.float32) + 9e6, np.array([[0, 1, 2]], np.uint32)),
            PictureState.NOT_IN_VIEW,
            "does not reach",
        ),
    ],
)
def test_a_bad_mesh_is_a_state_and_the_slices_stay(
    answer: Mesh | Exception, state: PictureState, word: str
) -> None:
    stack = world()
    stack.meshes = OneMesh(answer)  # type: ignore[assignment]
    made = maker(stack).make(CENTER, A, B)
    assert states(made.views) == {state}
    assert all(word in picture.reason for picture in made.views.values())
    assert all(picture.rgb is None for picture in made.views.values())
    assert states(made.slices) == {PictureState.READY}


def test_a_partner_out_of_view_is_said() -> None:
    made = maker(world()).make((500.0, 500.0, 500.0), FAR, None)
    assert states(made.views) == {PictureState.NOT_IN_VIEW}
    assert "A not in this slice" in made.slices["xy"].caption


def test_outside_the_volume_there_is_no_slice() -> None:
    made = maker(world()).make((90_000.0, 320.0, 320.0), A, B)
    assert states(made.slices) == {PictureState.OUTSIDE}
    assert all(picture.record is None for picture in made.slices.values())


def test_without_imagery_there_are_views_only() -> None:
    made = maker(world(em=False)).make(CENTER, A, B)
    assert states(made.slices) == {PictureState.NO_IMAGERY}
    assert states(made.views) == {PictureState.READY}


def test_a_lost_device_is_worth_a_retry() -> None:
    made = maker(world(), Broken()).make(CENTER, A, B)
    assert states(made.views) == {PictureState.NO_GRAPHICS}
    assert made.views["top"].retry
    assert states(made.slices) == {PictureState.READY}


class Gap:
    """Surfaces of which a piece is missing."""

    def around(self, root: int, *_: object, partial_ok: bool, **__: object) -> Surface:
        if not partial_ok:
            raise PartialMeshError(f"Of the mesh of segment {root} a piece is missing here.", (5,))
        corners = np.eye(3, dtype=np.float32)
        return Surface(corners, corners, np.array([[0, 1, 2]], np.int32), missing=(5,))

    def require_current(self, *_: int) -> None:
        """Say that nothing has changed."""


def test_a_gap_is_shown_to_people_and_told_and_kept_from_judges() -> None:
    made = maker(world())
    made._meshes = Gap()  # type: ignore[assignment]
    views = made.make(CENTER, A, B)
    assert states(views.views) == {PictureState.PARTIAL}
    assert not views.complete
    top = views.views["top"]
    assert top.rgb is not None
    assert "of segment A a piece is missing" in top.reason
    with pytest.raises(PartialMeshError):
        made.geometry(CENTER, A, B)


class OldRoots:
    """A graph in which one root was replaced."""

    def __init__(self, old: int | None) -> None:
        self.old = old

    def is_latest(self, roots: Ids) -> NDArray[np.bool_]:
        if self.old is None:
            raise OfflineError("No answer.")
        return np.asarray(roots != np.uint64(self.old))


def graph(old: int | None) -> Graph:
    return OldRoots(old)  # type: ignore[return-value]


def test_a_replaced_segment_makes_every_picture_stale() -> None:
    stack = world()
    stack.graph = graph(B)
    made = maker(stack).make(CENTER, A, B)
    assert states(made.views) | states(made.slices) == {PictureState.STALE}
    assert all(str(B) in picture.reason for picture in made.all.values())
    assert not any(str(A) in picture.reason for picture in made.all.values())


def test_a_graph_that_does_not_answer_stops_no_picture() -> None:
    stack = world()
    stack.graph = graph(None)
    assert maker(stack).make(CENTER, A, B).complete


def test_meshes_are_fetched_once_for_neighbouring_sites() -> None:
    stack = world()
    meshes = OneMesh(stack.meshes.mesh(A))
    stack.meshes = meshes  # type: ignore[assignment]
    made = maker(stack)
    made.views(CENTER, A, None)
    made.views((330.0, 320.0, 320.0), A, None)
    assert meshes.asked == 1
    made.forget()
    made.views(CENTER, A, None)
    assert meshes.asked == 2


def test_png_holds_the_very_pixels() -> None:
    picture = maker(world()).make(CENTER, A, B).slices["xz"]
    decoded = np.asarray(Image.open(io.BytesIO(png_bytes(picture))))
    assert picture.rgb is not None
    np.testing.assert_array_equal(decoded, picture.rgb)


def test_no_png_of_what_is_not_there() -> None:
    missing = maker(world(em=False)).make(CENTER, A, B).slices["xy"]
    with pytest.raises(InputError, match="no electron microscopy"):
        png_bytes(missing)


def test_a_picture_cannot_be_ready_without_pixels() -> None:
    with pytest.raises(InputError):
        Picture(None, "xy", 1.0)
    with pytest.raises(InputError):
        Picture(np.zeros((2, 2, 3), np.uint8), "xy", 1.0, PictureState.STALE, "old")


@pytest.mark.render
def test_octarine_draws_both_segments_of_a_site() -> None:
    large = replace(SMALL, size_px=288)
    views = PictureMaker(world(), render=large).make(CENTER, A, B).views
    top = views["top"].rgb
    assert top is not None
    left, right = top[120:168, 80:120].reshape(-1, 3), top[120:168, 168:208].reshape(-1, 3)
    assert (left[:, 2] > left[:, 0]).mean() > 0.9
    assert (right[:, 0] > right[:, 2]).mean() > 0.9


@pytest.mark.render
def test_a_neurite_three_pixels_thick_is_drawn_without_gaps() -> None:
    ids = np.zeros((64, 64, 64), np.uint64)
    for x in range(4, 60):
        y, z = 32 + round(3 * np.sin(x / 6)), 32 + round(3 * np.cos(x / 9))
        ids[z : z + 2, y : y + 2, x] = A
    stack = ArrayDatastack(None, None, ids, (10, 10, 10))
    rgb = PictureMaker(stack, render=SMALL).views(CENTER, A, None)["top"].rgb
    assert rgb is not None
    blue = rgb[..., 2].astype(int) > rgb[..., 0].astype(int) + 30
    covered: NDArray[np.bool_] = np.any(blue[32:64], axis=0)
    first, last = np.flatnonzero(covered)[[0, -1]]
    assert last - first > 80
    # The cross-hair's gap leaves the middle free; its strokes lie beside it.
    strokes = [*range(37, 44), *range(52, 60)]
    bare = [x for x in np.flatnonzero(~covered[first:last]) + first if x not in strokes]
    assert bare == []


@pytest.mark.render
def test_without_any_driver_the_state_names_the_packages() -> None:
    code = (
        "from tests.unit.rendering.test_pictures import *\n"
        "made = PictureMaker(world(), render=SMALL).make(CENTER, A, B)\n"
        "other = PictureMaker(world(), render=SMALL).make(CENTER, B, A)\n"
        "told = [made.views['top'].state, made.views['top'].reason, other.views['top'].state]\n"
        "import sys; sys.stdout.write('|'.join(told))\n"
    )
    nowhere = dict.fromkeys(("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "LIBGL_DRIVERS_PATH"), "/none")
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    state, reason, later = ran.stdout.split("|")
    assert state == later == PictureState.NO_GRAPHICS
    assert "mesa-vulkan-drivers" in reason


@pytest.mark.render
def test_a_real_contact() -> None:
    file = np.load(shared_data("gala_mini") / "train.npz")
    grey, ids = file["em"], file["ws"].astype(np.uint64)
    left, right = ids[:, :, :-1], ids[:, :, 1:]
    middle = np.zeros(left.shape, bool)
    middle[20:30, 40:60, 80:120] = True
    z, y, x = (int(row[0]) for row in np.nonzero((left != right) & middle))
    a, b = int(ids[z, y, x]), int(ids[z, y, x + 1])
    stack = ArrayDatastack(grey.astype(np.uint8), None, ids, (10, 10, 10))
    # Between four pixels of 10 nm, so that a pixel is a voxel.
    center = ((x + 1) * 10.0, y * 10.0, (z + 0.5) * 10.0)
    made = PictureMaker(stack)
    assert made.make(center, a, b).complete
    judged = made.judge_slices(center)
    size = judged.spec.size_px
    middle_of_xy = judged.ids[0, size // 2, size // 2 - 1 : size // 2 + 1]
    assert [int(i) for i in middle_of_xy] == [a, b]
