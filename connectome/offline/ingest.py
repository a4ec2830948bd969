"""Volumes become an offline datastack.

The folder is marked incomplete before anything else is written and complete at the very
end, so that a run that was cut off is recognised, and the same command starts it afresh.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import DatastackError, MissingPackageError, StorageError
from connectome.offline.ids import ChunkLayout, chunk_size_for
from connectome.offline.layout import DatastackFolder, Manifest, check_name
from connectome.offline.mesh_worker import NUMBERS
from connectome.offline.volumes import (
    LoadedVolume,
    as_em,
    as_labels,
    check_resolution,
    check_same_shape,
    load_volume,
)

if TYPE_CHECKING:
    from connectome.offline.base import BaseGraph
    from connectome.offline.partition import Supervoxels

__all__ = ["IngestRequest", "IngestSummary", "Source", "ingest"]

Source = str | Path | NDArray[Any]
"""``FILE[:key]`` or an array (z, y, x)."""

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class IngestRequest:
    """What to ingest and where to.

    Parameters
    ----------
    segmentation : Source
        Segments that become the roots; 0 is background.
    resolution_nm : tuple of float
        Voxel size (x, y, z) in nm.
    name : str
        ``offline_...``.
    out : Path
        Folder of the datastack.
    em : Source, optional
        Microscopy; needed where `supervoxels` is absent.
    supervoxels : Source, optional
        Smallest pieces; without them a watershed on the EM makes some.
    groundtruth : Source, optional
        The true segmentation, for scores.
    """

    segmentation: Source
    resolution_nm: tuple[float, float, float]
    name: str
    out: Path
    em: Source | None = None
    supervoxels: Source | None = None
    groundtruth: Source | None = None


@dataclass(frozen=True)
class IngestSummary:
    """What an ingest made; `existed` where the same inputs had been ingested before."""

    path: Path
    name: str
    shape: tuple[int, int, int]
    n_supervoxels: int
    n_roots: int
    n_edges: int
    seconds: float
    existed: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Inputs:
    em: NDArray[np.uint8] | None
    supervoxels: NDArray[Any] | None
    segmentation: NDArray[Any]
    groundtruth: NDArray[Any] | None
    resolution_nm: tuple[float, float, float]
    notes: tuple[str, ...] = field(default=())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels (x, y, z)."""
        z, y, x = self.segmentation.shape
        return (x, y, z)


def ingest(request: IngestRequest, progress: Progress) -> IngestSummary:
    """Make an offline datastack whose roots are the segments.

    Parameters
    ----------
    request : IngestRequest
        Volumes and names.
    progress : callable
        Told the stage in words and its finished share, 0 to 1.

    Raises
    ------
    VolumeError
        If a volume cannot be used.
    DatastackError
        If the name is wrong, or the folder holds something else already.
    StorageError
        If the folder cannot be written.
    MissingPackageError
        If the ``offline`` extra is not installed.
    MachineError
        If a helper process ended, for lack of memory for example.
    """
    start = time.monotonic()
    check_name(request.name)
    progress("reading the volumes", 0.0)
    inputs = _load(request)
    fingerprint = _fingerprint(inputs, request.name)
    folder = DatastackFolder(Path(request.out))
    if _exists_already(folder, fingerprint):
        return _summary(folder, folder.manifest, start, inputs.notes, existed=True)
    manifest = Manifest(
        name=request.name,
        resolution_nm=inputs.resolution_nm,
        shape=inputs.shape,
        chunk_size=chunk_size_for(inputs.resolution_nm),
        has_groundtruth=inputs.groundtruth is not None,
        has_em=inputs.em is not None,
        fingerprint=fingerprint,
        created_ms=time.time_ns() // 1_000_000,
    )
    try:
        _clear(folder)
        folder.write_manifest(manifest, complete=False)
        manifest = _build(folder, manifest, inputs, progress)
    except ImportError as error:
        raise MissingPackageError(
            f"Ingest needs the package {error.name}.",
            "Install it with: pip install 'proofdesk[offline]'.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"The datastack {folder.path} cannot be written: {error}.",
            "Make room on the disk or choose another folder.",
        ) from error
    return _summary(DatastackFolder(folder.path), manifest, start, inputs.notes)


def _load(request: IngestRequest) -> _Inputs:
    if request.em is None and request.supervoxels is None:
        raise DatastackError(
            "Without supervoxels the EM is needed to make some.", "Give --em or --supervoxels."
        )
    # Unpacking leaves Python's lock free, so that each core can unpack one.
    with ThreadPoolExecutor(4) as pool:
        loading = pool.submit(_volume, request.segmentation, "segmentation")
        others = [
            pool.submit(_optional, source, what)
            for source, what in (
                (request.em, "EM"),
                (request.supervoxels, "supervoxels"),
                (request.groundtruth, "ground truth"),
            )
        ]
        segmentation, (em, pieces, truth) = loading.result(), (one.result() for one in others)
    check_same_shape([v for v in (em, segmentation, pieces, truth) if v is not None])
    resolution = check_resolution(request.resolution_nm, segmentation.array.shape)
    grey, notes = as_em(em) if em is not None else (None, ())
    return _Inputs(
        em=grey,
        supervoxels=as_labels(pieces) if pieces is not None else None,
        segmentation=as_labels(segmentation),
        groundtruth=as_labels(truth) if truth is not None else None,
        resolution_nm=resolution,
        notes=notes,
    )


def _volume(source: Source, what: str) -> LoadedVolume:
    if isinstance(source, np.ndarray):
        return LoadedVolume.of(source, what)
    return load_volume(source, what=what)


def _optional(source: Source | None, what: str) -> LoadedVolume | None:
    return None if source is None else _volume(source, what)


def _fingerprint(inputs: _Inputs, name: str) -> str:
    """Return a hash of everything that decides what the datastack will hold."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((name, inputs.resolution_nm, inputs.shape)).encode())
    for array in (inputs.em, inputs.supervoxels, inputs.segmentation, inputs.groundtruth):
        digest.update(b"none" if array is None else str(array.dtype).encode())
        for plane in array if array is not None else ():
            digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def _exists_already(folder: DatastackFolder, fingerprint: str) -> bool:
    """Tell whether the folder holds the same datastack, complete; refuse anything else in it."""
    if not folder.path.exists() or (folder.path.is_dir() and not any(folder.path.iterdir())):
        return False
    if not folder.manifest_path.is_file():
        raise DatastackError(
            f"{folder.path} exists and is no datastack.", "Choose a folder that does not exist yet."
        )
    manifest = folder.manifest
    if manifest.complete and manifest.fingerprint != fingerprint:
        raise DatastackError(
            f"{folder.path} holds another datastack, {manifest.name}, made of other inputs.",
            "Choose another folder, or remove this one first.",
        )
    return manifest.complete


def _clear(folder: DatastackFolder) -> None:
    """Remove what a run that was cut off has left; only files of our own names."""
    for path in (folder.precomputed, folder.base_graph):
        if path.exists():
            shutil.rmtree(path)
    for suffix in ("", "-wal", "-shm"):
        folder.graph_db.with_name(folder.graph_db.name + suffix).unlink(missing_ok=True)


def _build(
    folder: DatastackFolder, manifest: Manifest, inputs: _Inputs, progress: Progress
) -> Manifest:
    from connectome.offline.l2_store import write_shapes
    from connectome.offline.mesh_crew import MeshCrew, helpers_for

    layout = ChunkLayout(manifest.chunk_size, manifest.shape)
    helpers = helpers_for(math.prod(layout.grid))
    with MeshCrew(folder.path, layout.grid, helpers) as crew:
        base, supervoxels = _make_graph(folder, manifest, inputs, progress)
        crew.begin()
        progress("measuring level-2 nodes", 0.0)
        write_shapes(folder, base, supervoxels.numbers)
        _write_volumes(folder, inputs, supervoxels.ids, supervoxels.numbers, layout, progress)
        progress("making meshes", 0.0)
        crew.finish(lambda share: progress("making meshes", share))
    (folder.base_graph / NUMBERS).unlink()
    done = Manifest(
        **{
            **manifest.to_json(),
            "n_supervoxels": len(base.sv_ids),
            "n_roots": len(base.root_labels),
            "n_edges": len(base.edge_a),
        }
    )
    return folder.write_manifest(done, complete=True)


def _make_graph(
    folder: DatastackFolder, manifest: Manifest, inputs: _Inputs, progress: Progress
) -> tuple[BaseGraph, Supervoxels]:
    """Cut supervoxels, and write the graph and all that the meshes are made of."""
    from connectome.offline.meshing import MeshStore
    from connectome.offline.oversegment import oversegment
    from connectome.offline.partition import cut_supervoxels
    from connectome.offline.region_graph import build_graph
    from connectome.offline.store import EditStore

    layout, voxel_nm = ChunkLayout(manifest.chunk_size, manifest.shape), manifest.resolution_nm
    pieces = inputs.supervoxels
    if pieces is None and inputs.em is not None:
        progress("making supervoxels by watershed", 0.0)
        pieces = oversegment(inputs.em, inputs.segmentation != 0, voxel_nm)
    progress("cutting supervoxels", 0.0)
    assert pieces is not None  # _load refuses a request with neither EM nor supervoxels
    supervoxels = cut_supervoxels(pieces, inputs.segmentation, layout)
    progress("building the graph", 0.0)
    base = build_graph(supervoxels, inputs.em, layout, voxel_nm, manifest.created_ms)
    base.save(folder.base_graph)
    np.save(folder.base_graph / NUMBERS, supervoxels.numbers)
    EditStore.create(folder.graph_db)
    MeshStore(folder).write_info()
    return base, supervoxels


def _write_volumes(
    folder: DatastackFolder,
    inputs: _Inputs,
    ids: NDArray[np.uint64],
    numbers: NDArray[np.uint32],
    layout: ChunkLayout,
    progress: Progress,
) -> None:
    from connectome.offline.precomputed_writer import write_em, write_segmentation

    voxel_nm, chunk = inputs.resolution_nm, layout.chunk_size
    if inputs.em is not None:
        progress("writing the EM", 0.0)
        write_em(folder.em, inputs.em, voxel_nm, chunk)
    progress("writing the supervoxels", 0.0)
    of_number = np.append(np.uint64(0), ids)
    write_segmentation(folder.supervoxels, numbers, voxel_nm, chunk, of_number)
    if inputs.groundtruth is not None:
        progress("writing the ground truth", 0.0)
        write_segmentation(folder.groundtruth, inputs.groundtruth, voxel_nm, chunk)


def _summary(
    folder: DatastackFolder,
    manifest: Manifest,
    start: float,
    notes: tuple[str, ...],
    *,
    existed: bool = False,
) -> IngestSummary:
    return IngestSummary(
        path=folder.path,
        name=manifest.name,
        shape=manifest.shape,
        n_supervoxels=manifest.n_supervoxels,
        n_roots=manifest.n_roots,
        n_edges=manifest.n_edges,
        seconds=time.monotonic() - start,
        existed=existed,
        notes=notes,
    )
