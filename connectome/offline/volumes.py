"""Volumes from files: what a person names on the command line, read and checked.

``FILE[:key]`` names a .npy, .npz, .h5, .zarr or TIFF file, a folder of TIFFs, or a
precomputed folder or address. Arrays are zyx.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.errors import MissingPackageError, VolumeError
from connectome.space import Scale

__all__ = [
    "LoadedVolume",
    "as_em",
    "as_labels",
    "check_resolution",
    "check_same_shape",
    "load_volume",
]

Array = NDArray[Any]
_REMOTE = ("precomputed://", "file://", "gs://", "s3://", "http://", "https://")
_TIFF = {".tif", ".tiff"}


@dataclass(frozen=True, eq=False)
class LoadedVolume:
    """An array (z, y, x) and where it came from."""

    array: Array
    path: str
    key: str | None
    what: str

    @property
    def label(self) -> str:
        """The volume in words, for messages."""
        place = self.path if self.key is None else f"{self.path}:{self.key}"
        return f"The {self.what} {place}"

    @classmethod
    def of(cls, array: Array, what: str) -> LoadedVolume:
        """Wrap an array that is in memory."""
        return cls(array, "(in memory)", None, what)


def load_volume(spec: str | Path, *, what: str) -> LoadedVolume:
    """Read a volume.

    Parameters
    ----------
    spec : str or Path
        ``FILE[:key]``; the key may be left out where the file holds one array.
    what : str
        Its part, such as ``segmentation``, for messages.

    Returns
    -------
    LoadedVolume
        The array (z, y, x).

    Raises
    ------
    VolumeError
        If the file or key is missing, the file cannot be read, or it is not 3-D.
    MissingPackageError
        If the library for this kind of file is not installed.
    """
    path, key = split_key(str(spec))
    try:
        array = _read(path, key, what)
    except VolumeError:
        raise
    except ImportError as error:
        raise MissingPackageError(
            f"The package {error.name} is needed to read {path}.",
            "Install it with: pip install 'proofdesk[offline]'.",
        ) from error
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, TypeError) as error:
        raise VolumeError(
            f"The {what} {path} cannot be read: {error}.",
            "Check that the file is whole and of the kind that its name says.",
        ) from error
    if array.ndim == 4 and 1 in (array.shape[0], array.shape[-1]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    volume = LoadedVolume(array, path, key, what)
    if array.ndim != 3 or array.size == 0:
        raise VolumeError(
            f"{volume.label} has the shape {array.shape}, not three dimensions (z, y, x).",
            "Give a 3-D array.",
        )
    return volume


def split_key(spec: str) -> tuple[str, str | None]:
    """Split ``FILE[:key]``; drive letters and addresses keep their colons."""
    if spec.startswith(_REMOTE) or Path(spec).exists():
        return spec, None
    head, colon, tail = spec.rpartition(":")
    is_drive = re.fullmatch(r"[A-Za-z]", head) is not None
    return (head, tail) if colon and head and tail and not is_drive else (spec, None)


def as_em(volume: LoadedVolume) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return 8-bit EM, and notes on what was done to get it.

    16-bit EM is stretched from its 0.5th to its 99.5th percentile.

    Raises
    ------
    VolumeError
        If it is neither 8-bit nor 16-bit unsigned.
    """
    array = volume.array
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array), ()
    if array.dtype != np.uint16:
        raise VolumeError(
            f"{volume.label} has values of type {array.dtype}, not 8-bit or 16-bit.",
            "Convert it to 8-bit (uint8) first.",
        )
    low, high = np.percentile(array[:: max(1, array.shape[0] // 64)], (0.5, 99.5))
    out = np.empty(array.shape, dtype=np.uint8)
    for z, plane in enumerate(array):
        scaled = (plane.astype(np.float32) - low) * (255.0 / max(1.0, high - low))
        out[z] = np.clip(np.rint(scaled), 0, 255)
    return out, (f"16-bit EM was stretched to 8 bits between {low:.0f} and {high:.0f}.",)


def as_labels(volume: LoadedVolume) -> Array:
    """Return the labels as they are, once they are sure to fit 63 bits.

    Raises
    ------
    VolumeError
        If they are not whole numbers, negative, or 2^63 and above.
    """
    array = volume.array
    if array.dtype.kind == "f":
        raise VolumeError(
            f"{volume.label} holds {array.dtype} numbers, but ids are whole numbers.",
            "Convert it to unsigned integers; floats lose ids above 16,777,216.",
        )
    if array.dtype.kind not in "iub":
        raise VolumeError(
            f"{volume.label} holds {array.dtype} values, not ids.", "Give unsigned integers."
        )
    if array.dtype.kind == "i" and int(array.min()) < 0:
        raise VolumeError(
            f"{volume.label} holds negative ids (lowest {int(array.min())}).",
            "Set what belongs to no segment to 0.",
        )
    if array.dtype.itemsize == 8 and int(array.max()) >= 2**63:
        raise VolumeError(
            f"{volume.label} holds the id {int(array.max())}, which is 2^63 or above.",
            "Renumber it so that ids stay below 2^63.",
        )
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def check_same_shape(volumes: list[LoadedVolume]) -> None:
    """Refuse volumes that do not cover the same voxels.

    Raises
    ------
    VolumeError
        Naming the first volume that differs.
    """
    first = volumes[0]
    for other in volumes[1:]:
        if other.array.shape != first.array.shape:
            raise VolumeError(
                f"{other.label} has the shape {other.array.shape} (z, y, x), but "
                f"{first.label[0].lower()}{first.label[1:]} has {first.array.shape}.",
                "Cut them to the same box, and check the order of the axes.",
            )


def check_resolution(
    resolution_nm: tuple[float, ...], shape_zyx: tuple[int, ...]
) -> tuple[float, float, float]:
    """Return the resolution (x, y, z) if it is three positive lengths.

    Raises
    ------
    VolumeError
        If it is not.
    """
    if len(resolution_nm) != 3:
        raise VolumeError(
            f"The resolution {resolution_nm} is not three lengths.",
            "Give it as X Y Z in nm, for example --resolution 8 8 40.",
        )
    x, y, z = (float(v) for v in resolution_nm)
    try:
        nz, ny, nx = shape_zyx
        Scale((x, y, z), (nx, ny, nz))
    except ValueError as error:
        raise VolumeError(f"The shape {shape_zyx} is not 3-D.") from error
    return x, y, z


def _read(path: str, key: str | None, what: str) -> Array:
    file = Path(path)
    remote = path.startswith(_REMOTE)
    if not remote and not file.exists():
        raise VolumeError(f"The {what} {path} does not exist.", "Check the path.")
    if remote or (file / "info").is_file():
        return _read_precomputed(path)
    if file.is_dir() and file.suffix != ".zarr" and not _is_zarr(file):
        return _read_tiff_folder(file, what)
    readers: dict[str, Callable[[Path, str | None, str], Array]] = {
        ".npy": lambda f, _k, _w: np.asarray(np.load(f)),
        ".npz": _read_npz,
        ".h5": _read_hdf5,
        ".hdf5": _read_hdf5,
        ".hdf": _read_hdf5,
        ".tif": _read_tiff,
        ".tiff": _read_tiff,
    }
    reader = _read_zarr if file.is_dir() else readers.get(file.suffix.lower())
    if reader is None:
        raise VolumeError(
            f"The {what} {path} is of a kind that cannot be read.",
            "Use .npy, .npz, .h5, .zarr, TIFF or precomputed.",
        )
    return reader(file, key, what)


def _choose(names: list[str], key: str | None, file: Path, what: str) -> str:
    """Return the key to read, the only one if none was given."""
    listed = ", ".join(names) or "none"
    if key is None and len(names) == 1:
        return names[0]
    if key is None:
        raise VolumeError(
            f"The {what} {file} holds several arrays: {listed}.", f"Write {file}:KEY."
        )
    if key.strip("/") not in names:
        raise VolumeError(f"The {what} {file} holds no array {key!r}.", f"Arrays in it: {listed}.")
    return key.strip("/")


def _read_npz(file: Path, key: str | None, what: str) -> Array:
    with np.load(file) as archive:
        return np.asarray(archive[_choose(list(archive.files), key, file, what)])


def _read_hdf5(file: Path, key: str | None, what: str) -> Array:
    import h5py

    with h5py.File(file, "r") as handle:
        names: list[str] = []
        handle.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        return np.asarray(handle[_choose(names, key, file, what)])


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def _read_zarr(file: Path, key: str | None, what: str) -> Array:
    import zarr

    root: Any = zarr.open(str(file), mode="r")
    if isinstance(root, zarr.Array):
        return np.asarray(root[...])
    names = [name for name, item in _zarr_arrays(root, "").items() if item.ndim >= 3]
    return np.asarray(root[_choose(names, key, file, what)][...])


def _zarr_arrays(group: Any, prefix: str) -> Mapping[str, Any]:
    found = {prefix + name: array for name, array in group.arrays()}
    for name, inner in group.groups():
        found.update(_zarr_arrays(inner, f"{prefix}{name}/"))
    return found


def _read_tiff(file: Path, _key: str | None, _what: str) -> Array:
    import tifffile

    return np.asarray(tifffile.imread(file))


def _read_tiff_folder(folder: Path, what: str) -> Array:
    import tifffile

    files = [f for f in folder.iterdir() if f.suffix.lower() in _TIFF]
    if not files:
        raise VolumeError(
            f"The {what} {folder} is a folder without TIFF files.",
            "Give a folder of TIFFs, a .zarr or a precomputed folder.",
        )
    # Natural order: slice 10 comes after slice 9.
    files.sort(key=lambda f: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", f.name)])
    planes = [np.asarray(tifffile.imread(f)) for f in files]
    if len({p.shape for p in planes}) != 1:
        raise VolumeError(f"The TIFF files in {folder} differ in size.", "Give slices of one size.")
    return np.stack(planes)


def _read_precomputed(address: str) -> Array:
    from cloudvolume import CloudVolume

    url = address.removeprefix("precomputed://")
    if not url.startswith(_REMOTE):
        url = Path(url).resolve().as_uri()
    volume = CloudVolume(url, mip=0, progress=False, fill_missing=True)
    return np.ascontiguousarray(np.asarray(volume[:, :, :])[..., 0].T)
