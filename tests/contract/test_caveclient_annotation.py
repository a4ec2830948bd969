"""The unmodified caveclient's annotation and schema clients against the offline service."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import requests

from connectome.offline.service import RunningService
from tests.contract.volumes import NAME

pd = pytest.importorskip("pandas")
PREFIX = f"/annotation/api/v2/aligned_volume/{NAME}/table"
VOXEL = [8.0, 8.0, 8.0]


@pytest.fixture
def client(service: RunningService) -> Any:
    from caveclient import CAVEclient

    return CAVEclient(
        NAME,
        server_address=service.url,
        auth_token=service.token,
        max_retries=0,
        write_server_cache=False,
    )


@pytest.fixture
def tables(client: Any) -> Any:
    """The annotation client, with an empty table of merge verdicts."""
    client.annotation.create_table("merges", "bound_2tag", "Merge verdicts.", VOXEL)
    return client.annotation


@pytest.fixture
def web(service: RunningService) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {service.token}"
        yield session


def merge(tag2: str = "one", x: float = 1) -> dict[str, Any]:
    return {
        "pt": {"position": [x, 2, 3]},
        "pt2": {"position": [4, 5, 6]},
        "tag": "merge:accept",
        "tag2": tag2,
    }


def status_of(error: pytest.ExceptionInfo[requests.HTTPError]) -> int:
    return error.value.response.status_code


def test_a_table_is_made_described_changed_and_ended(client: Any) -> None:
    annotation = client.annotation
    assert annotation.get_tables() == []
    made = annotation.create_table("verdicts", "bound_tag", "What was seen.", [4, 4, 40])
    assert (made.status_code, made.text) == (200, "verdicts")
    assert annotation.get_tables() == ["verdicts"]
    known = annotation.get_table_metadata("verdicts")
    assert known["schema_type"] == "bound_tag"
    assert known["voxel_resolution"] == [4.0, 4.0, 40.0]
    assert (known["read_permission"], known["write_permission"]) == ("PUBLIC", "PRIVATE")
    assert (known["user_id"], known["notice_text"]) == ("1", None)
    changed = annotation.update_metadata(
        "verdicts", description="Anew.", write_permission="PUBLIC", flat_segmentation_source="f"
    )
    assert (changed["description"], changed["write_permission"]) == ("Anew.", "PUBLIC")
    again = annotation.get_table_metadata("verdicts")
    assert (again["description"], again["flat_segmentation_source"]) == ("Anew.", "f")
    assert again["read_permission"] == "PUBLIC"
    assert annotation.delete_table("verdicts") is True
    assert annotation.get_tables() == []
    with pytest.raises(requests.HTTPError) as error:
        annotation.get_table_metadata("verdicts")
    assert status_of(error) == 404


def test_a_notice_stands_in_a_header(client: Any, service: RunningService, web: Any) -> None:
    text = "Ask → first.\r\nX-Injected: 1"
    client.annotation.create_table("noted", "bound_tag", "d", VOXEL, notice_text=text)
    for path in ("noted", "noted/annotations?annotation_ids=1"):
        answer = web.get(f"{service.url}{PREFIX}/{path}", timeout=5)
        assert answer.headers["Warning"] == "Table Owner Notice: Ask ? first. X-Injected: 1"
        assert "X-Injected" not in answer.headers
    assert client.annotation.get_table_metadata("noted")["notice_text"] == text
    assert client.annotation.update_metadata("noted", notice_text="None")["notice_text"] is None
    answer = web.get(f"{service.url}{PREFIX}/noted", timeout=5)
    assert answer.status_code == 201
    assert "Warning" not in answer.headers


@pytest.mark.parametrize(
    ("name", "schema", "message"),
    [
        ("merges", "bound_tag", "already exists"),
        ("Upper", "bound_tag", "Invalid table name"),
        ("1st", "bound_tag", "Invalid table name"),
        ("", "bound_tag", "Invalid table name"),
        ("a-b", "bound_tag", "Invalid table name"),
        ("fine", "no_such_schema", "not a known annotation type"),
    ],
)
def test_tables_that_cannot_be(tables: Any, name: str, schema: str, message: str) -> None:
    with pytest.raises(requests.HTTPError, match=message) as error:
        tables.create_table(name, schema, "d", VOXEL)
    assert status_of(error) == 400
    assert tables.get_tables() == ["merges"]


def test_the_name_of_an_ended_table_is_not_used_again(tables: Any) -> None:
    tables.delete_table("merges")
    with pytest.raises(requests.HTTPError, match="already exists"):
        tables.create_table("merges", "bound_tag", "d", VOXEL)


def test_rows_are_written_read_replaced_and_ended(tables: Any) -> None:
    ids = tables.post_annotation("merges", [merge("a"), merge("b", 10.75)])
    assert ids == [1, 2]
    assert tables.post_annotation("merges", merge("c")) == [3]
    first, second = tables.get_annotation("merges", [2, 1])
    assert (first["id"], second["id"]) == (1, 2)
    assert second["pt_position"] == [10, 2, 3]
    assert (second["tag"], second["tag2"], second["valid"]) == ("merge:accept", "b", True)
    assert second["deleted"] is None
    assert set(second) == {
        *("id", "created", "deleted", "superceded_id", "valid"),
        *("pt_position", "pt2_position", "tag", "tag2"),
    }
    # What an update leaves out stays.
    assert tables.update_annotation("merges", {"id": 1, "tag": "merge:reject"}) == {"1": 4}
    old, new = tables.get_annotation("merges", [1, 4])
    assert (old["valid"], old["superceded_id"], old["tag"]) == (False, 4, "merge:accept")
    assert (new["valid"], new["tag"], new["tag2"]) == (True, "merge:reject", "a")
    assert new["pt_position"] == [1, 2, 3]
    with pytest.raises(requests.HTTPError, match="superseded by annotation ID 4") as error:
        tables.update_annotation("merges", {"id": 1, "tag": "x"})
    assert status_of(error) == 409
    assert tables.delete_annotation("merges", [2, 3, 99]) == [2, 3]
    assert [row["valid"] for row in tables.get_annotation("merges", [2, 3])] == [False, False]
    assert tables.get_annotation_count("merges") == 4
    assert tables.get_annotation("merges", 99) == []


def test_data_frames(tables: Any) -> None:
    frame = pd.DataFrame(
        {"pt_position": [[1, 2, 3]], "pt2_position": [[4, 5, 6]], "tag": ["t"], "tag2": ["u"]}
    )
    assert tables.post_annotation_df("merges", frame, None) == [1]
    frame["id"], frame["tag"] = 1, "v"
    assert tables.update_annotation_df("merges", frame, ["pt_position", "pt2_position"]) == {"1": 2}
    (row,) = tables.get_annotation("merges", 2)
    assert (row["tag"], row["pt_position"]) == ("v", [1, 2, 3])


def test_staged_annotations_from_stage_to_row(tables: Any) -> None:
    stage = tables.stage_annotations("merges", annotation_resolution=[1, 1, 1])
    assert stage.fields == ["pt_position", "pt2_position", "tag", "tag2", "valid"]
    stage.add(pt_position=np.array([80, 160, 240]), pt2_position=[8, 8, 8], tag="a", tag2="k")
    stage.add_dataframe(
        pd.DataFrame(
            {"pt_position": [[8, 8, 8]], "pt2_position": [[16, 8, 8]], "tag": "b", "tag2": "l"}
        )
    )
    assert tables.upload_staged_annotations(stage, progress=False, retries=1) == [1, 2]
    # Given in nanometres, kept in voxels of the table.
    assert tables.get_annotation("merges", 1)[0]["pt_position"] == [10, 20, 30]

    update = tables.stage_annotations("merges", update=True)
    update.add(id=2, pt_position=[1, 1, 1], pt2_position=[2, 2, 2], tag="c", tag2="m")
    assert tables.upload_staged_annotations(update, progress=False, retries=1) == {"2": 3}
    assert tables.get_annotation("merges", 3)[0]["tag"] == "c"


def test_every_schema_can_be_staged(client: Any) -> None:
    for name in client.schema.get_schemas():
        if name == "derived_spatial_point":
            continue  # A type of point, which is no type of table in the client's eyes.
        stage = client.annotation.stage_annotations(schema_name=name)
        assert set(stage.fields_required) <= set(stage.fields)


def test_the_schema_service(client: Any) -> None:
    names = client.schema.get_schemas()
    assert len(names) == 57
    assert {"bound_2tag", "bound_tag_valid", "synapse", "reference_tag"} <= set(names)
    one = client.schema.schema_definition("bound_tag")
    assert one["$ref"] == "#/definitions/BoundTagAnnotation"
    assert one["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert set(one["definitions"]) == {"BoundSpatialPoint", "BoundTagAnnotation"}
    assert one["definitions"]["BoundTagAnnotation"]["required"] == ["pt", "tag"]
    some = client.schema.schema_definition_multi(["bound_tag", "synapse"])
    assert some["bound_tag"] == one
    assert set(some) == {"bound_tag", "synapse"}
    every = client.schema.schema_definition_all()
    assert (set(every), every["synapse"]) == (set(names), some["synapse"])
    with pytest.raises(requests.HTTPError) as error:
        client.schema.schema_definition("no_such_schema")
    assert status_of(error) == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tag": None}, "tag"),
        ({"tag": 5}, "tag"),
        ({"pt": {"position": [1, 2]}}, "pt.position"),
        ({"pt": {"position": [1, 2, "3"]}}, "pt.position.2"),
        ({"pt": [1, 2, 3]}, "pt"),
        ({"pt2": {}}, "pt2.position"),
        ({"id": -1}, "id"),
    ],
)
def test_rows_that_do_not_fit(tables: Any, change: dict[str, Any], field: str) -> None:
    good = merge()
    with pytest.raises(requests.HTTPError, match="does not fit") as error:
        tables.post_annotation("merges", [good, {**good, **change}])
    assert status_of(error) == 422
    assert list(error.value.response.json()["errors"]["1"]) == [field]
    assert tables.get_annotation_count("merges") == 0


def test_a_missing_field_is_named(tables: Any) -> None:
    row = merge()
    del row["tag2"], row["pt"]
    with pytest.raises(requests.HTTPError) as error:
        tables.post_annotation("merges", row)
    assert set(error.value.response.json()["errors"]["0"]) == {"tag2", "pt"}


def test_at_most_ten_thousand_rows(tables: Any) -> None:
    with pytest.raises(requests.HTTPError, match="The insertion limit is 10000, 10001") as error:
        tables.post_annotation("merges", [merge()] * 10_001)
    assert status_of(error) == 413
    assert tables.get_annotation_count("merges") == 0
    assert len(tables.post_annotation("merges", [merge()] * 10_000)) == 10_000


def test_ids_of_ones_own_choice(tables: Any) -> None:
    assert tables.post_annotation("merges", [{**merge(), "id": 7}, merge()]) == [7, 8]
    with pytest.raises(requests.HTTPError, match="ID 7") as error:
        tables.post_annotation("merges", [merge(), {**merge(), "id": 7}])
    assert status_of(error) == 404
    assert tables.get_annotation_count("merges") == 2


def test_ids_beyond_what_a_float_holds(client: Any) -> None:
    annotation = client.annotation
    annotation.create_table("valid", "bound_tag_valid", "d", VOXEL)
    root = 2**60 + 1
    row = {"pt": {"position": [1, 2, 3]}, "tag": "t", "valid_id": root}
    ids = annotation.post_annotation("valid", [row, {**row, "valid_id": str(root)}])
    assert [r["valid_id"] for r in annotation.get_annotation("valid", ids)] == [root, root]


def test_rows_about_rows(tables: Any) -> None:
    tables.post_annotation("merges", merge())
    with pytest.raises(requests.HTTPError, match="ReferenceAnnotation") as error:
        tables.create_table("about", "bound_tag", "d", VOXEL, reference_table="merges")
    assert status_of(error) == 400
    for target in ("about", "nowhere"):
        with pytest.raises(requests.HTTPError):
            tables.create_table("about", "reference_tag", "d", VOXEL, reference_table=target)
    tables.create_table(
        "about",
        "reference_tag",
        "d",
        VOXEL,
        reference_table="merges",
        track_target_id_updates=True,
    )
    assert tables.get_table_metadata("about")["reference_table"] == "merges"
    tables.post_annotation("about", {"target_id": 1, "tag": "seen"})
    with pytest.raises(requests.HTTPError, match="No annotation with ID 5") as error:
        tables.post_annotation("about", {"target_id": 5, "tag": "seen"})
    assert status_of(error) == 404
    tables.update_annotation("merges", {"id": 1, "tag": "other"})
    assert tables.get_annotation("about", 1)[0]["target_id"] == 2


def test_tables_of_others(tables: Any) -> None:
    tables.create_table("theirs", "bound_tag", "d", VOXEL, user_id=2, read_permission="GROUP")
    row = {"pt": {"position": [1, 2, 3]}, "tag": "t"}
    asked: tuple[Callable[[], Any], ...] = (
        lambda: tables.post_annotation("theirs", row),
        lambda: tables.update_annotation("theirs", {"id": 1, **row}),
        lambda: tables.delete_annotation("theirs", [1]),
        lambda: tables.get_annotation("theirs", 1),
        lambda: tables.get_annotation_count("theirs"),
        lambda: tables.update_metadata("theirs", description="mine"),
        lambda: tables.delete_table("theirs"),
    )
    for ask in asked:
        with pytest.raises(requests.HTTPError) as error:
            ask()
        assert status_of(error) == 401
    assert tables.get_table_metadata("theirs")["description"] == "d"


def test_what_is_not_there(tables: Any) -> None:
    row = {"id": 1, **merge()}
    cases: tuple[tuple[Callable[[], Any], int], ...] = (
        (lambda: tables.post_annotation("none", merge()), 404),
        (lambda: tables.update_annotation("none", row), 404),
        (lambda: tables.update_annotation("merges", row), 400),
        (lambda: tables.update_annotation("merges", merge()), 422),
        (lambda: tables.delete_annotation("merges", [1]), 404),
        (lambda: tables.get_annotation_count("none"), 404),
        (lambda: tables.delete_table("none"), 404),
        (lambda: tables.get_tables("other_volume"), 400),
    )
    for ask, status in cases:
        with pytest.raises(requests.HTTPError) as error:
            ask()
        assert status_of(error) == status
        assert error.value.response.json()["code"] == status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "", []),
        ("POST", "", {"table_name": "x", "schema_type": "bound_tag"}),
        ("POST", "", {"table_name": 1, "schema_type": "bound_tag", "metadata": {}}),
        ("PUT", "", {"table_name": "merges", "metadata": {"read_permission": "ALL"}}),
        ("PUT", "", {"table_name": "merges", "metadata": {"user_id": "me"}}),
        ("POST", "/merges/annotations", {"annotations": {}}),
        ("POST", "/merges/annotations", {"annotations": [1]}),
        ("PUT", "/merges/annotations", []),
        ("DELETE", "/merges/annotations", {"annotation_ids": ["x"]}),
        ("DELETE", "/merges/annotations", {}),
        ("GET", "/merges/annotations?annotation_ids=1,x", None),
        ("GET", "/merges/annotations", None),
        ("GET", "?timestamp=noon", None),
    ],
)
def test_bodies_that_cannot_be_read(
    tables: Any, web: Any, service: RunningService, method: str, path: str, body: object
) -> None:
    data = None if body is None else json.dumps(body)
    answer = web.request(method, f"{service.url}{PREFIX}{path}", data=data, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("[400]: ")


def test_sizes_of_voxels_that_cannot_be(web: Any, service: RunningService) -> None:
    for size in (0, -1, "4", None, True, 10**400):
        metadata = {"description": "d", "voxel_resolution_x": size}
        metadata |= {"voxel_resolution_y": 1, "voxel_resolution_z": 1}
        body = {"table_name": "t", "schema_type": "bound_tag", "metadata": metadata}
        answer = web.post(service.url + PREFIX, data=json.dumps(body), timeout=5)
        assert answer.status_code == 400


def test_writing_needs_the_token(tables: Any, service: RunningService) -> None:
    for base, status in ((service.url, 401), (service.viewer_prefix, 403)):
        url = f"{base}{PREFIX}/merges/annotations"
        body = json.dumps({"annotations": [merge()]})
        assert requests.post(url, data=body, timeout=5).status_code == status
    read = f"{service.viewer_prefix}{PREFIX}/merges/annotations?annotation_ids=1"
    assert requests.get(read, timeout=5).json() == []
    assert tables.get_annotation_count("merges") == 0


def test_tables_as_of_a_time(tables: Any, web: Any, service: RunningService) -> None:
    def names(at: datetime) -> Any:
        query = {"timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f")}
        return web.get(service.url + PREFIX, params=query, timeout=5).json()

    now = datetime.now(UTC)
    tables.delete_table("merges")
    assert names(now) == ["merges"]
    assert names(now - timedelta(days=1)) == []
    assert names(now + timedelta(days=1)) == []


def test_rows_survive_the_service(tables: Any, service: RunningService) -> None:
    from connectome.offline.service import serve

    tables.post_annotation("merges", merge("kept"))
    service.stop()
    with serve(service.engine.folder) as again:
        url = f"{again.viewer_prefix}{PREFIX}/merges/annotations?annotation_ids=1"
        (row,) = requests.get(url, timeout=5).json()
    assert row["tag2"] == "kept"
