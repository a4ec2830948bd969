from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.errors import InputError
from connectome.graph import Ids
from connectome.offline.engine import GraphEngine
from connectome.offline.layout import DatastackFolder
from connectome.offline.scoring import Score, score, score_table
from tests.data import shared_data
from tests.unit.offline.volumes import make_datastack, point_in, read_supervoxels, slabs


def table(roots: list[int], truth: list[int], counts: list[int], overlap: int = 1000) -> Score:
    def to_ids(values: list[int]) -> Ids:
        return np.asarray(values, dtype=np.uint64)

    voxels = np.asarray(counts, dtype=np.int64)
    return score_table(to_ids(roots), to_ids(truth), voxels, voxels, overlap=overlap)


def test_a_body_in_two_roots_is_a_split_error() -> None:
    found = table([1, 2], [9, 9], [3000, 3000])
    assert found.vi == pytest.approx(np.log(2))
    assert found.vi_split == pytest.approx(np.log(2))
    assert (found.vi_merge, found.split_errors, found.merge_errors) == (0.0, 1, 0)
    assert found.voxels == 6000


def test_two_bodies_in_one_root_are_a_merge_error() -> None:
    found = table([1, 1], [8, 9], [3000, 3000])
    assert found.vi == pytest.approx(np.log(2))
    assert found.vi_merge == pytest.approx(np.log(2))
    assert (found.vi_split, found.split_errors, found.merge_errors) == (0.0, 0, 1)


def test_unassigned_voxels_are_one_segment_in_the_entropies_only() -> None:
    half = table([0, 1], [9, 9], [3000, 3000])
    assert half.vi_split == pytest.approx(np.log(2))
    assert half.split_errors == 0
    both = table([0, 0], [8, 9], [3000, 3000])
    assert both.vi_merge == pytest.approx(np.log(2))
    assert both.merge_errors == 0


def test_small_overlaps_and_background_do_not_count() -> None:
    found = table([1, 2, 3], [9, 9, 0], [3000, 999, 10**6])
    assert found.split_errors == 0
    assert found.voxels == 3999
    assert table([3], [0], [50]) == Score(0.0, 0.0, 0.0, 0, 0, 0)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.integers(1, 5)), st.integers(1, 5000), min_size=1
    )
)
def test_scores_mirror_each_other(cells: dict[tuple[int, int], int]) -> None:
    roots, truth = [r + 1 for r, _ in cells], [t for _, t in cells]
    one = table(roots, truth, list(cells.values()))
    other = table(truth, roots, list(cells.values()))
    assert one.vi == pytest.approx(other.vi)
    assert one.vi_split == pytest.approx(other.vi_merge)
    assert one.split_errors == other.merge_errors
    assert 0 <= one.vi <= 2 * np.log(6) + 1e-9


def test_edits_move_the_score(engine: GraphEngine, folder: DatastackFolder) -> None:
    perfect = score(folder, engine=engine)
    assert perfect.vi == pytest.approx(0, abs=1e-12)
    supervoxels = read_supervoxels(folder)
    before = engine.oldest_timestamp()
    engine.merge(point_in(supervoxels, (10, 10, 10)), point_in(supervoxels, (10, 10, 40)), "x")
    worse = score(folder)
    assert worse.vi_merge > 0.1
    assert worse.vi_split == pytest.approx(0, abs=1e-12)
    assert (worse.split_errors, worse.merge_errors) == (0, 1)
    assert score(folder, engine=engine, timestamp=before) == perfect
    assert score(folder, engine=engine, ignore=(5,)).vi == pytest.approx(0, abs=1e-12)


def test_thin_overlaps_at_borders_are_no_errors(tmp_path: Path) -> None:
    pieces, segments = slabs()
    shifted = np.roll(segments, 3, axis=2)
    shifted[:, :, :3] = segments[:, :, :1]
    make_datastack(tmp_path / "x", pieces, segments, truth=shifted)
    found = score(DatastackFolder.open(tmp_path / "x"))
    assert found.vi > 0.2
    # 20 x 40 x 3 voxels overlap at each border, of which 20 x 40 x 1 are core.
    assert (found.split_errors, found.merge_errors) == (0, 0)


def test_fib25_counts_are_those_of_the_protocol(tmp_path: Path) -> None:
    labels = np.load(shared_data("fib25") / "labels.npz")
    truth, automatic = labels["groundtruth"], labels["segmentation"]
    from connectome.offline.scoring import _pairs, _with_core

    box = (slice(0, 250), slice(0, 250), slice(0, 250))
    bodies, core = _with_core(truth.T[..., np.newaxis], box, (250, 250, 250))
    pairs, counts = _pairs(automatic.T.ravel(order="F").astype(np.uint64), bodies, core)
    found = score_table(pairs[:, 0], pairs[:, 1], counts[:, 0], counts[:, 1], ignore=(135478,))
    assert (found.split_errors, found.merge_errors) == (54, 10)


def test_no_ground_truth_is_said(tmp_path: Path) -> None:
    pieces, segments = slabs()
    make_datastack(tmp_path / "x", pieces, segments)
    with pytest.raises(InputError, match="no ground truth"):
        score(DatastackFolder.open(tmp_path / "x"))
