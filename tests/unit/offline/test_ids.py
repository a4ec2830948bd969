from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import InputError
from connectome.offline.ids import ChunkLayout, chunk_size_for, layer_of

sizes = st.integers(1, 40)
shapes = st.integers(1, 3000)


@st.composite
def layouts(draw: st.DrawFn) -> ChunkLayout:
    chunk = (draw(sizes) + 10, draw(sizes) + 10, draw(sizes) + 10)
    return ChunkLayout(chunk, (draw(shapes), draw(shapes), draw(shapes)))


@given(layouts(), st.data())
def test_an_id_gives_back_what_it_was_packed_of(layout: ChunkLayout, data: st.DataObject) -> None:
    layer = data.draw(st.integers(1, layout.n_layers))
    top = 2 ** layout.spatial_bits[layer] - 1
    coordinate = st.integers(0, top)
    chunk = [data.draw(coordinate) for _ in range(3)]
    number = data.draw(st.integers(0, 2 ** layout.segment_bits(layer) - 1))
    node = layout.pack(layer, chunk, number)
    assert int(layer_of(node)) == layer
    assert layout.chunk_of(node, layer).tolist() == chunk
    assert int(layout.segment_of(node, layer)) == number
    assert int(layout.chunk_key(node, layer)) == int(layout.pack(layer, chunk, 0))


def test_bits_are_those_of_the_production() -> None:
    two_chunks = ChunkLayout((64, 64, 64), (128, 64, 64))
    assert two_chunks.n_layers == 3
    assert dict(two_chunks.spatial_bits) == {1: 10, 2: 10, 3: 1}
    eight = ChunkLayout((64, 64, 64), (512, 64, 64))
    assert eight.n_layers == 5
    assert dict(eight.spatial_bits) == {1: 10, 2: 10, 3: 2, 4: 1, 5: 1}
    assert int(two_chunks.pack(3, (0, 0, 0), 7)) == (3 << 56) + 7
    assert (
        int(two_chunks.pack(2, (1, 2, 3), 4)) == (2 << 56) | (1 << 46) | (2 << 36) | (3 << 26) | 4
    )


@given(layouts())
def test_every_chunk_climbs_to_the_single_chunk_of_the_roots(layout: ChunkLayout) -> None:
    chunk = np.asarray(layout.grid) - 1
    for layer in range(1, layout.n_layers):
        assert (chunk < 2 ** layout.spatial_bits[layer]).all()
        chunk = layout.parent_chunk(chunk, layer)
    assert chunk.tolist() == [0, 0, 0]


def test_what_does_not_fit_is_refused() -> None:
    layout = ChunkLayout((64, 64, 64), (128, 64, 64))
    with pytest.raises(InputError):
        layout.pack(3, (2, 0, 0), 1)
    with pytest.raises(InputError):
        layout.pack(2, (0, 0, 0), 2**40)
    with pytest.raises(InputError):
        ChunkLayout((10, 10, 10), (100_000, 10, 10))


def test_chunks_are_cubes_in_nm() -> None:
    assert chunk_size_for((10, 10, 10)) == (64, 64, 64)
    assert chunk_size_for((8, 8, 40)) == (128, 128, 16)


def test_chunks_meeting_a_box() -> None:
    layout = ChunkLayout((64, 64, 64), (130, 64, 64))
    assert layout.chunks_meeting((63, 65, 0, 1, -5, 500)) == ((0, 0, 0), (2, 1, 1))
    first, last = layout.chunks_meeting((500, 600, 0, 1, 0, 1))
    assert first[0] == last[0]
    assert layout.chunk_bounds((2, 0, 0)) == (128, 130, 0, 64, 0, 64)
