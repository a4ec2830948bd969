from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from connectome.datastack import Datastack
from connectome.errors import MissingPackageError, NotFoundError
from connectome.opening import open_datastack
from connectome.precomputed import normal_url
from connectome.space import BoxNm
from tests.data import shared_data


@pytest.fixture
def pinky() -> Iterator[Datastack]:
    datastack = open_datastack(f"precomputed:{shared_data('pinky40')}")
    yield datastack
    datastack.close()


def test_real_meshes_lie_in_the_volume(pinky: Datastack) -> None:
    mesh = pinky.meshes.mesh(ids_in_the_middle(pinky)[0])
    bounds = pinky.segmentation.scales[0].bounds_nm.grown(100)
    assert all(bounds.contains((x, y, z)) for x, y, z in mesh.vertices_nm.tolist())
    assert mesh.faces.max() < len(mesh.vertices_nm)
    with pytest.raises(NotFoundError):
        pinky.meshes.mesh(987654321)


def test_real_voxels_are_flat(pinky: Datastack) -> None:
    assert ids_in_the_middle(pinky)
    assert pinky.imagery is None
    assert pinky.graph is None
    assert pinky.segmentation.scales[1].voxel_nm == (16.0, 16.0, 40.0)


def ids_in_the_middle(pinky: Datastack) -> list[int]:
    box = BoxNm.around((4096.0, 4096.0, 10240.0), 800.0)
    try:
        ids = pinky.segmentation.read_roots(box, 1).data
    except MissingPackageError as error:
        pytest.skip(error.message)
    assert ids.dtype == np.uint64
    return [int(i) for i in np.unique(ids[ids != 0])]


def test_addresses_of_local_folders() -> None:
    assert normal_url("precomputed://gs://bucket/volume/") == "gs://bucket/volume"
    assert normal_url("https://host/volume") == "https://host/volume"
    assert normal_url("/data/volume").endswith("/data/volume")
    assert normal_url("/data/volume").startswith("file:///")
