"""The folder of an offline datastack: what lies where, and whether it is whole."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from connectome.errors import DatastackError, StorageError
from connectome.offline.ids import ChunkLayout
from connectome.space import Scale

__all__ = ["SCHEMA_VERSION", "DatastackFolder", "Manifest", "check_name"]

SCHEMA_VERSION = 1


def check_name(name: str) -> str:
    """Return the name if an offline datastack may carry it.

    Raises
    ------
    DatastackError
        If it does not start with ``offline_`` (so that it can never be taken for a real
        dataset) or holds anything but lower-case letters, digits and underscores.
    """
    if not re.fullmatch(r"offline_[a-z0-9_]{1,64}", name):
        raise DatastackError(
            f"The name {name!r} cannot be given to an offline datastack.",
            "Use offline_ followed by lower-case letters, digits or underscores.",
        )
    return name


@dataclass(frozen=True)
class Manifest:
    """What a datastack folder says about itself (``manifest.json``).

    Sizes and resolution are (x, y, z); `created_ms` is the UTC time, in milliseconds, of
    the graph's first state; `fingerprint` is a hash of the ingested arrays; the EM is
    absent where `has_em` is false.
    """

    name: str
    resolution_nm: tuple[float, float, float]
    shape: tuple[int, int, int]
    chunk_size: tuple[int, int, int]
    has_groundtruth: bool
    fingerprint: str
    created_ms: int
    has_em: bool = True
    n_supervoxels: int = 0
    n_roots: int = 0
    n_edges: int = 0
    schema_version: int = SCHEMA_VERSION
    complete: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Manifest:
        """Read what `to_json` wrote; unknown keys are ignored."""
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v
            for k, v in data.items()
            if k in cls.__dataclass_fields__
        }
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class DatastackFolder:
    """Names of everything inside a datastack's folder.

    Use `open` for a finished one.
    """

    path: Path

    @property
    def manifest_path(self) -> Path:
        """``manifest.json``, written first as incomplete and last as complete."""
        return self.path / "manifest.json"

    @property
    def graph_db(self) -> Path:
        """``graph.sqlite``: every edit since ingest."""
        return self.path / "graph.sqlite"

    @property
    def annotations_db(self) -> Path:
        """``annotations.sqlite``: annotation tables and their rows."""
        return self.path / "annotations.sqlite"

    @property
    def states_db(self) -> Path:
        """``states.sqlite``: viewer states that were posted."""
        return self.path / "states.sqlite"

    @property
    def base_graph(self) -> Path:
        """Folder with the arrays of the graph as it was ingested; never changed."""
        return self.path / "graph"

    @property
    def precomputed(self) -> Path:
        """Folder of the precomputed volumes."""
        return self.path / "precomputed"

    @property
    def em(self) -> Path:
        """Precomputed 8-bit EM."""
        return self.precomputed / "em"

    @property
    def supervoxels(self) -> Path:
        """Precomputed uint64 supervoxels; the ``data_dir`` of the graphene layer."""
        return self.precomputed / "supervoxels"

    @property
    def groundtruth(self) -> Path:
        """Precomputed uint64 ground truth, where there is one."""
        return self.precomputed / "groundtruth"

    @property
    def mesh(self) -> Path:
        """Draco fragments; relative to the ``data_dir`` this is ``mesh``."""
        return self.supervoxels / "mesh"

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest as it stood when first asked for.

        Raises
        ------
        DatastackError
            If there is none, it cannot be read, or a newer program wrote it.
        """
        return read_manifest(self.path)

    @property
    def name(self) -> str:
        """The datastack's name, ``offline_...``."""
        return self.manifest.name

    @cached_property
    def layout(self) -> ChunkLayout:
        """How the volume is cut into chunks."""
        return ChunkLayout(self.manifest.chunk_size, self.manifest.shape)

    @property
    def scale(self) -> Scale:
        """The finest grid of the volumes."""
        return Scale(self.manifest.resolution_nm, self.manifest.shape)

    @classmethod
    def open(cls, path: str | Path) -> DatastackFolder:
        """Return the folder of a finished datastack.

        Raises
        ------
        DatastackError
            If it is no datastack, was not ingested to the end, or needs a newer program.
        """
        folder = cls(Path(path))
        if not folder.manifest.complete:
            raise DatastackError(
                f"The datastack {folder.path} was not ingested to the end.",
                "Run the same ingest command again.",
            )
        return folder

    def write_manifest(self, manifest: Manifest, *, complete: bool) -> Manifest:
        """Write the manifest in one step that a crash cannot halve, and return it."""
        final = replace(manifest, complete=complete)
        part = self.manifest_path.with_suffix(".json.part")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as stream:
                json.dump(final.to_json(), stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(self.manifest_path)
        except OSError as error:
            raise StorageError(
                f"The folder {self.path} cannot be written: {error.strerror}.",
                "Choose another folder or make room on the disk.",
            ) from error
        return final


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a datastack folder, complete or not.

    Raises
    ------
    DatastackError
        If there is none, it cannot be read, or a newer program wrote it.
    """
    file = path / "manifest.json"
    if not file.is_file():
        raise DatastackError(
            f"{path} is no datastack: it has no manifest.json.",
            "Make one with proofdesk ingest, or check the path.",
        )
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = int(data["schema_version"])
        manifest = Manifest.from_json(data) if version <= SCHEMA_VERSION else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatastackError(
            f"The manifest {file} cannot be read.", "Run the ingest command again."
        ) from error
    if manifest is None:
        raise DatastackError(
            f"The datastack {path} was made by a newer version (format {version}).",
            "Update Proofdesk.",
        )
    return manifest
