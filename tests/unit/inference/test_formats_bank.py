from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.cave.operations import HistoryOperation
from connectome.errors import InputError
from inference.datasets.formats.bank import read_bank, write_bank
from inference.datasets.formats.base import Format
from inference.datasets.formats.detect import detect_format
from inference.datasets.formats.exchange import export_history, export_samples, import_samples
from inference.datasets.formats.history import as_history, bank_of_history
from inference.datasets.formats.labels import operation_samples
from inference.datasets.formats.later import LaterEdits
from inference.datasets.formats.lines import TORN, UNREADABLE
from inference.datasets.formats.operations import Control, Operation
from inference.datasets.samples import Origin
from proofreading.verdicts import Task

A, B, C = 864691135000000001, 864691135000000003, 864691135000000005


def _record(number: int = 7, **other: Any) -> dict[str, Any]:
    return {
        "operation_id": number,
        "root_id": A,
        "species": "mouse",
        "is_merge": True,
        "timestamp": 1624546705,
        "source_coords_nm": [[100.0, 200.0, 300.0]],
        "sink_coords_nm": [[300.0, 200.0, 500.0]],
        "interface_point_nm": [200.0, 200.0, 400.0],
        "before_root_ids": [A, B],
        "after_root_ids": [C],
        "user_id": "2190",
        **other,
    }


def _file(path: Path, records: Sequence[dict[str, Any]], tail: bytes = b"") -> Path:
    path.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in records) + tail)
    return path


def _read(path: Path) -> tuple[list[Operation | Control], Counter[str]]:
    dropped: Counter[str] = Counter()
    return list(read_bank(path, dropped)), dropped


def test_who_made_an_edit_is_neither_kept_nor_written(tmp_path: Path) -> None:
    control = {
        "source_operation_id": 7,
        "strategy": "inversion",
        "is_correct": False,
        "is_merge": False,
        "before_root_ids": [C],
        "interface_point_nm": [1, 2, 3],
        "metadata": {"user_id": "2190", "kept": {"user_name": "x", "y": 1}},
        "_type": "control",
    }
    items, _ = _read(_file(tmp_path / "bank", [_record(), control]))
    write_bank(tmp_path / "again", items)
    text = (tmp_path / "again").read_text()
    assert len(items) == 2
    assert "2190" not in text
    assert "user" not in text
    assert '"y":1' in text


def test_what_an_edit_does_not_need_may_be_missing(tmp_path: Path) -> None:
    bare = {"operation_id": 3, "is_merge": False, "before_root_ids": [C],
            "interface_point_nm": [1.0, 2.0, 3.0]}  # fmt: skip
    (item,), dropped = _read(_file(tmp_path / "bank", [bare]))
    assert isinstance(item, Operation)
    assert (item.before, item.after, item.time, item.sources_nm) == ((C,), (), None, ())
    assert not dropped


def test_torn_glued_and_repeated_lines_and_far_places_are_counted(tmp_path: Path) -> None:
    far = _record(9, interface_point_nm=[2e9, 0, 0])
    file = _file(tmp_path / "bank", [_record(), _record(), far])
    with file.open("ab") as out:
        out.write(b'{"operation_id": 12, "is_m{"operation_id": 13}\n')
        out.write(b'{"operation_id": 14, "is_me')
    items, dropped = _read(file)
    assert [item.operation_id for item in items if isinstance(item, Operation)] == [7]
    assert dropped == {
        "edits that stand twice": 1,
        "places more than a metre away": 1,
        UNREADABLE: 1,
        TORN: 1,
    }


def test_an_edit_at_the_origin_without_points_has_no_place(tmp_path: Path) -> None:
    nowhere = _record(source_coords_nm=[], sink_coords_nm=[], interface_point_nm=[0.0, 0.0, 0.0])
    items, dropped = _read(_file(tmp_path / "bank", [nowhere, _record(8)]))
    assert len(items) == 1
    assert dropped.total() == 1


def test_a_place_that_is_missing_is_the_middle_of_the_points(tmp_path: Path) -> None:
    record = _record()
    del record["interface_point_nm"]
    (item,), _ = _read(_file(tmp_path / "bank", [record]))
    assert item.point_nm == (200.0, 200.0, 400.0)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Dear all,\nthis is no data.\n")
    with pytest.raises(InputError, match="No line of"):
        _read(tmp_path / "text")
    with pytest.raises(InputError, match="no kind that can be read"):
        detect_format(tmp_path / "text")
    with pytest.raises(InputError, match="cannot be read"):
        detect_format(tmp_path / "absent")


_ids = st.integers(min_value=2**53, max_value=2**63 - 1)
_place = st.tuples(*[st.floats(-1e8, 1e8, allow_nan=False)] * 3)
_operations = st.builds(
    Operation,
    operation_id=st.integers(0, 2**53),
    is_merge=st.booleans(),
    species=st.sampled_from(["mouse", "somewhere"]),
    before=st.lists(_ids, min_size=1, max_size=3).map(tuple),
    after=st.lists(_ids, max_size=3).map(tuple),
    point_nm=_place,
    time=st.none() | st.just(datetime(2021, 6, 24, 14, 58, 25, tzinfo=UTC)),
    root=st.none() | _ids,
    sources_nm=st.lists(_place, min_size=1, max_size=2).map(tuple),
    sinks_nm=st.lists(_place, min_size=1, max_size=2).map(tuple),
    added_edges=st.lists(st.tuples(_ids, _ids), max_size=2).map(tuple),
    extra=st.just({"remark": "kept"}),
)


@settings(max_examples=60, deadline=None)
@given(operation=_operations)
def test_an_edit_comes_back_whole_with_ids_beyond_doubles(
    operation: Operation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bank") / "bank.jsonl"
    write_bank(path, [operation])
    assert _read(path) == ([operation], Counter())
    # Programs whose only number is a double have to find the ids as strings.
    record = json.loads(path.read_text(), parse_int=float)
    assert [int(one) for one in record["before_root_ids"]] == list(operation.before)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
_FIELDS = (
    "operation_id", "root_id", "species", "timestamp", "source_coords_nm", "sink_coords_nm",
    "interface_point_nm", "before_root_ids", "after_root_ids", "added_edges", "is_correct",
    "source_operation_id", "metadata", "before_timestamp", "is_merge",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(_FIELDS), _json | st.just({"proofdesk": {"id": 1}})))
def test_no_content_of_a_field_stops_the_reading(
    changes: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = _file(tmp_path_factory.mktemp("bank") / "bank", [_record(1), {**_record(), **changes}])
    assert len(import_samples(path).samples) >= 5


def _merge(**other: Any) -> Operation:
    kept = {
        "operation_id": 7,
        "is_merge": True,
        "species": "mouse",
        "before": (A, B),
        "after": (C,),
        "point_nm": (200.0, 200.0, 400.0),
        "time": datetime(2021, 1, 1, tzinfo=UTC),
        "sources_nm": ((100.0, 200.0, 300.0),),
        "sinks_nm": ((300.0, 200.0, 500.0),),
    }
    return Operation(**{**kept, **other})


def _answers(operation: Operation) -> set[tuple[Task, tuple[int, ...], bool]]:
    return {(s.task, s.segments, s.label) for s in operation_samples(operation)}


def test_a_merge_edit_repairs_a_split_error() -> None:
    assert _answers(_merge()) == {
        (Task.SPLIT_ERROR_CORRECTION, (A, B), True),
        (Task.SPLIT_ERROR_IDENTIFICATION, (A,), True),
        (Task.SPLIT_ERROR_IDENTIFICATION, (B,), True),
        (Task.MERGE_ERROR_IDENTIFICATION, (C,), False),
        (Task.SPLIT_ACTION_EVALUATION, (C,), False),
    }


def test_a_split_edit_repairs_a_merge_error() -> None:
    split = _merge(is_merge=False, before=(C,), after=(A, B))
    assert _answers(split) == {
        (Task.MERGE_ERROR_IDENTIFICATION, (C,), True),
        (Task.SPLIT_ACTION_EVALUATION, (C,), True),
        (Task.SPLIT_PROPOSAL, (C,), True),
        (Task.SPLIT_ERROR_CORRECTION, (A, B), False),
        (Task.SPLIT_ERROR_IDENTIFICATION, (A,), False),
        (Task.SPLIT_ERROR_IDENTIFICATION, (B,), False),
    }


def test_segments_are_seen_a_second_before_and_after() -> None:
    seconds = {s.segments: s.seen_at for s in operation_samples(_merge())}
    assert seconds[(A, B)] == datetime(2020, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert seconds[(C,)] == datetime(2021, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_only_questions_about_cuts_have_its_points() -> None:
    for sample in operation_samples(_merge()):
        assert bool(sample.sources_nm) == (sample.task is Task.SPLIT_ACTION_EVALUATION)
        assert sample.origin is Origin.HISTORY
        assert sample.dataset == "minnie65_public"


def test_an_edit_taken_back_nearby_answers_nothing(tmp_path: Path) -> None:
    back = _record(8, is_merge=False, before_root_ids=[C], after_root_ids=[A, B],
                   timestamp=1624546999)  # fmt: skip
    far = _record(9, before_root_ids=[11, 12], after_root_ids=[13])
    elsewhere = _record(10, is_merge=False, before_root_ids=[13], after_root_ids=[14, 15],
                        interface_point_nm=[200.0, 200.0, 4000.0])  # fmt: skip
    bank = _file(tmp_path / "bank", [_record(), back, far, elsewhere])
    found = import_samples(bank)
    assert {sample.operation_id for sample in found.samples} == {8, 9, 10}
    assert found.dropped["edits that a later one takes back"] == 1


def test_separate_pairs_that_a_later_edit_joins_are_left_out(tmp_path: Path) -> None:
    def control(pair: list[int]) -> dict[str, Any]:
        return {
            "source_operation_id": 7, "strategy": "adjacent_in_cutout", "is_correct": False,
            "is_merge": True, "species": "mouse", "before_root_ids": pair, "after_root_ids": [],
            "interface_point_nm": [1.0, 2.0, 3.0], "_type": "control",
        }  # fmt: skip

    controls = _file(tmp_path / "controls", [control([A, B]), control([A, 99])])
    bank = _file(tmp_path / "bank", [_record()])
    alone = import_samples(controls)
    compared = import_samples(controls, later=bank)
    assert {sample.segments for sample in alone.samples} == {(A, B), (A, 99)}
    (left,) = compared.samples
    assert (left.segments, left.label, left.strategy) == ((A, 99), False, "adjacent segments")
    assert left.task is Task.SPLIT_ERROR_CORRECTION


def test_later_edits_follow_descendants() -> None:
    later = LaterEdits()
    later.add(_merge(before=(A, 21), after=(22,)))
    later.add(_merge(before=(22, B), after=(23,)))
    assert later.join(A, B)
    assert not later.join(A, 99)


def test_a_cache_of_touching_pairs_has_a_header(tmp_path: Path) -> None:
    header = {"version": 4, "species": "fly", "cutout_nm": 500, "processed_op_ids": [7],
              "n_candidates": 3}  # fmt: skip
    pair = {"source_operation_id": 7, "base_root": str(A), "adjacent_root": str(B),
            "interface_point_nm": [1.0, 2.0, 3.0]}  # fmt: skip
    path = _file(tmp_path / "cache", [header, pair])
    assert detect_format(path) is Format.CANDIDATES
    found = import_samples(path)
    (sample,) = found.samples
    assert (sample.dataset, sample.segments, sample.label) == ("flywire_fafb_public", (A, B), False)
    assert found.dropped["pairs that the header counts and that are not there"] == 2
    assert found.notes


def test_any_question_comes_back_from_a_bank(tmp_path: Path) -> None:
    asked = import_samples(_file(tmp_path / "bank", [_record()]))
    written = export_samples(asked.rows(), tmp_path / "out.jsonl", Format.OPERATION_BANK)
    again = import_samples(tmp_path / "out.jsonl")
    assert again.samples == asked.samples
    assert written.written == len(asked.samples) > 0
    with pytest.raises(InputError, match="exists"):
        export_samples(asked.rows(), tmp_path / "out.jsonl", Format.OPERATION_BANK)
    with pytest.raises(InputError, match="only read"):
        export_samples(asked.rows(), tmp_path / "other", Format.CB2_V1)


def _history(number: int, kind: Any = "merge", of: int | None = None) -> HistoryOperation:
    return HistoryOperation(
        operation_id=number,
        kind=kind,
        is_merge=kind == "merge",
        time=datetime(2024, 5, 1, 12, number, tzinfo=UTC),
        user_id="somebody",
        before_roots=(A, B),
        after_roots=(C,),
        added_edges=((2**60 + 1, 2**60 + 3),),
        source_coords_nm=((0.0, 0.0, 0.0),),
        sink_coords_nm=((10.0, 0.0, 0.0),),
        of_operation=of,
    )


def test_a_history_becomes_a_bank_without_what_was_undone(tmp_path: Path) -> None:
    edits = [
        _history(1), _history(2), _history(3, "undo", 1), _history(4), _history(5, "undo", 4),
        _history(6, "redo", 5),
    ]  # fmt: skip
    lines = [edit.as_json() for edit in edits]
    history = _file(tmp_path / "history.jsonl", lines)
    assert detect_format(history) is Format.HISTORY
    done = export_history(history, tmp_path / "bank.jsonl", "minnie65_public")
    assert "somebody" not in (tmp_path / "bank.jsonl").read_text()
    items, _ = _read(tmp_path / "bank.jsonl")
    assert [item.operation_id for item in items if isinstance(item, Operation)] == [2, 4]
    assert done.left_out == {"undoing and redoing": 3, "edits that were undone": 1}
    assert {s.dataset for s in import_samples(history, dataset="mine").samples} == {"mine"}


def test_a_history_comes_back_from_a_bank_without_people() -> None:
    (operation,) = bank_of_history([_history(1)], "mouse", Counter())
    back = as_history(operation)
    assert back.user_id == ""
    assert back.as_json() == {**_history(1).as_json(), "user_id": ""}
