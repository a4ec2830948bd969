"""The unmodified level-2 cache client against the offline service."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.members import driven, members
from tests.contract.volumes import NAME, VOXEL_NM

NAMES = {
    "area_nm2",
    "chunk_intersect_count",
    "max_dt_nm",
    "mean_dt_nm",
    "pca",
    "pca_val",
    "rep_coord_nm",
    "size_nm3",
}


@pytest.fixture
def root(service: RunningService) -> int:
    """The largest object."""
    roots = service.engine.current_roots()
    return int(roots[int(service.engine.sizes(roots).argmax())])


def test_every_member_of_the_client_is_driven() -> None:
    from caveclient.l2cache import L2CacheClient

    assert members(L2CacheClient) <= driven("client.l2cache")


def test_there_is_a_cache(client: Any) -> None:
    assert client.l2cache.has_cache() is True
    assert set(client.l2cache.table_mapping()) == {NAME}
    assert set(client.l2cache.table_mapping()[NAME]) == {"l2cache_id", "cv_path"}
    assert set(client.l2cache.attributes) == NAMES
    assert set(client.l2cache.cache_metadata()) == NAMES
    assert client.l2cache.default_url_mapping["table_id"] == NAME


def test_data_of_all_nodes(client: Any, root: int, service: RunningService) -> None:
    nodes = client.chunkedgraph.get_leaves(root, stop_layer=2)
    found = client.l2cache.get_l2data(nodes)
    assert set(found) == {str(node) for node in nodes.tolist()}
    assert all(set(values) == NAMES for values in found.values())
    voxels = service.engine.sizes(np.asarray([root], np.uint64))[0]
    volume = sum(values["size_nm3"] for values in found.values())
    assert volume == voxels * np.prod(VOXEL_NM)
    one = next(iter(found.values()))
    assert np.shape(one["rep_coord_nm"]) == (3,)
    assert np.shape(one["pca"]) == (3, 3)
    assert np.shape(one["pca_val"]) == (3,)
    assert np.shape(one["chunk_intersect_count"]) == (2, 3)


def test_only_what_was_asked_for(client: Any, root: int) -> None:
    node = int(client.chunkedgraph.get_leaves(root, stop_layer=2)[0])
    found = client.l2cache.get_l2data([node], attributes=["rep_coord_nm", "size_nm3"])
    assert set(found[str(node)]) == {"rep_coord_nm", "size_nm3"}
    assert client.l2cache.get_l2data([root]) == {str(root): {}}


def test_table(client: Any, root: int) -> None:
    nodes = client.chunkedgraph.get_leaves(root, stop_layer=2)
    table = client.l2cache.get_l2data_table(nodes)
    assert set(table.index) == set(nodes.tolist())
    assert {"rep_coord_nm_x", "pca_2_z", "pca_val_0", "chunk_intersect_count_x_top"} <= set(table)
    assert table["size_nm3"].gt(0).all()
    whole = client.l2cache.get_l2data_table(nodes, split_columns=False)
    assert set(whole.columns) == NAMES


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", b"[]"),
        ("", b"{}"),
        ("", b'{"l2_ids": 3}'),
        ("", b'{"l2_ids": ["x"]}'),
        ("", b'{"l2_ids": [-1]}'),
        ("", b"\xff\xfe"),
        ("?attribute_names=nothing", b'{"l2_ids": []}'),
    ],
)
def test_what_cannot_be_understood_is_refused(
    service: RunningService, query: str, body: bytes
) -> None:
    answer = requests.post(
        f"{service.viewer_prefix}/l2cache/api/v1/table/{NAME}/attributes{query}",
        data=body,
        timeout=10,
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
