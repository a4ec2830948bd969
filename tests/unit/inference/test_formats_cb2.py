from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from connectome.errors import InputError, VolumeError
from inference.datasets.formats.bank import write_bank
from inference.datasets.formats.base import Format, Row
from inference.datasets.formats.cb2_write import write_cb2
from inference.datasets.formats.detect import detect_format
from inference.datasets.formats.exchange import export_samples, import_samples
from inference.datasets.formats.operations import Operation
from inference.datasets.formats.pictures import (
    OURS,
    PictureFrame,
    SamplePictures,
    em_png,
    pack_geometry,
    unpack_geometry,
    upright,
)
from inference.datasets.samples import Origin, Part, Sample, sample_id
from proofreading.verdicts import Task

pa = pytest.importorskip("pyarrow", reason="parquet needs the extra `train`")
parquet = pytest.importorskip("pyarrow.parquet", reason="parquet needs the extra `train`")

A, B, C = 864691135000000001, 864691135000000003, 864691135000000005


def _tensor(seed: int, size: int = 16) -> NDArray[np.float16]:
    return np.random.default_rng(seed).random((3, 7, size, size)).astype(np.float16)


def _marked() -> bytes:
    """Return a slice, bright at row 2, column 11, with A at row 5, column 1."""
    grey, a = np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.bool_)
    grey[2, 11], a[5, 1] = 200, True
    return em_png(grey, a, np.zeros_like(a))


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)))


def _v1_row(kind: str, number: int, **metadata: Any) -> dict[str, Any]:
    same = kind in ("merge_edit", "junction_control")
    content = {
        "operation_id": str(number),
        "species": "mouse",
        "timestamp": 1624546705,
        "interface_point_nm": [1000.0 + number, 2000.0, 3000.0],
        "render_center_nm": [1100.0, 2100.0, 2900.0],
        "view_extent_nm": 7500.0,
        "user_id": "2190",
        "before_root_ids": [str(A), str(B)],
        "after_root_ids": [str(C)],
        **metadata,
    }
    image = {"bytes": _marked(), "path": None}
    return {
        "combined_sample_hash": f"{number:032x}",
        "source_archive_sample_hash": f"{number:012x}",
        "source_archive": "edits_and_adj_controls_mouse",
        "sample_type": kind,
        "same_neuron": same,
        "has_single_mask": True,
        "has_dual_mask": True,
        "task_routing": [],
        "false_split_correction_label": same,
        "false_merge_identification_label": not same,
        "split": "val",
        "species": "mouse",
        "has_em": True,
        "present_slots": ["geometry"],
        "metadata": json.dumps(content),
        "geometry": pack_geometry(_tensor(number)),
        "geometry_single": pack_geometry(_tensor(number + 100)),
        "em_xy": image,
        "em_xz": image,
        "em_yz": image,
        "em_best": None,
    }


def _v1_rows() -> list[dict[str, Any]]:
    nothing = {"before_root_ids": None, "after_root_ids": None}
    return [
        _v1_row("merge_edit", 1, latest_root_id=str(C)),
        _v1_row("split_edit", 2, before_root_ids=[str(C)], after_root_ids=[str(A), str(B)]),
        _v1_row("split_edit", 3),
        _v1_row("adjacent_control", 4, base_root=str(A), adjacent_root=str(B), **nothing),
        _v1_row("junction_control", 5, root_id=C, **nothing),
        _v1_row("synapse_control", 6, pre_pt_root_id=str(A), post_pt_root_id=B, **nothing),
    ]


def _written(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    parquet.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=2)
    return path


def test_a_first_release_file_is_read(tmp_path: Path) -> None:
    path = _written(tmp_path / "any.name", _v1_rows())
    assert detect_format(path) is Format.CB2_V1
    found = import_samples(path)
    correction, merge = Task.SPLIT_ERROR_CORRECTION, Task.MERGE_ERROR_IDENTIFICATION
    assert [(s.task, s.label, s.segments) for s in found.samples] == [
        (correction, True, (A, B)),
        (merge, True, (C,)),
        # Before and after stand the wrong way round.
        (merge, True, (C,)),
        (correction, False, (A, B)),
        (merge, False, (C,)),
        (correction, False, (A, B)),
    ]
    assert set(found.parts.values()) == {Part.VALIDATION}
    assert found.samples[0].bodies == (C,)
    assert {s.dataset for s in found.samples} == {"minnie65_public"}
    assert not found.dropped


def test_what_cannot_be_trusted_is_said(tmp_path: Path) -> None:
    found = import_samples(_written(tmp_path / "v1", _v1_rows()))
    assert "unknown" in found.samples[0].notes["view_extent"]
    assert "transposed" in found.samples[0].notes["em"]
    assert len(found.notes) == 4
    (first, *_) = found.rows()
    assert first.pictures is not None
    assert first.pictures.frame.half_extent_nm is None
    assert first.pictures.frame.center_nm == (1100.0, 2100.0, 2900.0)
    assert "2190" not in found.samples[0].notes["metadata"]


def test_slices_of_the_first_release_are_turned_back(tmp_path: Path) -> None:
    (first, *_) = import_samples(_written(tmp_path / "v1", _v1_rows())).rows()
    assert first.pictures is not None
    assert first.pictures.frame.em_orientation == OURS
    # Published: row is x, column y (or z); turned: row is y (or z), column x.
    assert _pixels(first.pictures.em["xy"])[11, 2, 0] == 200
    assert _pixels(first.pictures.em["xz"])[1, 5].tolist() == [0, 255, 0]
    # Published: row is y, column z; turned: row is y, column -z.
    assert _pixels(first.pictures.em["yz"])[2, 15 - 11, 0] == 200
    assert "best" not in first.pictures.em


def test_masks_blurred_by_resizing_are_made_sharp() -> None:
    blurred = Image.fromarray(_pixels(_marked())).resize((64, 64), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    blurred.save(buffer, format="PNG")
    assert set(np.unique(_pixels(upright(buffer.getvalue(), "xy"))[..., 1])) == {0, 255}


def test_each_question_has_the_views_that_its_task_asks_about(tmp_path: Path) -> None:
    rows = list(import_samples(_written(tmp_path / "v1", _v1_rows())).rows())
    pair, single = rows[0].pictures, rows[1].pictures
    assert pair is not None
    assert single is not None
    assert np.array_equal(_of(pair), _tensor(1))
    assert np.array_equal(_of(single), _tensor(102))


def _of(pictures: SamplePictures) -> NDArray[np.float16]:
    found = pictures.geometry()
    assert found is not None
    return found


def test_the_first_release_becomes_the_second(tmp_path: Path) -> None:
    old = import_samples(_written(tmp_path / "v1", _v1_rows()))
    done = export_samples(old.rows(), tmp_path / "v2", Format.CB2_V2)
    assert done.written == 6
    assert detect_format(tmp_path / "v2") is Format.CB2_V2
    new = import_samples(tmp_path / "v2")
    assert new.samples == old.samples
    assert new.parts == old.parts
    for before, after in zip(old.rows(), new.rows(), strict=True):
        assert before.pictures is not None
        assert after.pictures is not None
        assert after.pictures.em == before.pictures.em
        assert after.pictures.frame == before.pictures.frame
        assert np.array_equal(_of(after.pictures), _of(before.pictures))
    table = parquet.read_table(tmp_path / "v2" / "val" / "val-00000.parquet")
    metadata = json.loads(table["metadata"][0].as_py())
    assert metadata["view_extent_nm"] is None
    assert metadata["em_orientation"] == OURS
    assert metadata["before_root_ids"] == [str(A), str(B)]
    assert metadata["latest_root_id"] == str(C)
    assert table["sample_type"].to_pylist()[5] == "synapse_control"
    assert (
        table["combined_sample_hash"][0].as_py()
        == hashlib.md5(
            b"edits_and_adj_controls_mouse|000000000001", usedforsecurity=False
        ).hexdigest()
    )


def _sample(number: int, task: Task, *, label: bool, segments: tuple[int, ...]) -> Sample:
    point = (float(number), 20.5, 30.0)
    return Sample(
        id=sample_id(task, "demo", segments, point, "touching pair"),
        task=task,
        dataset="demo",
        origin=Origin.TRUTH,
        strategy="touching pair",
        label=label,
        synthetic=True,
        point_nm=point,
        segments=segments,
        supervoxels=tuple(segment + 1 for segment in segments),
        bodies=(5, 0),
        sources_nm=((1.0, 2.0, 3.0),),
        sinks_nm=((4.0, 5.0, 6.0),),
        seen_at=datetime(2024, 5, 1, 12, 30, 1, 500, tzinfo=UTC),
        notes={"contact": "12 nm"},
    )


def _pictures() -> SamplePictures:
    frame = PictureFrame((1.0, 2.0, 3.0), 6123.5, (4.0, 5.0, 6.0), 1250.0, OURS, "absolute")
    em = {plane: _marked() for plane in ("xy", "xz", "yz", "best")}
    return SamplePictures(pack_geometry(_tensor(1)), em, {"front": _marked()}, frame)


def _rows() -> list[Row]:
    correction, merge = Task.SPLIT_ERROR_CORRECTION, Task.MERGE_ERROR_IDENTIFICATION
    samples = [
        _sample(1, correction, label=True, segments=(A, B)),
        _sample(2, correction, label=False, segments=(A, B)),
        _sample(3, merge, label=True, segments=(C,)),
        _sample(4, merge, label=False, segments=(C,)),
    ]
    return [Row(sample, Part.TRAIN, _pictures()) for sample in samples]


def test_our_own_questions_come_back_whole(tmp_path: Path) -> None:
    rows = _rows()
    export_samples(rows, tmp_path / "out", Format.CB2_V2)
    found = import_samples(tmp_path / "out")
    assert list(found.samples) == [row.sample for row in rows]
    assert found.notes == ()
    for row, again in zip(rows, found.rows(), strict=True):
        assert row.pictures is not None
        assert again.pictures is not None
        assert again.pictures.em == row.pictures.em
        assert again.pictures.split_masks == row.pictures.split_masks
        assert again.pictures.frame == row.pictures.frame
        assert np.array_equal(_of(again.pictures), _tensor(1))


def test_labels_and_routes_are_those_of_the_format(tmp_path: Path) -> None:
    export_samples(_rows(), tmp_path / "out", Format.CB2_V2)
    table = parquet.read_table(tmp_path / "out" / "train" / "train-00000.parquet")
    rows = table.drop_columns(["geometry"]).to_pylist()
    kinds = ["merge_edit", "adjacent_control", "split_edit", "junction_control"]
    assert [row["sample_type"] for row in rows] == kinds
    assert [row["same_neuron"] for row in rows] == [True, False, False, True]
    assert [row["false_split_correction_label"] for row in rows] == [1.0, 0.0, None, None]
    assert [row["false_merge_identification_label"] for row in rows] == [None, None, 1.0, 0.0]
    assert rows[2]["task_routing"] == ["false_merge_identification", "split_mask_generation"]
    assert json.loads(rows[0]["metadata"])["view_extent_nm"] == 6123.5


def test_files_are_laid_out_as_published(tmp_path: Path) -> None:
    done = write_cb2(_rows() + _more(21), tmp_path / "out", shard_bytes=60_000)
    with (tmp_path / "out" / "shards.csv").open() as file:
        shards = list(csv.DictReader(file))
    assert len(shards) > 1
    assert sum(int(shard["n_samples"]) for shard in shards) == done.written == 25
    for shard in shards:
        path = tmp_path / "out" / shard["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == shard["sha256"]
        assert path.stat().st_size == int(shard["size_bytes"])
        meta = parquet.ParquetFile(path).metadata
        assert meta.row_group(0).num_rows <= 10
        assert meta.row_group(0).column(0).compression == "SNAPPY"
    info = json.loads(parquet.read_schema(path).metadata[b"huggingface"])
    assert info["info"]["features"]["em_xy_before"] == {"_type": "Image"}
    sidecar = parquet.read_table(tmp_path / "out" / "metadata" / "train.parquet").to_pylist()
    assert len(sidecar) == 25
    assert sidecar[0]["shard"] == "train/train-00000.parquet"
    assert not list((tmp_path / "out").rglob("*.part"))
    with pytest.raises(InputError, match="without the samples"):
        import_samples(tmp_path / "out" / "metadata" / "train.parquet")
    with pytest.raises(InputError, match="not empty"):
        write_cb2([], tmp_path / "out")


def _more(count: int) -> list[Row]:
    task = Task.SPLIT_ERROR_CORRECTION
    samples = [_sample(n + 10, task, label=True, segments=(A, B)) for n in range(count)]
    return [Row(sample, Part.TRAIN, _pictures()) for sample in samples]


def test_what_the_format_has_no_place_for_is_counted(tmp_path: Path) -> None:
    tip = _sample(1, Task.SPLIT_ERROR_IDENTIFICATION, label=True, segments=(A,))
    (row, *_) = _rows()
    rows = [row, row, Row(tip, Part.TRAIN), replace(row, part=Part.BUFFER), replace(row, part=None)]
    done = write_cb2(rows, tmp_path / "out")
    assert done.written == 1
    assert done.left_out == {
        "the same question again": 1,
        "questions of split_error_identification, which the format does not have": 1,
        "questions between two parts": 1,
        "questions of which no part is known": 1,
    }


_OPTIONAL = (
    "combined_sample_hash", "source_archive_sample_hash", "source_archive", "same_neuron",
    "task_routing", "false_split_correction_label", "split", "species", "has_em",
    "present_slots", "geometry", "em_xy", "em_xz", "em_yz",
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    missing=st.sets(st.sampled_from(_OPTIONAL)),
    pair=st.tuples(st.integers(2**53, 2**63 - 1), st.integers(2**53, 2**63 - 1)).filter(
        lambda both: both[0] != both[1]
    ),
    as_text=st.booleans(),
)
def test_columns_may_be_missing_and_ids_of_any_size(
    missing: set[str],
    pair: tuple[int, int],
    as_text: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    row = _v1_row("merge_edit", 1, before_root_ids=[str(i) if as_text else i for i in pair])
    kept = {name: value for name, value in row.items() if name not in missing}
    path = _written(tmp_path_factory.mktemp("v1") / "file", [kept])
    found = import_samples(path)
    (sample,) = found.samples
    assert (sample.segments, sample.label) == (pair, True)
    (again,) = found.rows()
    assert again.pictures is not None
    assert (again.pictures.geometry_npz is None) == ("geometry" in missing)


def test_rows_that_are_no_question_are_counted(tmp_path: Path) -> None:
    wrong = {**_v1_row("merge_edit", 1), "same_neuron": False}
    unknown = {**_v1_row("merge_edit", 2), "sample_type": "something"}
    broken = {**_v1_row("merge_edit", 3), "metadata": "{"}
    rows = [
        wrong, unknown, broken,
        _v1_row("merge_edit", 4, before_root_ids=[A], after_root_ids=[]),
        _v1_row("merge_edit", 5, before_root_ids=[float(A), float(B)]),
        _v1_row("merge_edit", 6, interface_point_nm=[3e9, 0, 0]),
        _v1_row("merge_edit", 7), _v1_row("merge_edit", 7),
    ]  # fmt: skip
    found = import_samples(_written(tmp_path / "v1", rows))
    assert [sample.operation_id for sample in found.samples] == [7]
    assert found.dropped == {
        "rows whose label contradicts their kind": 1,
        "rows of an unknown kind": 1,
        # The second has ids as fractions, which have lost their last digits.
        "rows whose metadata cannot be read": 2,
        "rows without their two segments": 1,
        "places more than a metre away": 1,
        "the same question again": 1,
    }
    assert len(list(found.rows())) == 1


def test_touching_pairs_are_compared_with_later_edits(tmp_path: Path) -> None:
    path = _written(tmp_path / "v1", _v1_rows())
    joined = Operation(9, True, "mouse", (A, B), (C,), (1.0, 2.0, 3.0))
    write_bank(tmp_path / "bank", [joined])
    found = import_samples(path, later=tmp_path / "bank")
    assert found.dropped["separate pairs that a later edit joins"] == 2
    assert len(found.samples) == len(list(found.rows())) == 4


def test_a_real_second_release_row_is_read(tmp_path: Path) -> None:
    metadata = {
        "adjacent_root": str(B), "after_root_ids": None, "base_root": str(A),
        "before_root_ids": None, "cutout_timestamp": 1747792546.0,
        "edit_point_nm": [619856.0, 731404.0, 835020.0],
        "interface_point_nm": [619616.0, 731296.0, 835160.0], "is_merge": True,
        "operation_id": "1687135", "render_center_nm": [619218.39, 731780.11, 834222.46],
        "root_ids": [str(A), str(B)], "species": "mouse", "strategy": "adjacent_control",
        "timestamp": 1747792546, "view_extent_nm": 7500.0,
    }  # fmt: skip
    row = {
        "sample_type": "adjacent_control", "same_neuron": False, "split": "train",
        "has_em": True, "has_after_mask": False, "metadata": json.dumps(metadata),
        "geometry": pack_geometry(_tensor(3)), "em_xy_before": {"bytes": _marked(), "path": None},
    }  # fmt: skip
    found = import_samples(_written(tmp_path / "file", [row]))
    (sample,) = found.samples
    assert found.format is Format.CB2_V2
    assert (sample.segments, sample.label) == ((A, B), False)
    assert sample.point_nm == (619616.0, 731296.0, 835160.0)
    assert "not stated" in sample.notes["em"]
    assert "may be one neuron" in sample.notes["label"]
    (again,) = found.rows()
    assert again.pictures is not None
    assert again.pictures.em["xy"] == _marked()


def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = _written(tmp_path / "whole", _v1_rows()).read_bytes()
    torn = tmp_path / "torn"
    torn.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VolumeError, match="damaged"):
        import_samples(torn)
    inside = bytearray(whole)
    inside[8:4000] = bytes(3992)
    (tmp_path / "inside").write_bytes(inside)
    with pytest.raises(VolumeError, match="damaged"):
        list(import_samples(tmp_path / "inside").rows())
    other = _written(tmp_path / "other", [{"a": 1}])
    with pytest.raises(InputError, match="no ConnectomeBench2"):
        import_samples(other)
    both = _written(tmp_path / "both", [{**_v1_rows()[0], "has_after_mask": True}])
    with pytest.raises(InputError, match="both releases"):
        import_samples(both)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no data set"):
        import_samples(tmp_path / "empty")


def test_whatever_is_damaged_there_is_a_sentence_for_it(tmp_path: Path) -> None:
    whole = _written(tmp_path / "file", _v1_rows()).read_bytes()
    chance, refused = random.Random(1), 0
    for _ in range(60):
        content = bytearray(whole)
        content[len(content) - 1 - chance.randrange(8000)] = chance.randrange(256)
        (tmp_path / "file").write_bytes(content)
        try:
            for row in import_samples(tmp_path / "file").rows():
                assert row.pictures is not None
                row.pictures.geometry()
        except InputError:
            refused += 1
    assert 0 < refused < 60


@pytest.mark.parametrize("packed", [b"", b"PK\x03\x04", b"no archive at all"])
def test_damaged_views_are_refused(packed: bytes) -> None:
    with pytest.raises(VolumeError, match="damaged"):
        unpack_geometry(packed)


def test_pictures_of_another_kind_are_refused() -> None:
    with pytest.raises(VolumeError, match="shape"):
        pack_geometry(np.zeros((3, 4, 8, 8), np.float16))
    grey = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(grey, format="PNG")
    with pytest.raises(VolumeError, match="three colours"):
        upright(grey.getvalue(), "xy")
    with pytest.raises(VolumeError, match="no picture"):
        upright(b"PNG", "xy")
