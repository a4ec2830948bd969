from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.lattice import write_lattice
from benchmarks.offline import graph_rows, ingest_rows
from connectome.offline.engine import GraphEngine
from connectome.offline.rewiring import components


def test_a_lattice_keeps_the_rules_of_a_graph(tmp_path: Path) -> None:
    lattice = write_lattice(tmp_path / "lattice", 20)
    base = lattice.base
    assert (np.diff(base.sv_ids.astype(np.int64)) > 0).all()
    assert (np.diff(base.l2_ids.astype(np.int64)) > 0).all()
    assert len(base.edge_a) == 3 * 19 * 20 * 20
    root = base.l2_root[base.sv_l2]
    active = base.edge_active
    ends = base.edge_a.astype(np.int64), base.edge_b.astype(np.int64)
    objects = components(len(base.sv_ids), ends[0][active], ends[1][active])
    assert len(objects) == len(base.root_labels) == 100
    assert all(len(np.unique(root[members])) == 1 for members in objects)
    inside = active & (base.sv_chunk_keys[ends[0]] == base.sv_chunk_keys[ends[1]])
    level2 = components(len(base.sv_ids), ends[0][inside], ends[1][inside])
    assert len(level2) == len(base.l2_ids) == 200
    assert all(len(np.unique(base.sv_l2[members])) == 1 for members in level2)
    engine = GraphEngine.open(lattice.folder, read_only=True)
    assert (
        engine.roots(np.asarray([lattice.id_at(3, 4, 5)], dtype=np.uint64))[0]
        == root[np.searchsorted(base.sv_ids, np.uint64(lattice.id_at(3, 4, 5)))]
    )
    engine.close()


def test_reads_and_merges_are_measured_through_the_service() -> None:
    roots, merge = graph_rows(side=20, merges=3)
    assert (roots.unit, roots.goal, roots.n) == ("ms", "< 1500", 3)
    assert (merge.unit, merge.goal, merge.n) == ("ms", "< 150", 3)
    for row in (roots, merge):
        assert row.value is not None
        assert row.value > 0
        assert row.ok == (row.value < float(row.goal.removeprefix("< ")))


def test_absent_data_is_said(tmp_path: Path) -> None:
    (row,) = ingest_rows(tmp_path)
    assert row.value is None
    assert row.ok is None
    assert "fib25" in row.note
