"""A volume with human truth, read from a folder of arrays."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import VolumeError
from connectome.space import Cutout, Scale

__all__ = ["TruthVolume", "content_hash", "load_truth_volume"]

Labels = NDArray[np.uint32]


@dataclass(frozen=True)
class TruthVolume:
    """Microscopy, truth and two segmentations on one grid; all arrays zyx.

    Parameters
    ----------
    em : ndarray of uint8
        Grey values.
    groundtruth : ndarray of uint32
        Bodies drawn by people, 0 where unknown.
    supervoxels, segmentation : ndarray of uint32
        The watershed and the automatic segmentation, 0 where unassigned.
    voxel_nm : tuple of float
        Voxel size (x, y, z) in nm.
    excluded_bodies : tuple of int
        Bodies of the truth that are no single neuron.
    sha256 : str
        Hash over the names and contents of all arrays.
    first_voxel : tuple of int
        Index (x, y, z) of the first voxel in the grid of the dataset it was cut from.
    """

    name: str
    em: NDArray[np.uint8]
    groundtruth: Labels
    supervoxels: Labels
    segmentation: Labels
    voxel_nm: tuple[float, float, float]
    excluded_bodies: tuple[int, ...]
    sha256: str
    licence: str
    first_voxel: tuple[int, int, int] = (0, 0, 0)

    @property
    def scale(self) -> Scale:
        """The grid."""
        nz, ny, nx = self.em.shape
        return Scale(self.voxel_nm, (nx, ny, nz), self.first_voxel)

    def imagery(self) -> Cutout:
        """Return all grey values as one cutout."""
        return Cutout(self.em, self.first_voxel, self.scale)

    def labelled(self, labels: NDArray[Any]) -> Cutout:
        """Return a label array of this grid as one cutout."""
        return Cutout(labels, self.first_voxel, self.scale)

    def below(self, z: int) -> TruthVolume:
        """Return the same volume with only the first ``z`` sections (for small trials)."""
        return replace(
            self,
            em=self.em[:z],
            groundtruth=self.groundtruth[:z],
            supervoxels=self.supervoxels[:z],
            segmentation=self.segmentation[:z],
        )


def load_truth_volume(folder: Path) -> TruthVolume:
    """Read ``em.npz`` and ``labels.npz`` of a fib25 folder (10 nm, isotropic).

    Raises
    ------
    VolumeError
        If a file or array is missing or the shapes differ.
    """
    em = _arrays(folder / "em.npz", ("em",))["em"]
    names = ("groundtruth", "supervoxels", "segmentation")
    labels = _arrays(folder / "labels.npz", names)
    for name, array in labels.items():
        if array.shape != em.shape:
            raise VolumeError(
                f"The array {name!r} of {folder / 'labels.npz'} has the shape {array.shape}, "
                f"but the microscopy has {em.shape}.",
                "Give arrays of one volume.",
            )
    return TruthVolume(
        name=folder.name,
        em=em,
        groundtruth=labels["groundtruth"],
        supervoxels=labels["supervoxels"],
        segmentation=labels["segmentation"],
        voxel_nm=(10.0, 10.0, 10.0),
        # 24 disconnected pieces under one number, see the data set's own notes.
        excluded_bodies=(135478,),
        sha256=content_hash({"em": em, **labels}),
        licence="CC-BY-4.0 (janelia-flyem/neuroproof_examples, google/ffn)",
    )


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        # np.load leaves a damaged file open when it is given a path.
        with path.open("rb") as file, np.load(file) as stored:
            return {name: stored[name] for name in names}
    except FileNotFoundError as error:
        raise VolumeError(
            f"There is no file {path}.", "Name a folder that holds em.npz and labels.npz."
        ) from error
    except KeyError as error:
        raise VolumeError(
            f"The file {path} holds no array {error.args[0]}.",
            f"It must hold {', '.join(names)}.",
        ) from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise VolumeError(
            f"The file {path} cannot be read.", "Check that it is a complete .npz file."
        ) from error


def content_hash(arrays: dict[str, NDArray[Any]]) -> str:
    """Return the sha256 over the names, types, shapes and contents of arrays."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
