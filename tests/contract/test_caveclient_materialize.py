"""The unmodified materialization client against the offline service."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import requests

from connectome.graph import GraphPoint
from connectome.offline.service import RunningService
from tests.contract.members import driven, members
from tests.contract.volumes import NAME, VOXEL_NM, tube_point

TABLE = "checked"
FAR = (4.0, 4.0, 8.0)
"""A table's unit: half a voxel."""


@pytest.fixture(autouse=True)
def no_memory_of_other_servers() -> None:
    """Forget what the client keeps for twelve hours by the datastack's name only."""
    from caveclient.materializationengine import MaterializationClient
    from caveclient.tools import table_manager

    MaterializationClient.get_tables_metadata.__wrapped__.cache.clear()
    for cache in (
        table_manager._schema_cache,
        table_manager._table_cache,
        table_manager._metadata_cache,
    ):
        cache.clear()


@pytest.fixture
def ids(client: Any) -> list[int]:
    """Three rows: on both sides of a tube's cut, and outside of every object."""
    client.annotation.create_table(
        TABLE, "bound_tag", voxel_resolution=list(FAR), description="What was looked at."
    )
    places = [tube_point(0, 66), tube_point(0, 78), (0.0, 0.0, 0.0)]
    rows = [
        {"pt": {"position": voxel(place)}, "tag": tag}
        for place, tag in zip(places, ("left", "right", "outside"), strict=True)
    ]
    return [int(row) for row in client.annotation.post_annotation(TABLE, rows)]


def voxel(place: tuple[float, float, float]) -> list[int]:
    return [int(p / unit) for p, unit in zip(place, FAR, strict=True)]


def now() -> datetime:
    return datetime.now(UTC)


def merge(service: RunningService, supervoxels: list[int]) -> int:
    """Join the two halves of the first tube and return the new root."""
    ends = [
        GraphPoint(supervoxel, tube_point(0, x))
        for supervoxel, x in zip(supervoxels, (66, 78), strict=True)
    ]
    return service.engine.merge(ends[0], ends[1], "1").new_roots[0]


SKIPPED = {
    "neuroglancer_annotation_info": "tables are not offered as viewer layers",
    "neuroglancer_annotation_path": "tables are not offered as viewer layers",
    "neuroglancer_segprop_info": "tables are not offered as segment properties",
    "neuroglancer_segprop_path": "tables are not offered as segment properties",
    "cg_client": "the client of the graph, sends nothing",
    "homepage": "a link to a page for people",
    "map_filters": "part of live_query",
}
"""Public members of the client that no test drives, and why."""


def test_every_member_of_the_client_is_driven() -> None:
    from caveclient.materializationengine import MaterializationClient

    named = driven("client.materialize", "materialize")
    assert members(MaterializationClient) - named == set(SKIPPED)


def test_versions(client: Any, service: RunningService) -> None:
    materialize = client.materialize
    assert materialize.get_versions() == [1]
    assert materialize.most_recent_version() == 1
    assert materialize.version == 1
    assert materialize.datastack_name == NAME
    record = materialize.get_version_metadata()
    made = service.engine.oldest_timestamp()
    assert record["time_stamp"].timestamp() == pytest.approx(made, abs=1e-3)
    assert record["expires_on"] > now() + timedelta(days=1000)
    assert materialize.get_timestamp() == record["time_stamp"]
    assert [each["version"] for each in materialize.get_versions_metadata()] == [1]
    assert str(materialize.server_version) >= "5.13.0"


def test_tables(client: Any, ids: list[int]) -> None:
    materialize = client.materialize
    assert materialize.get_tables() == [TABLE]
    assert materialize.get_annotation_count(TABLE) == 3
    known = materialize.get_table_metadata(TABLE)
    assert known["voxel_resolution"] == list(FAR)
    assert known["schema"] == "bound_tag"
    assert known["reference_table"] is None
    assert [each["table_name"] for each in materialize.get_tables_metadata()] == [TABLE]
    assert materialize.get_unique_string_values(TABLE) == {"tag": ["left", "outside", "right"]}
    assert materialize.get_views() == {}
    assert materialize.get_view_schemas() == {}
    assert len(materialize.views) == 0
    for ask in (materialize.get_view_metadata, materialize.get_view_schema, materialize.query_view):
        with pytest.raises(requests.HTTPError, match="404"):
            ask("nothing")
    assert "message" in materialize.lookup_supervoxel_ids(TABLE)
    assert "message" in materialize.ingest_annotation_table(TABLE)


def test_rows_have_the_roots_as_ingested(
    client: Any, ids: list[int], service: RunningService
) -> None:
    found = client.materialize.query_table(TABLE)
    assert found["id"].tolist() == ids
    assert found["tag"].tolist() == ["left", "right", "outside"]
    assert found["valid"].tolist() == [True] * 3
    assert found["pt_position"][0].tolist() == voxel(tube_point(0, 66))
    supervoxels = found["pt_supervoxel_id"].tolist()
    assert supervoxels[2] == found["pt_root_id"][2] == 0
    roots = service.engine.roots(np.asarray(supervoxels[:2], np.uint64)).tolist()
    assert found["pt_root_id"].tolist() == [*roots, 0]
    assert roots[0] != roots[1]
    assert found["pt_root_id"].dtype == np.int64
    assert str(found["created"].dtype) == "datetime64[us, UTC]"
    assert found.attrs["dataframe_resolution"] == list(FAR)
    assert found.attrs["table_voxel_resolution"] == list(FAR)
    split = client.materialize.query_table(TABLE, split_positions=True)
    assert list(split.columns) == [
        "id",
        "created",
        "superceded_id",
        "valid",
        "tag",
        "pt_supervoxel_id",
        "pt_root_id",
        "pt_position_x",
        "pt_position_y",
        "pt_position_z",
    ]
    merge(service, supervoxels[:2])
    again = client.materialize.query_table(TABLE)
    assert again["pt_root_id"].tolist() == [*roots, 0]


def test_filters(client: Any, ids: list[int]) -> None:
    def tags(**filters: Any) -> list[str]:
        found = client.materialize.query_table(TABLE, **filters)
        return [str(tag) for tag in found["tag"]]

    whole = client.materialize.query_table(TABLE)
    assert tags(filter_equal_dict={"tag": "left"}) == ["left"]
    assert tags(filter_equal_dict={"pt_root_id": whole["pt_root_id"][1]}) == ["right"]
    assert tags(filter_in_dict={"id": ids[:2]}) == ["left", "right"]
    assert tags(filter_out_dict={"tag": ["left"]}) == ["right", "outside"]
    assert tags(filter_out_dict={"pt_root_id": [0]}) == ["left", "right"]
    assert tags(filter_greater_dict={"id": ids[0]}) == ["right", "outside"]
    assert tags(filter_less_dict={"id": ids[1]}) == ["left"]
    assert tags(filter_greater_equal_dict={"id": ids[1]}) == ["right", "outside"]
    assert tags(filter_less_equal_dict={"id": ids[1]}) == ["left", "right"]
    assert tags(filter_regex_dict={"tag": "t$"}) == ["left", "right"]
    x, y, z = voxel(tube_point(0, 78))
    box = [[x - 1, y, z], [x, y, z + 1]]
    assert tags(filter_spatial_dict={"pt_position": box}) == ["right"]
    assert tags(filter_equal_dict={"tag": "none"}) == []
    assert tags(limit=1) == ["left"]
    assert tags(limit=1, offset=1) == ["right"]
    assert tags(offset=5) == []
    assert len(tags(random_sample=2)) == 2


def test_columns_units_and_counts(client: Any, ids: list[int]) -> None:
    query = client.materialize.query_table
    found = query(TABLE, select_columns=["id", "pt_position"])
    assert list(found.columns) == ["id", "pt_position"]
    nm = query(TABLE, desired_resolution=[1, 1, 1])
    expected = np.asarray(voxel(tube_point(0, 66))) * FAR
    assert nm["pt_position"][0].tolist() == expected.tolist()
    assert nm.attrs["dataframe_resolution"] == [1, 1, 1]
    assert query(TABLE, get_counts=True, metadata=False)["count"].tolist() == [3]
    plain = query(TABLE, return_df=False)
    assert [row["tag"] for row in plain] == ["left", "right", "outside"]


def test_a_live_query_follows_edits_and_rows(
    client: Any, ids: list[int], service: RunningService
) -> None:
    live = client.materialize.live_live_query
    before = now()
    first = live(TABLE, before)
    assert first["id"].tolist() == ids
    supervoxels = first["pt_supervoxel_id"].tolist()[:2]
    old = first["pt_root_id"].tolist()
    joined = merge(service, supervoxels)
    client.annotation.delete_annotation(TABLE, [ids[2]])
    (new,) = client.annotation.post_annotation(
        TABLE, [{"pt": {"position": voxel(tube_point(1, 30))}, "tag": "later"}]
    )
    after = live(TABLE, now())
    assert after["id"].tolist() == [*ids[:2], new]
    assert after["pt_root_id"].tolist()[:2] == [joined, joined]
    past = live(TABLE, before)
    assert past["id"].tolist() == ids
    assert past["pt_root_id"].tolist() == old
    one = live(TABLE, now(), filter_equal_dict={TABLE: {"pt_root_id": joined}})
    assert one["tag"].tolist() == ["left", "right"]
    with pytest.raises(requests.HTTPError, match="incompatible with IDs"):
        live(TABLE, now(), filter_equal_dict={TABLE: {"pt_root_id": old[0]}})
    none = live(
        TABLE,
        now(),
        filter_in_dict={TABLE: {"pt_root_id": [old[0]]}},
        allow_invalid_root_ids=True,
    )
    assert len(none) == 0
    assert list(none.columns) == list(after.columns)
    units = live(TABLE, now(), desired_resolution=VOXEL_NM, select_columns={TABLE: ["pt_position"]})
    half = np.asarray(voxel(tube_point(0, 66))) / 2
    assert units["pt_position"][0].tolist() == half.tolist()
    # The older kind: a version's rows, brought up to date by the client.
    mapped = client.materialize.query_table(TABLE, timestamp=now())
    assert mapped["pt_root_id"].tolist()[:2] == [joined, joined]
    assert client.materialize.live_query(TABLE, now(), filter_equal_dict={"pt_root_id": joined})[
        "tag"
    ].tolist() == ["left", "right"]


def test_references_and_joins(client: Any, ids: list[int], service: RunningService) -> None:
    client.annotation.create_table(
        "opinions",
        "reference_tag",
        voxel_resolution=list(FAR),
        description="About what was looked at.",
        reference_table=TABLE,
        track_target_id_updates=False,
    )
    client.annotation.post_annotation(
        "opinions", [{"target_id": ids[1], "tag": "good"}, {"target_id": ids[0], "tag": "bad"}]
    )
    plain = client.materialize.query_table("opinions", merge_reference=False)
    assert plain["target_id"].tolist() == [ids[1], ids[0]]
    merged = client.materialize.query_table("opinions")
    assert merged["id_ref"].tolist() == [ids[1], ids[0]]
    assert merged["tag"].tolist() == ["good", "bad"]
    assert merged["tag_ref"].tolist() == ["right", "left"]
    assert "pt_root_id" in merged
    joined = client.materialize.join_query(
        [["opinions", "target_id"], [TABLE, "id"]],
        suffixes={"opinions": "_mine", TABLE: ""},
        filter_equal_dict={TABLE: {"tag": "left"}},
        select_columns={"opinions": ["tag"], TABLE: ["tag", "pt_position"]},
    )
    assert joined["tag_mine"].tolist() == ["bad"]
    assert joined["tag"].tolist() == ["left"]
    live = client.materialize.live_live_query(
        "opinions",
        now(),
        joins=[["opinions", "target_id", TABLE, "id"]],
        suffixes={"opinions": "", TABLE: "_ref"},
        metadata=False,
    )
    assert live["tag_ref"].tolist() == ["right", "left"]
    tables = client.materialize.tables
    assert sorted(tables.table_names) == [TABLE, "opinions"]
    assert tables[TABLE](tag="left").query()["id"].tolist() == [ids[0]]
    # There the columns of the table that refers get the suffix.
    assert tables["opinions"](tag="right").query()["tag_ref"].tolist() == ["good"]
    assert tables["opinions"](tag_ref="bad").live_query(now())["tag"].tolist() == ["left"]


def test_synapses(client: Any, service: RunningService) -> None:
    client.annotation.create_table(
        "synapses", "synapse", voxel_resolution=list(VOXEL_NM), description="Made up."
    )
    pre, post = (
        [int(p // v) for p, v in zip(tube_point(0, x), VOXEL_NM, strict=True)] for x in (10, 80)
    )
    row = {
        "pre_pt": {"position": pre},
        "post_pt": {"position": post},
        "ctr_pt": {"position": pre},
        "size": 3.5,
    }
    client.annotation.post_annotation("synapses", [row])
    whole = client.materialize.query_table("synapses")
    found = client.materialize.synapse_query(
        pre_ids=whole["pre_pt_root_id"][0], synapse_table="synapses"
    )
    assert found["size"].tolist() == [3.5]
    assert found["ctr_pt_position"][0].tolist() == pre
    assert client.info.get_datastack_info(use_stored=False)["synapse_table"] == "synapses"
    none = client.materialize.synapse_query(
        pre_ids=[whole["post_pt_root_id"][0]], synapse_table="synapses"
    )
    assert len(none) == 0


def test_an_empty_table_has_its_columns(client: Any) -> None:
    client.annotation.create_table(
        "empty", "bound_tag_valid", voxel_resolution=[8, 8, 16], description="Nothing yet."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = client.materialize.query_table("empty")
    assert len(found) == 0
    assert {"id", "tag", "valid_id", "pt_root_id", "pt_position"} <= set(found.columns)


QUERY = "version/1/table/checked/query"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (QUERY, "[]", 400),
        (QUERY, "{", 400),
        (QUERY, '{"filter_in_dict": 3}', 400),
        (QUERY, '{"filter_in_dict": {"checked": {"id": 3}}}', 400),
        (QUERY, '{"filter_in_dict": {"checked": {"nothing": []}}}', 400),
        (QUERY, '{"filter_in_dict": {"other": {"id": []}}}', 400),
        (QUERY, '{"filter_equal_dict": {"checked": {"id": "x"}}}', 400),
        (QUERY, '{"filter_equal_dict": {"checked": {"id": [1]}}}', 400),
        (QUERY, '{"filter_equal_dict": {"checked": {"created": "x"}}}', 400),
        (QUERY, '{"filter_regex_dict": {"checked": {"tag": "("}}}', 400),
        (QUERY, '{"filter_regex_dict": {"checked": {"id": "1"}}}', 400),
        (QUERY, '{"filter_spatial_dict": {"checked": {"pt_position": [1, 2]}}}', 400),
        (QUERY, '{"filter_spatial_dict": {"checked": {"tag": [[0,0,0],[1,1,1]]}}}', 400),
        (QUERY, '{"select_columns": ["nothing"]}', 400),
        (QUERY, '{"select_columns": [["id"]]}', 400),
        (QUERY, '{"limit": -1}', 400),
        (QUERY, '{"offset": 1e3}', 400),
        (QUERY, '{"desired_resolution": [0, 1, 1]}', 400),
        (f"{QUERY}?random_sample=0", "{}", 400),
        ("version/2/table/checked/query", "{}", 404),
        ("version/1/table/nothing/query", "{}", 404),
        ("version/1/query", '{"tables": [["checked", "id"]]}', 400),
        ("version/1/query", '{"tables": [["checked", "id"], ["checked", "id"]]}', 400),
        ("version/1/query", '{"tables": [["checked", "id"], ["nothing", "id"]]}', 404),
        ("query", "{}", 400),
        ("query", '{"table": "checked", "timestamp": "soon"}', 400),
        ("query", '{"table": "checked", "timestamp": "1999-01-01T00:00:00"}', 400),
        ("query", '{"table": "checked", "timestamp": "9999-12-31T23:59:59-23:00"}', 400),
    ],
)
def test_what_cannot_be_understood_is_refused(
    service: RunningService, ids: list[int], path: str, body: str, status: int
) -> None:
    base = f"{service.viewer_prefix}/materialize/api/v3/datastack"
    answer = requests.post(f"{base}/{NAME}/{path}", data=body, timeout=10)
    assert (answer.status_code, answer.text) == (status, answer.text)
    assert requests.post(f"{base}/other/{path}", data=body, timeout=10).status_code in (400, 404)


def test_the_stream_is_called_what_clients_compare_with(
    service: RunningService, ids: list[int]
) -> None:
    base = f"{service.viewer_prefix}/materialize/api/v2/datastack/{NAME}"
    answer = requests.post(f"{base}/{QUERY}", data="{}", timeout=10)
    assert answer.headers["content-type"] == "data.arrow"
    assert answer.headers["dataframe_resolution"] == "4.0, 4.0, 8.0"
