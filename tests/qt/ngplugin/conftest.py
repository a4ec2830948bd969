"""The real Neuroglancer in a real, offscreen QtWebEngine page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication

from connectome.datastack import ViewerSources
from tests.qt.ngplugin.page import Page
from tests.qt.ngplugin.scene import Served, box_mesh, serve, write_mesh, write_volume

VOXEL = (10.0, 10.0, 10.0)
ROOT_A = 2**60 + 1
ROOT_B = 2**60 + 3


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve 128³ voxels of 10 nm: dim EM, A fills x < 640 nm and B the rest of a slab."""
    folder: Path = tmp_path_factory.mktemp("volume")
    em = np.full((128, 128, 128), 60, np.uint8)
    labels = np.zeros((128, 128, 128), np.uint64)
    labels[:, 32:96, 16:64] = ROOT_A
    labels[:, 32:96, 64:112] = ROOT_B
    write_volume(folder / "em", em, VOXEL, "image")
    write_volume(folder / "seg", labels, VOXEL, "segmentation", mesh=True)
    write_mesh(folder / "seg", ROOT_A, *box_mesh((160, 320, 0), (640, 960, 1280)))
    write_mesh(folder / "seg", ROOT_B, *box_mesh((640, 320, 0), (1120, 960, 1280)))
    with serve(folder) as served:
        yield served


@pytest.fixture
def sources(volume: Served) -> ViewerSources:
    return ViewerSources(f"precomputed://{volume.url}/em", f"precomputed://{volume.url}/seg", VOXEL)


@pytest.fixture
def page(qapp: QApplication, sources: ViewerSources) -> Iterator[Page]:
    """Return a page with its layers loaded, in one xy panel."""
    page = Page(sources)
    page.load()
    page.viewer.look_at((640.0, 640.0, 640.0), layout="3d", height_nm=6000.0)
    cells = sum(math.prod(shape) for shape in page.viewer.store.grid.shapes)
    page.until(lambda: page.viewer.source.requests["cell"] >= cells, "the empty cells")
    page.viewer.look_at((640.0, 640.0, 640.0), nm_per_pixel=2.5, layout="xy")
    page.until(lambda: page.viewer.view_state()["layout"] == "xy", "the layout")
    yield page
    page.close()
