"""The helper process of an ingest: makes the meshes of the chunks that it is told.

Run as ``python -m connectome.offline.mesh_worker FOLDER``. Each line that comes in names a
chunk, ``x y z``; each line that goes out is a JSON object with ``fragments`` or with
``error`` and ``hint``. The process ends when its input does, so it cannot outlive the
ingest, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from connectome.errors import ProofdeskError

if TYPE_CHECKING:
    from connectome.offline.meshing import ChunkMesher

__all__ = ["NUMBERS", "main", "open_mesher"]

NUMBERS = "numbers.part.npy"
"""In the folder of the base graph while an ingest runs: the number of every voxel."""


def open_mesher(folder: Path) -> ChunkMesher:
    """Return what makes the meshes of a datastack that is being ingested."""
    import numpy as np

    from connectome.offline.base import BaseGraph
    from connectome.offline.layout import DatastackFolder
    from connectome.offline.meshing import ChunkMesher, MeshStore

    opened = DatastackFolder(folder)
    base = BaseGraph.load(opened.base_graph, opened.layout, opened.manifest.created_ms)
    numbers = np.load(opened.base_graph / NUMBERS, mmap_mode="r")
    return ChunkMesher(MeshStore(opened), base, numbers)


def main(folder: Path, lines: TextIO, out: TextIO) -> None:
    """Answer one line after another until there is none."""
    # Before the first line comes there is time; later every moment counts.
    import DracoPy  # noqa: F401
    import zmesh  # noqa: F401

    import connectome.offline.meshing  # noqa: F401

    mesher: ChunkMesher | None = None
    for line in lines:
        x, y, z = (int(word) for word in line.split())
        try:
            mesher = mesher or open_mesher(folder)
            answer: dict[str, object] = {"fragments": mesher.write((x, y, z))}
        except ProofdeskError as error:
            answer = {"error": error.message, "hint": error.hint}
        except Exception as error:  # noqa: BLE001 - the ingest raises it in its own process
            answer = {"error": f"The chunk {x} {y} {z} could not be meshed: {error}.", "hint": ""}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    # Ctrl-C in the terminal is for the ingest, which then closes the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever a library writes must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(Path(sys.argv[1]), sys.stdin, answers)
