from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from connectome.errors import InputError, VolumeError
from connectome.offline.volumes import (
    LoadedVolume,
    as_em,
    as_labels,
    check_resolution,
    load_volume,
    split_key,
)

ARRAY = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)


def write(folder: Path, kind: str) -> str:
    file = folder / f"v.{kind}"
    if kind == "npy":
        np.save(file, ARRAY)
    elif kind == "npz":
        np.savez(file, em=ARRAY, other=ARRAY + 1)
        return f"{file}:em"
    elif kind == "h5":
        import h5py

        with h5py.File(file, "w") as handle:
            handle["volumes/em"] = ARRAY
            handle["volumes/other"] = ARRAY + 1
        return f"{file}:volumes/em"
    elif kind == "zarr":
        import zarr

        group = zarr.open_group(str(file), mode="w")
        group.create_array("a/em", data=ARRAY)
        group.create_array("a/other", data=ARRAY + 1)
        return f"{file}:a/em"
    elif kind == "tif":
        import tifffile

        tifffile.imwrite(file, ARRAY)
    elif kind == "tiffs":
        import tifffile

        file.mkdir()
        for z, plane in enumerate(ARRAY):
            tifffile.imwrite(file / f"slice{z + 9}.tif", plane)
    elif kind == "precomputed":
        from connectome.offline.precomputed_writer import write_em

        write_em(file, ARRAY.astype(np.uint8), (8, 8, 8), (64, 64, 64))
    return str(file)


KINDS = ("npy", "npz", "h5", "zarr", "tif", "tiffs", "precomputed")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_back(tmp_path: Path, kind: str) -> None:
    assert np.array_equal(load_volume(write(tmp_path, kind), what="EM").array, ARRAY)


@pytest.mark.parametrize("kind", ["npz", "h5", "zarr"])
def test_a_missing_key_lists_those_there(tmp_path: Path, kind: str) -> None:
    spec = write(tmp_path, kind)
    with pytest.raises(VolumeError, match="other"):
        load_volume(spec[: -len("em")] + "nothing", what="EM")
    with pytest.raises(VolumeError, match="several arrays"):
        load_volume(spec.rpartition(":")[0], what="EM")


def test_keys_drives_and_addresses() -> None:
    assert split_key("a/b.npz:em") == ("a/b.npz", "em")
    assert split_key("C:\\data\\b.npz:em") == ("C:\\data\\b.npz", "em")
    assert split_key("C:\\data\\b.npy") == ("C:\\data\\b.npy", None)
    assert split_key("precomputed://https://host:80/x") == ("precomputed://https://host:80/x", None)
    assert split_key("b.npy") == ("b.npy", None)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"gone\.npy does not exist"):
        load_volume(tmp_path / "gone.npy", what="segmentation")
    (tmp_path / "text.csv").write_text("1,2")
    with pytest.raises(VolumeError, match=r"\.npy, \.npz"):
        load_volume(tmp_path / "text.csv", what="segmentation")
    for kind in ("npy", "npz", "h5", "tif"):
        (tmp_path / f"bad.{kind}").write_bytes(b"not at all")
        with pytest.raises(VolumeError, match="cannot be read"):
            load_volume(tmp_path / f"bad.{kind}", what="segmentation")
    np.save(tmp_path / "flat.npy", ARRAY[0])
    with pytest.raises(VolumeError, match="three dimensions"):
        load_volume(tmp_path / "flat.npy", what="segmentation")
    (tmp_path / "empty").mkdir()
    with pytest.raises(VolumeError, match="without TIFF"):
        load_volume(tmp_path / "empty", what="segmentation")


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((1, 1, 1), dtype=np.float32), "whole numbers"),
        (np.full((1, 1, 1), -3), "negative"),
        (np.full((1, 1, 1), 2**63, dtype=np.uint64), "2\\^63"),
        (np.full((1, 1, 1), "a"), "not ids"),
    ],
)
def test_labels_that_are_no_ids(array: NDArray[Any], said: str) -> None:
    with pytest.raises(VolumeError, match=said):
        as_labels(LoadedVolume.of(array, "segmentation"))


def test_the_highest_id_passes() -> None:
    array = np.full((1, 1, 1), 2**63 - 1, dtype=np.uint64)
    assert int(as_labels(LoadedVolume.of(array, "segmentation")).max()) == 2**63 - 1


def test_em_is_made_8_bit() -> None:
    grey, notes = as_em(LoadedVolume.of(ARRAY, "EM"))
    assert grey.dtype == np.uint8
    assert (grey.min(), grey.max()) == (0, 255)
    assert notes
    with pytest.raises(VolumeError, match="8-bit"):
        as_em(LoadedVolume.of(ARRAY.astype(np.float32), "EM"))


@pytest.mark.parametrize("bad", [(8, 8), (8, 8, 0), (8, 8, -1), (8, 8, float("nan"))])
def test_a_resolution_that_is_no_size(bad: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="--resolution 8 8 40"):
        check_resolution(bad, (1, 1, 1))
