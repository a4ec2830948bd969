from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from connectome.errors import DatastackError, StorageError
from connectome.offline.annotations import (
    SCHEMA_TYPES,
    AnnotationStore,
    Field,
    Kind,
    TableDetails,
    public_definition,
)
from connectome.offline.annotations.database import Database, from_stamp, to_stamp
from connectome.offline.annotations.definitions import strict_definition
from connectome.offline.annotations.errors import (
    RowMissingError,
    RowRefusedError,
    SchemaError,
    SupersededError,
    TableMissingError,
    TableRefusedError,
    TooManyRowsError,
)
from connectome.offline.annotations.fields import POINT_PARTS
from connectome.offline.annotations.validation import flatten, violations_of
from connectome.offline.states import StateKind, StateStore, StateTooLargeError

DETAILS = TableDetails(description="d", voxel_resolution=(8.0, 8.0, 40.0), user_id="1")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Says what it is told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return to_stamp(self.now)

    def advance(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "annotations.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[AnnotationStore]:
    opened = AnnotationStore(path, Database(path, clock))
    yield opened
    opened.close()


@pytest.fixture
def tags(store: AnnotationStore) -> AnnotationStore:
    """The store with an empty table ``tags``."""
    store.create_table("tags", "bound_tag", DETAILS)
    return store


def tag(text: str = "t", x: float = 1) -> dict[str, Any]:
    return {"pt": {"position": [x, 2, 3]}, "tag": text}


def example(field: Field) -> object:
    """Return a value that fits a field."""
    if field.kind in POINT_PARTS:
        return {part.name: example(part) for part in POINT_PARTS[field.kind]}
    if field.choices:
        return field.choices[-1]
    return {
        Kind.TEXT: "text",
        Kind.WHOLE: 3,
        Kind.NUMBER: 0.5,
        Kind.FLAG: True,
        Kind.IDENTIFIER: 2**60 + 1,
        Kind.POSITION: [1, 2, 3],
    }[field.kind]


def full_row(name: str) -> dict[str, Any]:
    return {field.name: example(field) for field in SCHEMA_TYPES[name].fields}


# Schema types


@pytest.mark.parametrize("name", SCHEMA_TYPES)
def test_definitions_are_json_schemas_that_a_full_row_meets(name: str) -> None:
    public, strict = public_definition(SCHEMA_TYPES[name]), strict_definition(SCHEMA_TYPES[name])
    Draft7Validator.check_schema(public)
    Draft7Validator.check_schema(strict)
    assert not list(Draft7Validator(public).iter_errors(full_row(name)))
    assert violations_of(name, full_row(name)) == {}


@pytest.mark.parametrize("name", SCHEMA_TYPES)
def test_only_what_is_required_must_be_there(name: str) -> None:
    row, public = full_row(name), Draft7Validator(public_definition(SCHEMA_TYPES[name]))
    for field in SCHEMA_TYPES[name].fields:
        rest = {key: value for key, value in row.items() if key != field.name}
        null = {**rest, field.name: None}
        assert (violations_of(name, rest) == {}) is not field.required
        assert public.is_valid(rest) is not field.required
        assert (violations_of(name, null) == {}) is not field.required
        assert violations_of(name, rest, partial=True) == {}


@pytest.mark.parametrize("name", SCHEMA_TYPES)
def test_wrong_kinds_are_refused(name: str) -> None:
    wrong = {
        Kind.TEXT: (5, True, ["x"]),
        Kind.WHOLE: (1.5, "1", True, 2**63),
        Kind.NUMBER: ("1", True, float("nan"), float("inf"), 10**400),
        Kind.FLAG: (1, "true"),
        Kind.IDENTIFIER: (-1, 1.5, 2**63, str(2**63), "x", True),
        Kind.POSITION: ([1, 2], [1, 2, 3, 4], [1, 2, float("nan")], "1,2,3", [1, 2, True]),
    }
    row = full_row(name)
    for field in SCHEMA_TYPES[name].fields:
        for value in wrong.get(field.kind, ([1, 2, 3], {"position": [1]}, "x")):
            if field.name in ("root_id", "supervoxel_id") and value == str(2**63):
                continue  # Not stored, so what its text says does not matter.
            found = violations_of(name, {**row, field.name: value})
            assert list(found), (field.name, value)
            assert all(key.split(".")[0] == field.name for key in found)
        if field.choices:
            assert violations_of(name, {**row, field.name: "other"})


def test_the_merge_proposal_in_the_words_of_cave() -> None:
    assert public_definition(SCHEMA_TYPES["bound_2tag"]) == {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {
            "BoundSpatialPoint": {
                "type": "object",
                "properties": {
                    "position": {"type": "array"},
                    "root_id": {"type": "integer"},
                    "supervoxel_id": {"type": "integer"},
                },
                "required": ["position"],
                "additionalProperties": False,
            },
            "Bound2TagAnnotation": {
                "type": "object",
                "properties": {
                    "pt": {"type": "object", "$ref": "#/definitions/BoundSpatialPoint"},
                    "pt2": {"type": "object", "$ref": "#/definitions/BoundSpatialPoint"},
                    "tag": {"title": "tag", "type": "string"},
                    "tag2": {"title": "tag2", "type": "string"},
                    "valid": {"title": "valid", "type": ["boolean", "null"], "default": False},
                },
                "required": ["pt", "pt2", "tag", "tag2"],
                "additionalProperties": True,
            },
        },
        "$ref": "#/definitions/Bound2TagAnnotation",
    }


def test_definitions_agree_with_the_package_of_cave() -> None:
    """Runs where emannotationschemas installs, which needs a numpy before 2."""
    package = pytest.importorskip("emannotationschemas")
    dumper = pytest.importorskip("marshmallow_jsonschema").JSONSchema

    def bare(part: Any, names: bool = False) -> Any:
        if not isinstance(part, dict):
            return part
        prose = () if names else ("description", "desription", "order", "index")
        return {
            key: bare(value, key in ("properties", "definitions"))
            for key, value in part.items()
            if key not in prose
        }

    assert set(package.get_types()) == set(SCHEMA_TYPES)
    for name in package.get_types():
        theirs = dumper().dump(package.get_schema(name)())
        assert bare(theirs) == public_definition(SCHEMA_TYPES[name])


def test_flat_rows_leave_out_what_the_segmentation_says() -> None:
    row = {**tag(), "more": 1, "valid": False}
    row["pt"] |= {"root_id": 5, "supervoxel_id": 6}
    assert flatten("bound_tag", row) == {"pt_position": [1, 2, 3], "tag": "t"}
    assert flatten("nucleus_detection", {"pt": {"position": [1, 2, 3]}, "bb_end": None}) == {
        "pt_position": [1, 2, 3],
        "bb_end_position": None,
    }
    assert flatten("reference_tag_float", {"target_id": "7", "tag": "t", "value": 1}) == {
        "tag": "t",
        "target_id": 7,
        "value": 1.0,
    }


def test_columns_and_bound_points() -> None:
    synapse = SCHEMA_TYPES["synapse"]
    assert [c.name for c in synapse.columns] == [
        "ctr_pt_position",
        "post_pt_position",
        "pre_pt_position",
        "size",
    ]
    assert synapse.bound_points == ("post_pt", "pre_pt")
    assert SCHEMA_TYPES["reference_tag"].is_reference
    assert not synapse.is_reference
    derived = {c.name: c.required for c in SCHEMA_TYPES["derived_tag"].columns}
    assert derived == {
        "pt_dependent_chunk": True,
        "pt_level": False,
        "pt_position": True,
        "tag": True,
    }


def test_explanations_stay_short() -> None:
    (texts,) = violations_of("bound_tag", {**tag(), "tag": ["x" * 100_000]}).values()
    assert len(texts[0]) < 250


# The store


def test_rows_as_of_a_time(tags: AnnotationStore, clock: Clock) -> None:
    before = clock.now
    made = clock.advance(1)
    tags.insert("tags", [tag("a"), tag("b")])
    replaced = clock.advance(1)
    tags.update("tags", [{"id": 1, "tag": "c"}])
    ended = clock.advance(1)
    tags.delete("tags", [2, 3])

    def texts(at: datetime | None) -> list[str]:
        return [row["tag"] for row in tags.rows("tags", at=at)]

    assert texts(before) == []
    assert texts(made) == ["a", "b"]
    assert texts(replaced) == ["b", "c"]
    assert texts(ended) == texts(None) == []
    first, second, third = tags.get("tags", [3, 1, 2])
    assert (first["created"], first["deleted"], first["superceded_id"]) == (made, replaced, 3)
    assert (second["created"], second["deleted"], second["superceded_id"]) == (made, ended, None)
    assert (third["created"], third["pt_position"]) == (replaced, (1, 2, 3))
    assert not any(row["valid"] for row in (first, second, third))
    assert tags.count("tags") == 3


def test_tables_as_of_a_time(tags: AnnotationStore, clock: Clock) -> None:
    made = clock.now
    tags.insert("tags", [tag()])
    written = clock.advance(1)
    clock.advance(1)
    tags.delete_table("tags")
    assert tags.tables() == []
    assert tags.tables(at=made) == tags.tables(at=written) == ["tags"]
    assert tags.tables(at=made - timedelta(seconds=1)) == []
    assert len(tags.rows("tags", at=written)) == 1
    for at in (None, clock.now, made - timedelta(seconds=1)):
        with pytest.raises(TableMissingError):
            tags.rows("tags", at=at)


def test_times_increase_when_the_clock_does_not(tags: AnnotationStore, clock: Clock) -> None:
    tags.insert("tags", [tag("a")])
    clock.advance(-3600)
    tags.update("tags", [{"id": 1, "tag": "b"}])
    old, new = tags.get("tags", [1, 2])
    assert old["created"] < old["deleted"] == new["created"]
    assert [row["tag"] for row in tags.rows("tags", at=old["created"])] == ["a"]
    assert tags.metadata("tags").last_modified == new["created"]


def test_rows_with_a_value(store: AnnotationStore) -> None:
    store.create_table("valid", "bound_tag_bool_valid", DETAILS)
    point = {"pt": {"position": [1, 2, 3]}}
    big = 2**60 + 1
    store.insert(
        "valid",
        [{**point, "tag": True, "valid_id": big}, {**point, "tag": False, "valid_id": big + 1}],
    )
    for where, ids in (
        ({"valid_id": big}, [1]),
        ({"valid_id": big + 1, "tag": False}, [2]),
        ({"tag": True}, [1]),
        ({"id": 2}, [2]),
        ({"valid_id": 2**70}, []),
        ({"tag": "true"}, []),
        ({}, [1, 2]),
    ):
        assert [row["id"] for row in store.rows("valid", where=where)] == ids
    for name in ("nothing", "pt_position", "tag') OR ('1"):
        with pytest.raises(TableRefusedError):
            store.rows("valid", where={name: 1})


def test_a_call_is_written_whole_or_not_at_all(tags: AnnotationStore) -> None:
    tags.insert("tags", [tag("a"), tag("b")])
    modified = tags.metadata("tags").last_modified
    with pytest.raises(SchemaError) as caught:
        tags.insert("tags", [tag(), {"tag": "x"}])
    assert caught.value.violations == {1: {"pt": ["This field is required."]}}
    with pytest.raises(RowRefusedError):
        tags.insert("tags", [tag(), {**tag(), "id": 2}])
    with pytest.raises(RowMissingError):
        tags.update("tags", [{"id": 1, "tag": "c"}, {"id": 9, "tag": "c"}])
    with pytest.raises(SupersededError, match="superseded by annotation ID 3"):
        tags.update("tags", [{"id": 1, "tag": "c"}, {"id": 1, "tag": "d"}])
    with pytest.raises(TooManyRowsError):
        tags.update("tags", [{"id": 1}] * 10_001)
    assert [row["tag"] for row in tags.rows("tags")] == ["a", "b"]
    assert tags.count("tags") == 2
    assert tags.metadata("tags").last_modified == modified


def test_an_ended_row_keeps_its_end(tags: AnnotationStore, clock: Clock) -> None:
    tags.insert("tags", [tag("a")])
    ended = clock.advance(1)
    tags.delete("tags", [1])
    clock.advance(1)
    assert tags.delete("tags", [1, 1, 2**63, -1]) == [1]
    # As on the real server, an update brings an ended row's successor to life.
    assert tags.update("tags", [{"id": 1, "tag": "b"}]) == {1: 2}
    assert tags.get("tags", [1])[0]["deleted"] == ended
    assert [row["tag"] for row in tags.rows("tags")] == ["b"]


def test_at_most_twenty_rows_are_explained(tags: AnnotationStore) -> None:
    with pytest.raises(SchemaError) as caught:
        tags.insert("tags", [{}] * 1000)
    assert len(caught.value.violations) == 20


def test_rows_follow_what_they_speak_about(tags: AnnotationStore) -> None:
    from dataclasses import replace

    about = replace(DETAILS, reference_table="tags")
    tags.create_table("still", "simple_reference", about)
    tags.create_table("moving", "simple_reference", replace(about, track_target_id_updates=True))
    tags.insert("tags", [tag()])
    for table in ("still", "moving"):
        tags.insert(table, [{"target_id": 1}])
        with pytest.raises(RowMissingError):
            tags.insert(table, [{"target_id": 2}])
    tags.update("tags", [{"id": 1, "tag": "b"}])
    assert tags.rows("still")[0]["target_id"] == 1
    assert tags.rows("moving")[0]["target_id"] == 2


def test_tables_that_cannot_be(tags: AnnotationStore) -> None:
    from dataclasses import replace

    for name in ("", "A", "1a", "a b", "a" * 101, "tags", "a\n"):
        with pytest.raises(TableRefusedError):
            tags.create_table(name, "bound_tag", DETAILS)
    with pytest.raises(TableRefusedError, match="not a known annotation type"):
        tags.create_table("other", "nothing", DETAILS)
    for schema, target in (("bound_tag", "tags"), ("reference_tag", "x"), ("reference_tag", "o")):
        with pytest.raises(TableRefusedError):
            tags.create_table("o", schema, replace(DETAILS, reference_table=target))
    with pytest.raises(TableRefusedError):
        replace(DETAILS, voxel_resolution=(1.0, 0.0, 1.0))
    with pytest.raises(TableRefusedError):
        tags.update_table("tags", {"read_permission": "NOBODY"})
    assert tags.tables() == ["tags"]


def test_what_is_said_about_a_table(tags: AnnotationStore) -> None:
    known = tags.update_table("tags", {"notice_text": "Look.", "user_id": "2"})
    assert (known.details.notice_text, known.details.user_id) == ("Look.", "2")
    assert known.may_read("1")
    assert not known.may_write("1")
    assert known.may_write("2")
    assert tags.update_table("tags", {"notice_text": ""}).details.notice_text is None
    assert tags.metadata("tags").voxel_resolution == (8.0, 8.0, 40.0)
    for call in (tags.delete_table, tags.metadata, tags.count, tags.rows):
        with pytest.raises(TableMissingError):
            call("none")


def test_everything_is_there_after_opening_again(tags: AnnotationStore, path: Path) -> None:
    tags.insert("tags", [tag("kept", 1.5)])
    tags.close()
    again = AnnotationStore(path)
    (row,) = again.rows("tags")
    assert (row["tag"], row["pt_position"]) == ("kept", (1.5, 2, 3))
    assert again.metadata("tags").details == DETAILS
    again.close()


def test_readers_do_not_wait_for_a_writer(tags: AnnotationStore, path: Path) -> None:
    tags.insert("tags", [tag("a")])
    other = Database(path)
    with other.transaction() as (via, _now):
        via.execute("DELETE FROM annotation")
        found: list[Any] = []
        reader = threading.Thread(target=lambda: found.extend(tags.rows("tags")))
        reader.start()
        reader.join(timeout=5)
        assert [row["tag"] for row in found] == ["a"]
    assert tags.rows("tags") == []
    other.close()


def test_eight_writers_lose_nothing(tags: AnnotationStore, path: Path) -> None:
    stores = [AnnotationStore(path) for _ in range(4)]
    failed: list[BaseException] = []

    def write(store: AnnotationStore, name: str) -> None:
        try:
            for count in range(10):
                store.insert("tags", [tag(f"{name}:{count}"), tag(f"{name}:{count}+")])
        except BaseException as error:
            failed.append(error)
            raise

    threads = [
        threading.Thread(target=write, args=(stores[n % 4], str(n)), daemon=True) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failed
    rows = tags.rows("tags")
    assert [row["id"] for row in rows] == list(range(1, 161))
    assert len({row["tag"] for row in rows}) == 160
    for store in stores:
        store.close()


def test_files_that_are_something_else(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"no database, but long enough to be looked at " * 100)
    with pytest.raises(DatastackError, match="cannot be read"):
        AnnotationStore(path)
    with pytest.raises(DatastackError, match="cannot be read"):
        StateStore(path)
    newer = tmp_path / "newer.sqlite"
    AnnotationStore(newer).close()
    with sqlite3.connect(newer) as file:
        file.execute("UPDATE meta SET value='2' WHERE key='format'")
    file.close()
    with pytest.raises(DatastackError, match="newer version"):
        AnnotationStore(newer)
    with pytest.raises(StorageError):
        AnnotationStore(tmp_path / "nowhere" / "a.sqlite")
    with pytest.raises(StorageError):
        StateStore(tmp_path / "nowhere" / "a.sqlite")


def test_a_full_disk_writes_nothing(tags: AnnotationStore, path: Path, clock: Clock) -> None:
    tags.insert("tags", [tag("a")])
    tags.close()
    database = Database(path, clock)
    full = AnnotationStore(path, database)
    with database.transaction() as (via, _now):
        (pages,) = via.execute("PRAGMA page_count").fetchone()
        via.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageError, match="full"):
        full.insert("tags", [tag("x" * 1000)] * 1000)
    assert [row["tag"] for row in full.rows("tags")] == ["a"]
    full.close()


def test_stamps() -> None:
    moment = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
    assert from_stamp(to_stamp(moment)) == moment


# States


def test_states_are_bounded_one_by_one_and_together(tmp_path: Path) -> None:
    path = tmp_path / "states.sqlite"
    states = StateStore(path, state_limit=10, total_limit=25)
    assert [states.add(b"0123456789"), states.add(b"9876543210")] == [1, 2]
    with pytest.raises(StateTooLargeError):
        states.add(b"01234567890")
    with pytest.raises(StateTooLargeError, match="no room"):
        states.add(b"0123456789")
    assert states.add(b"01234", StateKind.PROPERTY) == 3
    states.close()
    again = StateStore(path)
    assert again.get(2) == b"9876543210"
    assert again.get(3) is None
    assert again.get(3, StateKind.PROPERTY) == b"01234"
    assert again.get(2**63) is None
    assert again.get(0) is None
    again.close()
