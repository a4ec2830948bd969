from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from connectome.errors import DatastackError, VolumeError
from connectome.offline.base import FAKE_AFFINITY, BaseGraph
from connectome.offline.engine import GraphEngine
from connectome.offline.ids import ChunkLayout
from connectome.offline.ingest import IngestRequest, ingest
from connectome.offline.layout import DatastackFolder
from connectome.offline.membranes import openness
from connectome.offline.partition import cut_supervoxels
from connectome.offline.region_graph import build_graph
from connectome.offline.scoring import score
from tests.data import shared_data
from tests.unit.offline.volumes import (
    VOXEL_NM,
    Labels,
    em_like,
    make_datastack,
    quiet,
    read_supervoxels,
    root_volume,
    same_partition,
    slabs,
)


@st.composite
def random_volumes(draw: st.DrawFn) -> tuple[Labels, Labels, ChunkLayout]:
    shape = tuple(draw(st.integers(1, 9)) for _ in range(3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    segments = rng.integers(0, draw(st.integers(1, 4)) + 1, shape).astype(np.uint32)
    pieces = rng.integers(0, draw(st.integers(1, 3)) + 1, shape).astype(np.uint32)
    chunk = tuple(draw(st.integers(2, 6)) for _ in range(3))
    layout = ChunkLayout((chunk[0], chunk[1], chunk[2]), (shape[2], shape[1], shape[0]))
    return pieces, segments, layout


def graph_of(
    pieces: Labels, segments: Labels, layout: ChunkLayout, sliver_voxels: int = 0
) -> tuple[BaseGraph, np.ndarray[tuple[int, ...], np.dtype[np.uint32]]]:
    supervoxels = cut_supervoxels(pieces, segments, layout, sliver_voxels=sliver_voxels)
    shape = (segments.shape[0], segments.shape[1], segments.shape[2])
    return build_graph(supervoxels, em_like(shape), layout, VOXEL_NM, 0), supervoxels.numbers


@settings(max_examples=60, deadline=None)
@given(random_volumes(), st.sampled_from([0, 3, 50]))
def test_roots_are_exactly_the_segments(
    volumes: tuple[Labels, Labels, ChunkLayout], sliver_voxels: int
) -> None:
    base, numbers = graph_of(*volumes, sliver_voxels)
    _, segments, layout = volumes
    root_of = np.append(np.uint64(0), base.l2_root[base.sv_l2])
    assert same_partition(root_of[numbers], segments)
    labels = np.append(np.uint64(0), base.root_labels)
    number = layout.segment_of(root_of[numbers], layout.n_layers).astype(np.int64)
    assert np.array_equal(labels[number], segments)


@settings(max_examples=60, deadline=None)
@given(random_volumes())
def test_slivers_join_what_they_touch(volumes: tuple[Labels, Labels, ChunkLayout]) -> None:
    pieces, segments, layout = volumes
    whole = cut_supervoxels(pieces, segments, layout, sliver_voxels=0)
    joined = cut_supervoxels(pieces, segments, layout, sliver_voxels=5)
    # Every piece lies whole in one supervoxel of the same segment and chunk.
    pairs = np.unique(np.stack([whole.numbers.ravel(), joined.numbers.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(whole.numbers))
    old, new = (numbers[numbers > 0].astype(np.int64) - 1 for numbers in pairs)
    assert np.array_equal(whole.segments[old], joined.segments[new])
    key = layout.chunk_key(whole.ids, 1)[old]
    assert np.array_equal(key, layout.chunk_key(joined.ids, 1)[new])
    # Pieces that are big enough stay apart, and what is still small touches no other.
    n_big = np.bincount(new, whole.sizes[old] >= 5, minlength=len(joined.ids))
    assert (n_big <= 1).all()
    for number in np.flatnonzero(joined.sizes < 5) + 1:
        near = ndimage.binary_dilation(joined.numbers == number, np.ones((3, 3, 3), np.bool_))
        others = np.setdiff1d(joined.numbers[near], [0, number]) - 1
        same = joined.segments[others] == joined.segments[number - 1]
        keys = layout.chunk_key(joined.ids, 1)
        assert not (same & (keys[others] == keys[number - 1])).any()


def test_a_sliver_joins_the_piece_that_it_touches_most() -> None:
    segments = np.ones((1, 12, 16), dtype=np.uint32)
    pieces = np.ones((1, 12, 16), dtype=np.uint32)
    pieces[:, :, 8:] = 2
    pieces[:, 5, 6:9] = 3  # three voxels: touches 1 with five faces, 2 with three
    joined = cut_supervoxels(pieces, segments, ChunkLayout((64, 64, 64), (16, 12, 1)))
    assert joined.sizes.tolist() == [12 * 8 + 1, 12 * 8 - 1]
    assert len(np.unique(joined.numbers[0, 5, 6:9])) == 1


@settings(max_examples=60, deadline=None)
@given(random_volumes())
def test_the_graph_keeps_its_rules(volumes: tuple[Labels, Labels, ChunkLayout]) -> None:
    base, numbers = graph_of(*volumes)
    pieces, segments, layout = volumes
    assert (np.diff(base.sv_ids.astype(np.int64)) > 0).all()
    assert (np.diff(base.l2_ids.astype(np.int64)) > 0).all()
    assert np.array_equal(base.positions(base.sv_ids), np.arange(len(base.sv_ids)))
    assert np.array_equal(base.sv_sizes, np.bincount(numbers.ravel())[1:][: len(base.sv_ids)])
    # A supervoxel lies in one chunk, one original supervoxel and one segment.
    where = np.argwhere(numbers)
    found = numbers[tuple(where.T)] - 1
    chunk = where[:, ::-1] // np.asarray(layout.chunk_size)
    assert np.array_equal(layout.chunk_of(base.sv_ids[found], 1), chunk)
    for volume in (pieces, segments):
        pairs = np.unique(np.stack([found, volume[tuple(where.T)]]), axis=1)
        assert pairs.shape[1] == len(base.sv_ids)
    # An L2 node lies in one chunk and one root.
    assert np.array_equal(
        layout.chunk_of(base.l2_ids[base.sv_l2], 2), layout.chunk_of(base.sv_ids, 1)
    )
    assert (base.edge_a < base.edge_b).all()
    root = base.l2_root[base.sv_l2]
    assert np.array_equal(base.edge_active, root[base.edge_a] == root[base.edge_b])


def test_edges_carry_area_and_affinity() -> None:
    pieces, segments = slabs()
    layout = ChunkLayout((64, 64, 64), (70, 40, 20))
    base, _ = graph_of(pieces, segments, layout)
    cut = np.isinf(base.edge_affinity)
    assert cut.sum() == 2  # the two supervoxels of segment 7 go on in the second chunk
    assert base.edge_active[cut].all()
    assert np.array_equal(np.sort(base.edge_area_nm2[cut]), [20 * 20 * 256] * 2)
    joined = base.edge_affinity == np.float32(FAKE_AFFINITY)
    assert joined.sum() == 1  # the two parts of segment 9
    assert base.edge_active[joined].all()
    rest = base.edge_affinity[~cut & ~joined]
    assert (rest >= 0.001).all()
    assert (rest <= 1).all()


def test_dark_contacts_have_low_affinity() -> None:
    segments = np.repeat(np.asarray([1, 2, 3], dtype=np.uint32), 8)
    volume = np.broadcast_to(segments, (8, 8, 24)).copy()
    em = np.full(volume.shape, 200, dtype=np.uint8)
    em[..., 7:9] = 20
    layout = ChunkLayout((64, 64, 64), (24, 8, 8))
    base = build_graph(cut_supervoxels(volume, volume, layout), em, layout, VOXEL_NM, 0)
    dark, bright = base.edge_affinity.tolist()
    assert dark < 0.01
    assert bright > 0.99


def test_a_wide_dark_body_is_no_membrane() -> None:
    em = np.full((24, 24, 40), 200, dtype=np.uint8)
    em[..., 10:30] = 60  # a mitochondrion of 200 nm
    em[..., 4] = 60  # a membrane
    free = openness(em, (10.0, 10.0, 10.0))
    assert free[12, 12, 4] == 0
    assert (free[..., 14:26] == 255).all()
    across = openness(np.ascontiguousarray(em.T), (10.0, 10.0, 50.0))
    assert (across == 255).all()  # along an axis of 50 nm nothing is thin


def test_slabs_leave_no_mark_on_the_openness() -> None:
    em = em_like((70, 12, 12))
    whole = openness(em, VOXEL_NM)
    # The contrast is that of the volume, so the mirrored volume has the mirrored answer.
    assert np.array_equal(openness(em[::-1].copy(), VOXEL_NM)[::-1], whole)


def test_a_datastack_reads_back_as_its_segmentation(slab_datastack: Path) -> None:
    folder = DatastackFolder.open(slab_datastack)
    engine = GraphEngine.open(folder, read_only=True)
    supervoxels = read_supervoxels(folder)
    _, segments = slabs()
    assert same_partition(root_volume(engine, supervoxels), segments)
    assert len(engine.current_roots()) == 4
    assert engine.sizes(engine.current_roots()).sum() == (segments > 0).sum()
    engine.close()


def test_without_supervoxels_a_watershed_makes_some(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).random((32, 48, 48))
    smooth = ndimage.gaussian_filter(noise, 3)
    em = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    segments = np.ones(em.shape, dtype=np.uint64)
    segments[:, 24:] = 2**60
    request = IngestRequest(
        em=em, segmentation=segments, resolution_nm=VOXEL_NM, name="offline_w", out=tmp_path / "w"
    )
    summary = ingest(request, quiet)
    assert summary.n_roots == 2
    assert summary.n_supervoxels > 10
    folder = DatastackFolder.open(summary.path)
    engine = GraphEngine.open(folder, read_only=True)
    assert same_partition(root_volume(engine, read_supervoxels(folder)), segments)
    engine.close()


def test_two_ingests_of_the_same_volumes_are_equal(tmp_path: Path, slab_datastack: Path) -> None:
    pieces, segments = slabs()
    make_datastack(tmp_path / "again", pieces, segments, truth=segments)
    for file in sorted(slab_datastack.rglob("*")):
        twin = tmp_path / "again" / file.relative_to(slab_datastack)
        if file.is_file() and file.suffix != ".json" and "sqlite" not in file.name:
            assert twin.read_bytes() == file.read_bytes(), file


class _PowerCutError(Exception):
    pass


@pytest.mark.parametrize("stage", ["building the graph", "writing the EM", "making meshes"])
def test_a_run_cut_off_is_refused_and_starts_afresh(tmp_path: Path, stage: str) -> None:
    pieces, segments = slabs()
    out = tmp_path / "half"
    request = IngestRequest(
        em=em_like((20, 40, 70)),
        supervoxels=pieces,
        segmentation=segments,
        resolution_nm=VOXEL_NM,
        name="offline_half",
        out=out,
    )

    def cut(now: str, _share: float) -> None:
        if now == stage:
            raise _PowerCutError

    with pytest.raises(_PowerCutError):
        ingest(request, cut)
    with pytest.raises(DatastackError, match="Run the same ingest command again"):
        DatastackFolder.open(out)
    with pytest.raises(DatastackError):
        GraphEngine.open(DatastackFolder(out))
    assert not ingest(request, quiet).existed
    assert DatastackFolder.open(out).manifest.n_roots == 4
    assert ingest(request, quiet).existed


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path, slab_datastack: Path) -> None:
    pieces, segments = slabs()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("years of work")
    with pytest.raises(DatastackError, match="is no datastack"):
        make_datastack(tmp_path / "notes", pieces, segments)
    assert (tmp_path / "notes" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(DatastackError, match="other inputs"):
        make_datastack(slab_datastack, pieces, segments + 1)


def test_a_folder_that_is_no_datastack_is_named(tmp_path: Path, folder: DatastackFolder) -> None:
    with pytest.raises(DatastackError, match="no manifest"):
        DatastackFolder.open(tmp_path)
    data = json.loads(folder.manifest_path.read_text())
    folder.manifest_path.write_text(json.dumps(data | {"schema_version": 99}))
    with pytest.raises(DatastackError, match="Update Proofdesk"):
        DatastackFolder.open(folder.path)
    folder.manifest_path.write_text("{")
    with pytest.raises(DatastackError, match="cannot be read"):
        DatastackFolder.open(folder.path)


def test_names_are_never_those_of_real_datasets(tmp_path: Path) -> None:
    pieces, segments = slabs()
    for name in ("minnie65_public", "offline_", "offline_a/b"):
        request = IngestRequest(
            supervoxels=pieces,
            segmentation=segments,
            resolution_nm=VOXEL_NM,
            name=name,
            out=tmp_path,
        )
        with pytest.raises(DatastackError, match="offline_"):
            ingest(request, quiet)


def test_volumes_of_different_shape_are_refused(tmp_path: Path) -> None:
    pieces, segments = slabs()
    with pytest.raises(VolumeError, match="shape"):
        make_datastack(tmp_path / "x", pieces[1:], segments)
    assert not (tmp_path / "x").exists()


def test_real_microscopy_from_a_file(tmp_path: Path) -> None:
    source = np.load(shared_data("gala_mini") / "train.npz")
    cut = (slice(0, 40), slice(20, 70), slice(60, 140))
    np.savez(tmp_path / "v.npz", **{k: source[k][cut] for k in ("em", "ws", "gt")})
    request = IngestRequest(
        em=f"{tmp_path / 'v.npz'}:em",
        supervoxels=f"{tmp_path / 'v.npz'}:ws",
        segmentation=f"{tmp_path / 'v.npz'}:gt",
        groundtruth=f"{tmp_path / 'v.npz'}:gt",
        resolution_nm=(10, 10, 10),
        name="offline_gala",
        out=tmp_path / "gala",
    )
    shares = []
    summary = ingest(request, lambda _stage, share: shares.append(share))
    assert all(0 <= share <= 1 for share in shares)
    folder = DatastackFolder.open(summary.path)
    engine = GraphEngine.open(folder, read_only=True)
    truth = source["gt"][cut].astype(np.uint64)
    assert same_partition(root_volume(engine, read_supervoxels(folder)), truth)
    assert score(folder, engine=engine).vi == pytest.approx(0, abs=1e-9)
    engine.close()


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_volumes())
def test_any_small_volume_survives_the_whole_ingest(
    volumes: tuple[Labels, Labels, ChunkLayout],
) -> None:
    pieces, segments, _ = volumes
    with tempfile.TemporaryDirectory() as out:
        make_datastack(Path(out), pieces, segments)
        folder = DatastackFolder.open(out)
        engine = GraphEngine.open(folder, read_only=True)
        assert same_partition(root_volume(engine, read_supervoxels(folder)), segments)
        engine.close()
