"""The tensor of a site, and what never reaches a judge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from connectome.space import PointNm
from rendering.geometry import GeometrySpec, GeometryTensor
from rendering.meshes import StaleRootError
from rendering.pictures import PictureMaker
from rendering.surfaces import Surface
from tests.unit.rendering.test_pictures import CENTER, SMALL, A, B, graph, world


class Tensors:
    """Draws nothing, but keeps what it was given."""

    name = "tensors"

    def __init__(self) -> None:
        self.seen: list[Sequence[Surface]] = []

    def draw(
        self, surfaces: Sequence[Surface], spec: GeometrySpec, center_nm: PointNm = (0, 0, 0)
    ) -> GeometryTensor:
        self.seen.append(surfaces)
        shape = (len(spec.views), spec.size_px, spec.size_px)
        data = np.zeros((shape[0], 7, *shape[1:]), np.float16)
        return GeometryTensor(data, np.zeros(shape, np.uint8), None, spec, center_nm)


def test_geometry_is_as_wide_as_the_views_and_of_both_or_of_the_joined_one() -> None:
    backend = Tensors()
    made = PictureMaker(world(), render=SMALL, geometry_backend=backend)
    tensor = made.geometry(CENTER, A, B)
    assert tensor.spec.half_extent_nm == SMALL.half_extent_nm
    assert tensor.center_nm == CENTER
    made.geometry(CENTER, A, A)
    assert [len(surfaces) for surfaces in backend.seen] == [2, 1]


def test_nothing_of_a_replaced_segment_goes_to_a_judge() -> None:
    stack = world()
    stack.graph = graph(B)
    made = PictureMaker(stack, geometry_backend=Tensors())
    with pytest.raises(StaleRootError, match=str(B)):
        made.geometry(CENTER, A, B)
    with pytest.raises(StaleRootError, match=str(B)):
        made.judge_slices(CENTER, [A, B])
