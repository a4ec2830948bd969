"""The geometry tensor on a graphics device, and that both backends agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from connectome.errors import GraphicsError, MissingPackageError
from rendering.backend import GeometryBackend, best_geometry_backend
from rendering.geometry import GeometrySpec, GeometryTensor
from rendering.octarine_geometry import OctarineGeometry, gpu_found
from rendering.probe import GraphicsReport, probe_graphics
from rendering.rasteriser import NumbaGeometry
from tests.unit.rendering.geometry_contract import SPEC, GeometryContract, box
from tests.unit.rendering.real_pairs import HALF_EXTENT_NM, real_pairs

pytestmark = pytest.mark.render

OCTARINE = OctarineGeometry()


class TestOctarine(GeometryContract):
    @pytest.fixture
    def backend(self) -> GeometryBackend:
        return OCTARINE


def agreement(one: GeometryTensor, other: GeometryTensor) -> tuple[float, float, float, float]:
    """Return IoU of silhouettes, median and 99th percentile of depth, and equal owners."""
    a, b = one.channel("silhouette") > 0, other.channel("silhouette") > 0
    both = a & b
    depths = [t.channel("depth").astype(np.float64)[both] for t in (one, other)]
    apart = np.abs(depths[0] - depths[1])
    owners = float((one.owner == other.owner)[a | b].mean())
    iou = float(both.sum() / (a | b).sum())
    return iou, float(np.median(apart)), float(np.percentile(apart, 99)), owners


def test_both_backends_draw_real_meshes_alike() -> None:
    pytest.importorskip("numba", reason="numba draws the other tensor")
    spec, numba = GeometrySpec(HALF_EXTENT_NM, contact_nm=100.0), NumbaGeometry()
    for pair in real_pairs()[::4]:
        one, other = numba.draw(pair, spec), OCTARINE.draw(pair, spec)
        iou, median, high, owners = agreement(one, other)
        assert iou >= 0.99
        assert median <= 0.01
        assert high <= 0.01
        assert owners >= 0.98
        seen = (one.owner == other.owner) & (one.owner > 0)
        normals = np.einsum("vchw,vchw->vhw", one.data[:, 2:5], other.data[:, 2:5], dtype=float)
        assert np.percentile(normals[seen], 2) > 0.99
        assert one.contact is not None
        assert other.contact is not None
        touching = one.contact | other.contact
        assert touching.any()
        assert (one.contact & other.contact).sum() / touching.sum() >= 0.95


def test_a_lost_device_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """An odd size of the view makes rows that are padded when they are read."""
    import wgpu

    backend, spec = OctarineGeometry(), replace(SPEC, size_px=101)
    surface = box((-500, -400, -300), (200, 300, 400))
    before = backend.draw([surface], spec)

    def lose(*_: object) -> None:
        raise wgpu.GPUOutOfMemoryError("Parent device is lost")

    device = backend._device
    assert device is not None
    monkeypatch.setattr(device, "draw", lose)
    with pytest.raises(GraphicsError, match="lost"):
        backend.draw([surface], spec)
    np.testing.assert_array_equal(backend.draw([surface], spec).data, before.data)


@pytest.mark.parametrize(
    ("gpu", "works", "numba", "name"),
    [
        (True, True, True, "octarine"),
        (False, True, True, "numba"),
        (True, False, True, "numba"),
        (False, True, False, "octarine"),
    ],
)
def test_the_best_backend_is_the_gpu_or_numba(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, works: bool, numba: bool, name: str
) -> None:
    report = GraphicsReport(works=works, software=not gpu, reason="No driver.")
    monkeypatch.setattr("rendering.probe.probe_graphics", lambda: report)
    monkeypatch.setattr("rendering.octarine_geometry.gpu_found", lambda: gpu)
    monkeypatch.setattr("rendering.rasteriser.numba_installed", lambda: numba)
    best_geometry_backend.cache_clear()
    assert best_geometry_backend().name == name
    best_geometry_backend.cache_clear()


def test_without_numba_and_graphics_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    report = GraphicsReport(works=False, reason="No driver.")
    monkeypatch.setattr("rendering.probe.probe_graphics", lambda: report)
    monkeypatch.setattr("rendering.rasteriser.numba_installed", lambda: False)
    best_geometry_backend.cache_clear()
    with pytest.raises(MissingPackageError, match="No driver"):
        best_geometry_backend()


def test_the_adapters_are_told_apart_as_the_probe_does() -> None:
    report = probe_graphics()
    assert report.works
    assert report.software or gpu_found()
