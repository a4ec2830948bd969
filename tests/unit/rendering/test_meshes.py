"""Meshes for a view over the real fetching paths: files, a web server, a chunked graph."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from connectome.datastack import Datastack, Mesh
from connectome.errors import NotFoundError, OfflineError, OutsideVolumeError, ProofdeskError
from connectome.graph import GraphPoint, MergeRequest
from connectome.opening import open_datastack
from connectome.space import BoxNm, PointNm
from rendering.disk_cache import DiskCache
from rendering.mesh_cache import MeshCache
from rendering.meshes import MeshFetcher, StaleRootError
from rendering.picture import PictureState
from rendering.surfaces import BrokenMeshError, NotInViewError, PartialMeshError
from rendering.trouble import Trouble, attempt
from tests.contract.volumes import CUT, ingest_tubes, tube_point
from tests.data import shared_data
from tests.unit.rendering.flat import legacy_bytes, write_flat
from tests.unit.rendering.shapes import box_mesh

CENTER = (1000.0, 1000.0, 1000.0)
GOOD = box_mesh((900, 900, 900), (1300, 1300, 1300))
EMPTY = np.zeros((0, 3))


def spoiled() -> Mesh:
    vertices = GOOD.vertices_nm.copy()
    vertices[3, 1] = np.nan
    return Mesh(vertices, GOOD.faces)


FRAGMENTS: dict[int, bytes | None] = {
    1: legacy_bytes(GOOD),
    2: legacy_bytes(spoiled()),
    3: legacy_bytes(Mesh(GOOD.vertices_nm, GOOD.faces + np.uint32(20))),
    4: legacy_bytes(Mesh(EMPTY.astype(np.float32), EMPTY.astype(np.uint32))),
    5: legacy_bytes(Mesh(GOOD.vertices_nm, EMPTY.astype(np.uint32))),
    6: b"this is no mesh at all",
    7: None,
    8: legacy_bytes(GOOD)[:50],
    9: b"",
    10: legacy_bytes(box_mesh((2000, 2000, 2000), (2100, 2100, 2100))),
}


# Flat segmentations


@pytest.fixture
def flat(tmp_path: Path) -> Iterator[Datastack]:
    datastack = open_datastack(f"precomputed:{write_flat(tmp_path / 'flat', FRAGMENTS)}")
    yield datastack
    datastack.close()


def test_a_mesh_comes_centred_and_coloured(flat: Datastack) -> None:
    surface = MeshFetcher(flat).around(1, CENTER, 500.0, color="#123456")
    corners = surface.positions[surface.faces] + np.array(CENTER, np.float32)
    # cloud-volume makes one vertex of those at one place, in an order of its own.
    assert len(surface.faces) == len(GOOD.faces)
    assert corners.min() == 900
    assert corners.max() == 1300
    assert surface.color == "#123456"
    assert surface.missing == ()


@pytest.mark.parametrize(
    ("segment", "state", "word"),
    [
        (2, PictureState.BROKEN_MESH, "no numbers"),
        (3, PictureState.BROKEN_MESH, "mesh of 3 cannot be read"),
        (4, PictureState.MISSING_MESH, "segment 4 has no mesh"),
        (5, PictureState.MISSING_MESH, "segment 5 has no mesh"),
        (6, PictureState.BROKEN_MESH, "mesh of 6 cannot be read"),
        (7, PictureState.BROKEN_MESH, "mesh of 7 cannot be read"),
        (8, PictureState.BROKEN_MESH, "mesh of 8 cannot be read"),
        (9, PictureState.BROKEN_MESH, "mesh of 9 cannot be read"),
        (10, PictureState.NOT_IN_VIEW, "segment 10 does not reach"),
        (11, PictureState.MISSING_MESH, "segment 11 has no mesh"),
    ],
)
def test_every_bad_mesh_is_a_state_with_its_segment(
    flat: Datastack, segment: int, state: PictureState, word: str
) -> None:
    fetcher = MeshFetcher(flat)
    trouble = attempt(lambda: fetcher.around(segment, CENTER, 500.0))
    assert isinstance(trouble, Trouble)
    assert trouble.state is state
    assert word in trouble.reason
    # The next one is none the worse for it.
    assert len(fetcher.around(1, CENTER, 500.0).faces) == 12


def test_a_place_outside_the_volume_is_said(flat: Datastack) -> None:
    with pytest.raises(OutsideVolumeError):
        MeshFetcher(flat).around(1, (90_000.0, 0.0, 0.0), 500.0)


def count(datastack: Datastack, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note from now on what is asked of the datastack's meshes."""
    asked: list[int] = []
    ask = datastack.meshes.mesh

    def noted(root: int, box: BoxNm | None = None) -> Mesh:
        asked.append(root)
        return ask(root, box)

    monkeypatch.setattr(datastack.meshes, "mesh", noted)
    return asked


def test_a_whole_mesh_is_fetched_once(flat: Datastack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count(flat, monkeypatch)
    fetcher = MeshFetcher(flat)
    for center in (CENTER, (1200.0, 1200.0, 1200.0), CENTER):
        fetcher.around(1, center, 300.0)
        fetcher.around(1, center, 300.0, detail_nm=50.0)
    assert asked == [1]
    fetcher.forget()
    fetcher.around(1, CENTER, 300.0)
    assert asked == [1, 1]


def test_many_threads_fetch_it_once(flat: Datastack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = count(flat, monkeypatch)
    fetcher = MeshFetcher(flat)
    start = threading.Barrier(8)
    sizes: list[int] = []

    def look() -> None:
        start.wait(10)
        sizes.append(len(fetcher.around(1, CENTER, 500.0).faces))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sizes == [12] * 8
    assert asked == [1]


# A web server


class Files(http.server.SimpleHTTPRequestHandler):
    """The files of a folder, quietly."""

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Datastack]:
    folder = write_flat(tmp_path / "flat", FRAGMENTS)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Files, directory=str(folder))
    )
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    datastack = open_datastack(f"precomputed:http://127.0.0.1:{server.server_port}")
    yield datastack
    datastack.close()
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_meshes_from_the_web_outlive_the_program(
    web: Datastack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = count(web, monkeypatch)
    disk = DiskCache(tmp_path / "cache")
    for _ in range(2):
        surface = MeshFetcher(web, MeshCache(disk=disk, name="web")).around(1, CENTER, 500.0)
        assert len(surface.faces) == 12
    assert asked == [1]
    MeshFetcher(web, MeshCache(disk=disk, name="other")).around(1, CENTER, 500.0)
    assert asked == [1, 1]


def test_a_bad_mesh_is_not_written_to_disk(web: Datastack, tmp_path: Path) -> None:
    disk = DiskCache(tmp_path / "cache")
    with pytest.raises(BrokenMeshError):
        MeshFetcher(web, MeshCache(disk=disk)).around(2, CENTER, 500.0)
    assert disk.used_bytes() == 0


def test_a_server_that_stumbles_is_asked_again(
    web: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = web.meshes.mesh
    errors: list[ProofdeskError] = [OfflineError("No answer.")]

    def stumbling(root: int, box: BoxNm | None = None) -> Mesh:
        if errors:
            raise errors.pop()
        return ask(root, box)

    monkeypatch.setattr(web.meshes, "mesh", stumbling)
    fetcher = MeshFetcher(web)
    assert len(fetcher.around(1, CENTER, 500.0).faces) == 12
    fetcher.forget()
    errors += [OfflineError("No answer."), OfflineError("No answer.")]
    trouble = attempt(lambda: fetcher.around(1, CENTER, 500.0))
    assert isinstance(trouble, Trouble)
    assert trouble.state is PictureState.UNREACHABLE
    assert trouble.picture("front", 1.0).retry


# A chunked graph


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ingest_tubes(tmp_path_factory.mktemp("meshes") / "tubes")


@pytest.fixture
def tubes(ingested: Path, tmp_path: Path) -> Iterator[Datastack]:
    datastack = open_datastack(str(shutil.copytree(ingested, tmp_path / "tubes")))
    yield datastack
    datastack.close()


LEFT = tube_point(0, 60)
"""In a tube, near the border between its two chunks and its cut."""


def root_at(datastack: Datastack, point: PointNm) -> int:
    return int(datastack.segmentation.read_roots(BoxNm.around(point, 4.0)).data[0, 0, 0])


def test_only_pieces_in_the_box_are_fetched(
    tubes: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_at(tubes, LEFT)
    whole = tubes.meshes.mesh(root)
    asked = count(tubes, monkeypatch)
    fetcher = MeshFetcher(tubes)
    # The box ends before the chunk border at 64 voxels of 8 nm.
    part = fetcher.around(root, tube_point(0, 20), 200.0)
    assert len(asked) == 1
    assert root not in asked
    assert 0 < len(part.faces) < len(whole.faces)
    both = fetcher.around(root, LEFT, 400.0)
    assert len(asked) == 2
    assert both.missing == ()


def test_the_whole_is_made_of_its_pieces(tubes: Datastack) -> None:
    root = root_at(tubes, LEFT)
    fetcher = MeshFetcher(tubes)
    pieces = fetcher.pieces(root, LEFT, 2000.0)
    whole = fetcher.around(root, LEFT, 2000.0)
    assert len(pieces) == 2
    assert sum(len(piece.faces) for piece in pieces.values()) == len(whole.faces)
    reach = [piece.positions[:, 0].max() for _, piece in sorted(pieces.items())]
    assert whole.positions[:, 0].max() == max(reach) > min(reach)


def test_after_an_edit_only_new_pieces_are_fetched(
    tubes: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = [tube_point(0, CUT - 6), tube_point(0, CUT + 6)]
    old = root_at(tubes, LEFT)
    fetcher = MeshFetcher(tubes)
    before = set(fetcher.pieces(old, LEFT, 500.0))
    graph = tubes.graph
    assert graph is not None
    fetcher.require_current(old)
    graph.merge(MergeRequest(*(GraphPoint(tubes.supervoxel_at(p), p) for p in ends)))
    new = root_at(tubes, LEFT)
    assert new != old
    asked = count(tubes, monkeypatch)
    after = set(fetcher.pieces(new, LEFT, 500.0))
    assert before & after
    assert set(asked) == after - before
    with pytest.raises(StaleRootError, match=str(old)):
        fetcher.require_current(new, old)
    trouble = attempt(lambda: fetcher.require_current(old))
    assert isinstance(trouble, Trouble)
    assert trouble.state is PictureState.STALE


def fragments(datastack: Datastack, node: int) -> list[Path]:
    """Return the files of a node's surface."""
    found = list(Path(datastack.address).glob(f"precomputed/supervoxels/mesh/{node}_*"))
    assert found
    return found


def lose(datastack: Datastack, node: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose the fragment of a node, and the power to make it again."""
    for path in fragments(datastack, node):
        path.unlink()
    monkeypatch.setattr("connectome.offline.meshing.surfaces", lambda *_: {})


def test_a_missing_fragment_is_partial_and_for_no_judge(
    tubes: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_at(tubes, LEFT)
    whole = MeshFetcher(tubes).pieces(root, LEFT, 500.0)
    node = max(whole)
    lose(tubes, node, monkeypatch)
    fetcher = MeshFetcher(tubes)
    with pytest.raises(PartialMeshError, match="a piece is missing") as caught:
        fetcher.around(root, LEFT, 500.0)
    assert caught.value.missing == (node,)
    trouble = attempt(lambda: fetcher.around(root, LEFT, 500.0))
    assert isinstance(trouble, Trouble)
    assert trouble.state is PictureState.PARTIAL
    shown = fetcher.around(root, LEFT, 500.0, partial_ok=True)
    assert shown.missing == (node,)
    assert len(shown.faces) == len(whole[min(whole)].faces)


def test_a_missing_speck_is_no_matter(tubes: Datastack, monkeypatch: pytest.MonkeyPatch) -> None:
    root = root_at(tubes, LEFT)
    lose(tubes, max(MeshFetcher(tubes).pieces(root, LEFT, 500.0)), monkeypatch)
    asked = count(tubes, monkeypatch)
    fetcher = MeshFetcher(tubes)
    # In a view of 40 µm the piece is shorter than a fortieth of the picture.
    for _ in range(2):
        assert fetcher.around(root, LEFT, 20_000.0).missing == ()
    assert len(asked) == 2


def test_with_all_pieces_lost_there_is_no_mesh(
    tubes: Datastack, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = root_at(tubes, LEFT)
    for node in MeshFetcher(tubes).pieces(root, LEFT, 500.0):
        lose(tubes, node, monkeypatch)
    with pytest.raises(NotFoundError, match=f"segment {root} has no mesh here"):
        MeshFetcher(tubes).around(root, LEFT, 500.0, partial_ok=True)


def test_a_damaged_fragment_is_a_broken_mesh(tubes: Datastack) -> None:
    root = root_at(tubes, LEFT)
    node = max(MeshFetcher(tubes).pieces(root, LEFT, 500.0))
    for path in fragments(tubes, node):
        path.write_bytes(b"DRACO, but not for long")
    with pytest.raises(BrokenMeshError, match=f"mesh of {node} cannot be read"):
        MeshFetcher(tubes).around(root, LEFT, 500.0)


def test_chunked_segments_out_of_view_or_unknown_are_said(tubes: Datastack) -> None:
    fetcher = MeshFetcher(tubes)
    root = root_at(tubes, LEFT)
    with pytest.raises(NotInViewError, match=str(root)):
        fetcher.around(root, tube_point(0, 140), 40.0)
    with pytest.raises(OutsideVolumeError):
        fetcher.around(root, (-9000.0, 0.0, 0.0), 40.0)
    trouble = attempt(lambda: fetcher.around(987654321, LEFT, 40.0))
    assert isinstance(trouble, Trouble)
    assert trouble.state is PictureState.MISSING_MESH


def test_a_server_gives_the_same_surface(tubes: Datastack) -> None:
    from connectome.cave.datastack import CaveDatastack
    from connectome.offline.datastack import OfflineDatastack

    assert isinstance(tubes, OfflineDatastack)
    address = tubes.service()
    server = CaveDatastack(address.name, address.url, address.token)
    root = root_at(tubes, LEFT)
    here, there = (MeshFetcher(d).around(root, LEFT, 300.0) for d in (tubes, server))
    server.close()
    np.testing.assert_allclose(
        np.sort(here.positions[here.faces].reshape(-1, 9), axis=0),
        np.sort(there.positions[there.faces].reshape(-1, 9), axis=0),
        atol=1.0,
    )


# Real meshes


def test_a_real_mesh_is_cropped_as_by_hand() -> None:
    pinky = open_datastack(f"precomputed:{shared_data('pinky40')}")
    root, half = 25024949, 3000.0
    mesh = pinky.meshes.mesh(root)
    x, y, z = (float(v) for v in mesh.vertices_nm[len(mesh.vertices_nm) // 2])
    surface = MeshFetcher(pinky).around(root, (x, y, z), half)
    pinky.close()
    local = mesh.vertices_nm.astype(np.float64) - (x, y, z)
    corners = local[mesh.faces]
    kept = ((corners.min(axis=1) <= half) & (corners.max(axis=1) >= -half)).all(axis=1)
    wanted, found = corners[kept], surface.positions[surface.faces]
    assert len(found) == len(wanted) > 1000
    np.testing.assert_allclose(
        np.sort(found.reshape(-1, 9), axis=0), np.sort(wanted.reshape(-1, 9), axis=0), atol=0.01
    )
    np.testing.assert_array_equal(np.unique(surface.faces), np.arange(len(surface.positions)))
