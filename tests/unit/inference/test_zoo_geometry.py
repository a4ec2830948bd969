"""Changed tensors are the tensors of changed scenes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs the extra `train`")
pytest.importorskip("numba", reason="drawing needs the extra `render`")

import torch

from inference.training.geometry_augment import (
    augmented_geometry,
    exchanged,
    flipped,
    turned,
)
from rendering.geometry import CHANNELS, GeometrySpec
from rendering.rasteriser import NumbaGeometry
from rendering.surfaces import Surface

SPEC = GeometrySpec(half_extent_nm=100.0, size_px=48)
MIRROR_Y = np.diag([1.0, -1.0, 1.0])
TURN_X = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""A quarter turn around x that carries y to z."""


def _tetrahedra(seed: int) -> Surface:
    """Many small tetrahedra, their faces outwards, each vertex with its face's normal."""
    rng = np.random.default_rng(seed)
    positions, normals = [], []
    for middle in rng.uniform(-60, 60, (12, 3)):
        corners = middle + rng.uniform(-25, 25, (4, 3))
        for left_out in range(4):
            face = np.delete(corners, left_out, axis=0)
            normal = np.cross(face[1] - face[0], face[2] - face[0])
            normal *= np.sign(normal @ (face[0] - corners[left_out])) / np.linalg.norm(normal)
            positions.append(face)
            normals.append(np.tile(normal, (3, 1)))
    return _surface(np.concatenate(positions), np.concatenate(normals))


def _surface(positions: NDArray[np.float64], normals: NDArray[np.float64]) -> Surface:
    faces = np.arange(len(positions), dtype=np.int32).reshape(-1, 3)
    return Surface(positions.astype(np.float32), normals.astype(np.float32), faces)


def _moved(surface: Surface, matrix: NDArray[np.float64]) -> Surface:
    # A mirrored face has its corners the other way round, or its outside would be its inside.
    order = [0, 1, 2] if np.linalg.det(matrix) > 0 else [0, 2, 1]
    moved = (
        (values @ matrix.T).reshape(-1, 3, 3)[:, order].reshape(-1, 3)
        for values in (surface.positions, surface.normals)
    )
    return _surface(*moved)


def _drawn(surfaces: list[Surface], view: str) -> torch.Tensor:
    data = NumbaGeometry().draw(surfaces, SPEC, (0.0, 0.0, 0.0)).data
    return torch.from_numpy(data[SPEC.views.index(view)].astype(np.float32))


def _agree(one: torch.Tensor, other: torch.Tensor) -> None:
    """Nearly every pixel is the same; on edges, a pixel may fall to either side."""
    same = ((one - other).abs() < 0.02).all(dim=0)
    assert float(one[0].mean()) > 0.1
    assert float(same.float().mean()) > 0.98


def test_a_mirrored_mesh_is_a_flipped_tensor_with_its_normals_turned() -> None:
    scene = [_tetrahedra(1), _tetrahedra(2)]
    mirrored = [_moved(surface, MIRROR_Y) for surface in scene]
    # In the front view y runs to the left, in the top view upwards.
    _agree(_drawn(mirrored, "front"), flipped(_drawn(scene, "front"), across=True))
    _agree(_drawn(mirrored, "top"), flipped(_drawn(scene, "top"), across=False))
    plain = _drawn(scene, "front").flip(-1)
    right = CHANNELS.index("normal_right")
    assert float((plain[right] - _drawn(mirrored, "front")[right]).abs().max()) > 0.5


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_mesh_is_a_turned_tensor_with_its_normals_turned(quarters: int) -> None:
    scene = [_tetrahedra(3), _tetrahedra(4)]
    matrix = np.linalg.matrix_power(TURN_X, quarters)
    moved = [_moved(surface, matrix) for surface in scene]
    # The front view looks along x with y to the left: y to z is clockwise there.
    _agree(_drawn(moved, "front"), turned(_drawn(scene, "front"), -quarters % 4))


def test_exchanging_the_surfaces_is_exchanging_the_masks() -> None:
    a, b = _tetrahedra(5), _tetrahedra(6)
    forth = torch.stack([_drawn([a, b], "side")]).unsqueeze(0)
    back = torch.stack([_drawn([b, a], "side")]).unsqueeze(0)
    torch.testing.assert_close(exchanged(forth, torch.tensor([True])), back)
    torch.testing.assert_close(exchanged(forth, torch.tensor([False])), forth)


def test_changes_by_chance_keep_normals_of_length_one() -> None:
    view = _drawn([_tetrahedra(7)], "front")
    many = view.expand(30, 3, *view.shape).clone()
    rng = torch.Generator().manual_seed(0)
    changed = augmented_geometry(many, rng, drop_channel=0.0, erase=0.5)
    length = changed[:, :, 2:5].pow(2).sum(dim=2)
    there = changed[:, :, 0] > 0
    torch.testing.assert_close(length[there], torch.ones_like(length[there]), atol=0.01, rtol=0)
    assert float(changed[:, :, 0].mean()) < float(many[:, :, 0].mean())
    dropped = augmented_geometry(many, rng, drop_channel=1.0, erase=0.0)
    assert ((dropped.abs().sum(dim=(1, 3, 4)) == 0).sum(dim=1) >= 1).all()
