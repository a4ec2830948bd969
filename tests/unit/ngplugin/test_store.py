from __future__ import annotations

import struct
import threading

import numpy as np
import pytest

from connectome.space import BoxNm
from ngplugin.grid import CellKey, Grid
from ngplugin.snapshot import RECORD
from ngplugin.store import FLAG_CURRENT, FLAG_FAILED, SiteStore
from proofreading.decisions import Answer
from proofreading.sites import SiteKind
from tests.unit.ngplugin.sites import site

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1000.0, 1000.0, 500.0))
HIGH = 2**64 - 5


def make_store(limit: int = 1024) -> SiteStore:
    return SiteStore(BOUNDS, (10.0, 10.0, 10.0), cell_limit=limit)


def decode(body: bytes) -> tuple[np.ndarray, list[int]]:
    (count,) = struct.unpack_from("<Q", body)
    records = np.frombuffer(body, RECORD, count, 8)
    ids = np.frombuffer(body, "<u8", count, 8 + count * RECORD.itemsize)
    assert len(body) == 8 + count * (RECORD.itemsize + 8)
    return records, [int(i) for i in ids]


def cell(store: SiteStore, key: CellKey) -> tuple[np.ndarray, list[int]]:
    snapshot = store.snapshot
    return decode(snapshot.encode(snapshot.rows_in_cell(store.grid.code(key))))


def test_a_record_is_what_the_format_wants() -> None:
    store = make_store()
    assert store.add([site(HIGH, (10.0, 20.0, 30.0), SiteKind.JUNCTION)]) == {CellKey(0, 0, 0, 0)}
    records, ids = cell(store, CellKey(0, 0, 0, 0))
    assert ids == [HIGH]
    assert RECORD.itemsize == 20
    assert records["point"].tolist() == [[10.0, 20.0, 30.0]]
    assert records["properties"].tolist() == [(-1.0, 2, 0, 0, 0)]


def test_a_site_is_added_once() -> None:
    store = make_store()
    store.add([site(1, (0.0, 0.0, 0.0))])
    assert store.add([site(1, (0.0, 0.0, 0.0)), site(1, (0.0, 0.0, 0.0))]) == set()
    assert len(store) == 1
    assert f"{1:016x}" in store
    assert f"{2:016x}" not in store


def test_sites_fill_coarse_cells_first_and_every_site_is_in_one_cell() -> None:
    store = make_store(limit=3)
    rng = np.random.default_rng(1)
    points = rng.uniform((0, 0, 0), BOUNDS.upper, (60, 3))
    for i, (x, y, z) in enumerate(points):
        store.add([site(i + 1, (x, y, z))])
    found: list[int] = []
    for level, (nx, ny, nz) in enumerate(store.grid.shapes):
        size = store.grid.cell_size(level)
        for index in np.ndindex(nx, ny, nz):
            records, ids = cell(store, CellKey(level, *(int(i) for i in index)))
            found += ids
            low = np.array(index) * size
            assert (records["point"] >= low - 1e-3).all()
            assert (records["point"] <= low + size + 1e-3).all()
    assert sorted(found) == list(range(1, 61))
    assert len(cell(store, CellKey(0, 0, 0, 0))[1]) == 3


def test_a_cell_lists_what_matters_most_first() -> None:
    store = make_store()
    ids = [f"{n:016x}" for n in (1, 2, 3, 4)]
    store.add([site(n, (0.0, 0.0, 0.0)) for n in (1, 2, 3, 4)])
    store.set_probabilities(ids[:3], [0.2, 0.9, 0.95])
    store.set_answers([ids[2]], [Answer.ACCEPT])
    assert cell(store, CellKey(0, 0, 0, 0))[1] == [2, 1, 4, 3]


def test_changes_are_told_and_kept_apart() -> None:
    store = make_store()
    one, two = f"{1:016x}", f"{2:016x}"
    store.add([site(1, (0.0, 0.0, 0.0)), site(2, (1.0, 0.0, 0.0))])
    assert store.set_failed([one]) == [1]
    assert store.set_probabilities([two, "00000000000000ff"], [0.5, 0.1]) == [2]
    assert store.set_current(one) == [1]
    assert sorted(store.set_current(two)) == [1, 2]
    assert store.current == two
    packed = store.patch_of([2, 99, 1]).packed
    first, second = np.frombuffer(packed, RECORD["properties"])
    assert (float(first["probability"]), int(first["flags"])) == (0.5, FLAG_CURRENT)
    assert (float(second["probability"]), int(second["flags"])) == (-1.0, FLAG_FAILED)
    assert store.set_probabilities([one], [1.0]) == [1]
    assert store.set_answers([one, two], [Answer.REJECT, None]) == [1, 2]
    assert store.set_current(None) == [2]
    packed = store.patch_of([1, 2]).packed
    assert np.frombuffer(packed, RECORD["properties"]).tolist() == [
        (1.0, 0, 2, 0, 0),
        (0.5, 0, 0, 0, 0),
    ]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_only_probabilities_are_taken(value: float) -> None:
    store = make_store()
    store.add([site(1, (0.0, 0.0, 0.0))])
    with pytest.raises(ValueError, match="between 0 and 1"):
        store.set_probabilities([f"{1:016x}"], [value])


def test_a_snapshot_never_changes() -> None:
    store = make_store()
    store.add([site(n, (0.0, 0.0, 0.0)) for n in range(1, 5)])
    before = store.snapshot
    body = before.encode(before.rows_in_cell(0))
    store.set_probabilities([f"{n:016x}" for n in range(1, 5)], [0.1, 0.2, 0.3, 0.4])
    store.add([site(n, (0.0, 0.0, 0.0)) for n in range(5, 3000)])
    assert before.encode(before.rows_in_cell(0)) == body
    assert len(store) == 2999


def test_reading_while_writing_sees_whole_cells() -> None:
    store = SiteStore(BOUNDS, (10.0, 10.0, 10.0), levels=(1,))
    store.add([site(n, (0.0, 0.0, 0.0)) for n in range(1, 101)])
    names = [f"{n:016x}" for n in range(1, 101)]
    done = threading.Event()
    mixed: list[int] = []

    def read() -> None:
        while not done.is_set():
            records, _ = cell(store, CellKey(0, 0, 0, 0))
            mixed.append(len(set(records["properties"]["probability"][:100].tolist())))

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(200):
        store.set_probabilities(names, [step / 200] * 100)
    done.set()
    reader.join(10)
    assert mixed
    assert set(mixed) == {1}


def test_segments_lead_to_their_sites() -> None:
    store = make_store()
    root = 2**60 + 3
    store.add([site(1, (0.0, 0.0, 0.0), root=root), site(2, (0.0, 0.0, 0.0), root=root + 1)])
    assert store.snapshot.rows_of_segment(root).tolist() == [0]
    assert store.snapshot.rows_of_segment(root + 1).tolist() == [0, 1]
    assert store.snapshot.rows_of_segment(7).tolist() == []
    single = store.snapshot.encode_one(0)
    assert single[20:] == struct.pack("<IQQ", 2, root, root + 1)


def test_grid_codes_are_unique_and_outside_points_take_the_nearest_cell() -> None:
    grid = Grid(BOUNDS, (1, 4))
    assert grid.shapes == ((1, 1, 1), (4, 4, 2)) or grid.shapes[1] == (4, 4, 2)
    keys = [
        CellKey(level, *(int(i) for i in index))
        for level, shape in enumerate(grid.shapes)
        for index in np.ndindex(*shape)
    ]
    assert len({grid.code(key) for key in keys}) == len(keys)
    assert all(key in grid for key in keys)
    assert CellKey(1, 4, 0, 0) not in grid
    assert CellKey(2, 0, 0, 0) not in grid
    assert [grid.key(grid.code(key)) for key in keys] == keys
    outside = np.array([(-5.0, 2000.0, 499.0)], np.float32)
    assert grid.key(int(grid.codes(outside, 1)[0])) == CellKey(1, 0, 3, 1)


def joined(body: bytes) -> dict[CellKey, list[int]]:
    """Read what `rows_on_page` returns: the ids of each cell."""
    (cells,) = struct.unpack_from("<Q", body)
    heads = np.frombuffer(body, "<u4", 5 * cells, 8).reshape(cells, 5).tolist()
    count = sum(head[4] for head in heads)
    at = 8 + 20 * cells + count * RECORD.itemsize
    ids = np.frombuffer(body, "<u8", count, at).tolist()
    assert len(body) == at + 8 * count
    found = {}
    for *key, inside in heads:
        found[CellKey(*key)], ids = ids[:inside], ids[inside:]
    return found


def test_new_sites_come_by_the_cells_that_the_page_holds() -> None:
    store = make_store(limit=8)
    scattered(store, 20)
    assert joined(store.rows_on_page(0, 20)) == {}
    for code in range(store.grid.size):
        store.serve(code)
    coarse = store.grid.key(0)
    everything = joined(store.rows_on_page(0, 20))
    assert everything[coarse] == list(range(1, 9))
    assert sorted(n for ids in everything.values() for n in ids) == list(range(1, 21))
    assert all(cell(store, key)[1] == ids for key, ids in everything.items())
    late = joined(store.rows_on_page(15, 99))
    assert sorted(n for ids in late.values() for n in ids) == list(range(16, 21))


def scattered(store: SiteStore, count: int) -> list[str]:
    points = np.random.default_rng(3).uniform((0, 0, 0), BOUNDS.upper, (count, 3)).tolist()
    store.add([site(n + 1, (x, y, z)) for n, (x, y, z) in enumerate(points)])
    return [f"{n + 1:016x}" for n in range(count)]


def test_what_matters_most_is_put_into_the_coarse_cells() -> None:
    store = make_store(limit=8)
    ids = scattered(store, 100)
    chances = np.random.default_rng(4).random(100)
    store.set_probabilities(ids, chances.tolist())
    assert store.is_disordered
    before = store.snapshot
    coarse = before.encode(before.rows_in_cell(0))
    changed = store.arrange()
    best = set((np.argsort(-chances)[:8] + 1).tolist())
    assert set(cell(store, CellKey(0, 0, 0, 0))[1]) == best
    assert 0 in changed.tolist()
    assert not store.is_disordered
    assert before.encode(before.rows_in_cell(0)) == coarse
    every = range(store.grid.size)
    held = [n for code in every for n in cell(store, store.grid.key(code))[1]]
    assert sorted(held) == list(range(1, 101))
    assert not store.arrange().size


def test_only_cells_that_the_page_has_asked_for_are_patched() -> None:
    store = make_store(limit=8)
    scattered(store, 50)
    coarse = cell(store, CellKey(0, 0, 0, 0))[1]
    assert store.on_page(range(1, 51)) == []
    store.serve(0)
    assert sorted(store.on_page(range(1, 60))) == sorted(coarse)
    store.serve(None)
    assert len(store.on_page(range(1, 51))) == 50
    store.forget_served()
    assert store.on_page(range(1, 51)) == []


def test_a_veiled_site_looks_as_if_it_had_not_been_judged() -> None:
    store = make_store()
    ids = scattered(store, 3)
    store.set_probabilities(ids, [0.25, 0.5, 0.75])
    store.veils = lambda numbers: numbers == 2
    snapshot = store.snapshot
    records, numbers = decode(snapshot.encode(snapshot.rows_in_cell(0), store.veils))
    told = dict(zip(numbers, records["properties"]["probability"].tolist(), strict=True))
    assert told == {1: 0.25, 2: -1.0, 3: 0.75}
