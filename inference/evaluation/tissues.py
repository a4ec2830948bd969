"""Other tissue than a judge was trained on."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from connectome.errors import VolumeError
from inference.datasets.volumes import TruthVolume, content_hash

__all__ = ["load_gala_volume"]


def load_gala_volume(folder: Path) -> TruthVolume:
    """Read ``train.npz`` of a gala folder: another fly volume (FIB-SEM, 10 nm).

    It has a watershed and no other segmentation, which therefore stands for both.

    Raises
    ------
    VolumeError
        If the file is missing or holds other arrays.
    """
    path = folder / "train.npz"
    try:
        # np.load leaves a damaged file open when it is given a path.
        with path.open("rb") as file, np.load(file) as stored:
            em, truth, watershed = (stored[name] for name in ("em", "gt", "ws"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise VolumeError(
            f"The file {path} does not hold the arrays em, gt and ws.",
            "Name a folder with gala's training volume.",
        ) from error
    supervoxels = watershed.astype(np.uint32)
    return TruthVolume(
        name=folder.name,
        em=em,
        groundtruth=truth.astype(np.uint32),
        supervoxels=supervoxels,
        segmentation=supervoxels,
        voxel_nm=(10.0, 10.0, 10.0),
        excluded_bodies=(),
        sha256=content_hash({"em": em, "groundtruth": truth, "supervoxels": watershed}),
        licence="see janelia-flyem/gala",
    )
