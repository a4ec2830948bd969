"""Our slices and Neuroglancer's panels show the same voxel in the same place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.datastack import ViewerSources
from connectome.space import PointNm
from ngplugin.camera import quaternion_of
from rendering.em import Frame, Slices, cut_slices
from rendering.spec import BEST, EMSpec
from tests.arrays import ArrayDatastack
from tests.qt.ngplugin.page import Page
from tests.qt.ngplugin.scene import serve, write_volume

pytestmark = pytest.mark.qt

VOXEL: PointNm = (8.0, 8.0, 40.0)
SHAPE_XYZ = (90, 80, 22)
CENTER: PointNm = (361.3, 322.9, 437.7)
# As wide as the web view of the tests, at as many nm in a pixel: a pixel is a pixel.
SPEC = EMSpec(half_extent_nm=400.0, size_px=400, low_percentile=0.0, high_percentile=100.0)
CLICKS = ((200, 200), (93, 160), (300, 120), (251, 330), (120, 291), (347, 222))


@pytest.fixture(scope="module")
def stack() -> ArrayDatastack:
    """Return anisotropic noise in which every voxel has an id of its own."""
    em = np.random.default_rng(12).integers(40, 240, SHAPE_XYZ[::-1], np.uint8)
    ids = np.arange(1, em.size + 1, dtype=np.uint64).reshape(em.shape)
    return ArrayDatastack(em, None, ids, VOXEL)


@pytest.fixture(scope="module")
def sources(
    stack: ArrayDatastack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewerSources]:
    folder = tmp_path_factory.mktemp("anisotropic")
    assert stack.imagery is not None
    write_volume(
        folder / "em", stack.imagery.read(stack.arrays.scale.bounds_nm).data, VOXEL, "image"
    )
    write_volume(folder / "seg", stack.arrays.root_ids, VOXEL, "segmentation")
    with serve(folder) as served:
        yield ViewerSources(
            f"precomputed://{served.url}/em", f"precomputed://{served.url}/seg", VOXEL
        )


def cut(stack: ArrayDatastack, spec: EMSpec, pair: tuple[int, ...] = ()) -> Slices:
    assert stack.imagery is not None
    return cut_slices(stack.imagery, stack.segmentation, CENTER, spec, pair)


def expected_grey(stack: ArrayDatastack, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the stored grey value of the voxel that each pixel of a slice names, -1 if none."""
    assert stack.imagery is not None
    em = stack.imagery.read(stack.arrays.scale.bounds_nm).data.reshape(-1).astype(np.int64)
    return np.concatenate([[-1], em])[ids.astype(np.int64)]


def shown_grey(page: Page) -> NDArray[np.int64]:
    """Return the picture of the page in grey, -1 where it is coloured or empty."""
    image = page.image().convertToFormat(page.image().Format.Format_RGB888)
    bits = image.constBits()
    assert bits is not None
    rows = np.frombuffer(bits.asstring(image.sizeInBytes()), np.uint8)
    rgb = rows.reshape(image.height(), image.bytesPerLine())[:, : 3 * image.width()]
    rgb = rgb.reshape(image.height(), image.width(), 3).astype(np.int64)
    grey = (rgb.max(axis=-1) == rgb.min(axis=-1)) & (rgb[..., 0] >= 40)
    return np.where(grey, rgb[..., 0], -1)


def share_equal(page: Page, expected: NDArray[np.int64]) -> float:
    """Return the share of the pixels inside the volume that show the same voxel."""
    inside = expected >= 0
    inside[350:, :120] = False  # Neuroglancer's scale bar
    return float((np.abs(shown_grey(page) - expected)[inside] <= 1).mean())


def click_lands(page: Page, x: int, y: int) -> PointNm:
    """Click and return the point in nm that Neuroglancer says is under the mouse."""
    page.click(x, y)
    page.until(lambda: bool(page.evaluate("viewer.mouseState.active")), "the mouse")
    ask = "viewer.mouseState.updateUnconditionally(), [...viewer.mouseState.position]"
    a, b, c = (part * edge for part, edge in zip(page.evaluate(ask), VOXEL, strict=True))
    return (a, b, c)


def turn_panel(page: Page, frame: Frame) -> None:
    """Turn Neuroglancer's xy panel to the frame of a slice."""
    axes = np.stack([frame.right, frame.down, frame.normal], axis=1)
    turn = [float(value) for value in quaternion_of(axes)]
    page.evaluate(f"viewer.navigationState.pose.orientation.restoreState({turn}); 0")


@pytest.mark.parametrize("plane", ["xy", "xz", "yz"])
def test_a_click_lands_on_the_same_voxel(page: Page, stack: ArrayDatastack, plane: str) -> None:
    slices = cut(stack, SPEC)
    index = SPEC.planes.index(plane)
    page.viewer.look_at(CENTER, nm_per_pixel=2.0, layout=plane)
    expected = expected_grey(stack, slices.ids[index])
    page.until(lambda: share_equal(page, expected) > 0.99, "the same picture")
    for x, y in CLICKS:
        point = click_lands(page, x, y)
        # The mouse is at the corner of a pixel, half a pixel from its middle.
        ours = slices.position_nm(plane, x - 0.5, y - 0.5)
        assert point == pytest.approx(ours, abs=0.01)
        assert stack.arrays.scale.voxel_at(point) == stack.arrays.scale.voxel_at(ours)


def test_a_mirrored_or_turned_picture_would_be_noticed(stack: ArrayDatastack) -> None:
    picture = expected_grey(stack, cut(stack, SPEC).ids[0])
    for other in (picture[::-1], picture[:, ::-1], picture.T, np.roll(picture, 4, axis=1)):
        inside = (picture >= 0) & (other >= 0)
        assert (np.abs(picture - other)[inside] <= 1).mean() < 0.3


def test_the_best_plane_is_a_turned_panel(page: Page, stack: ArrayDatastack) -> None:
    spec = replace(SPEC, planes=(BEST,))
    middle = int(stack.arrays.root_ids[10, 40, 45])
    slices = cut(stack, spec, (middle, middle + 90))
    page.viewer.look_at(CENTER, nm_per_pixel=2.0, layout="xy")
    turn_panel(page, slices.frame(BEST))
    expected = expected_grey(stack, slices.ids[0])
    page.until(lambda: share_equal(page, expected) > 0.99, "the same picture")
