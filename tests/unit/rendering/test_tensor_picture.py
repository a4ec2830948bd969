"""A tensor as a picture shows each channel where it is."""

from __future__ import annotations

import numpy as np

from rendering.geometry import CHANNELS, GeometrySpec, GeometryTensor
from rendering.tensor_picture import COLUMNS, draw_tensor

SIZE, STEP = 32, 38


def tensor() -> GeometryTensor:
    """A covers the left half, B the middle and is hidden by A where they meet."""
    spec = GeometrySpec(size_px=SIZE, views=("front", "top"))
    data = np.zeros((2, 7, SIZE, SIZE), np.float16)
    owner = np.zeros((2, SIZE, SIZE), np.uint8)
    data[:, CHANNELS.index("mask_a"), :, :16] = 1
    data[:, CHANNELS.index("mask_b"), :, 8:24] = 1
    owner[:, :, :16], owner[:, :, 16:24] = 1, 2
    data[:, CHANNELS.index("silhouette")] = owner > 0
    data[0, CHANNELS.index("depth"), :, :16] = 0.6
    data[:, CHANNELS.index("normal_near"), :, :24] = 1
    return GeometryTensor(data, owner, None, spec, (0.0, 0.0, 0.0))


def test_each_column_shows_its_channel() -> None:
    picture = draw_tensor(tensor())
    assert picture.shape == (2 * STEP - 6, len(COLUMNS) * STEP - 6, 3)

    def pixel(column: str, x: int, row: int = 0) -> list[int]:
        return [int(v) for v in picture[row * STEP + 16, COLUMNS.index(column) * STEP + x]]

    assert pixel("silhouette", 4) == [0, 0, 0]
    assert pixel("silhouette", 28) == [255, 255, 255]
    assert pixel("depth", 4)[0] > pixel("depth", 4, row=1)[0]
    assert pixel("depth", 28) == [209, 230, 255]
    assert pixel("normals", 4) == [128, 128, 255]
    assert pixel("owner", 12) == pixel("masks", 4) == [0x1F, 0x77, 0xB4]
    assert pixel("owner", 20) == pixel("masks", 20) == [0xFF, 0x7F, 0x0E]
    assert sum(pixel("masks", 12)) < sum(pixel("masks", 4))
    assert pixel("owner", 28) == [255, 255, 255]
