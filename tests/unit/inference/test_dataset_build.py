from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from connectome.errors import InputError, StorageError
from connectome.space import BoxNm
from inference.datasets.build import BuildSettings, build_dataset, check, info
from inference.datasets.parts import PartSettings
from inference.datasets.samples import Part, Sample
from inference.datasets.sources.pairs import PairSource
from inference.datasets.store import Dataset, Row, read_dataset, write_dataset
from inference.datasets.volumes import TruthVolume
from proofreading.verdicts import Task
from rendering.spec import EMSpec
from tests.unit.inference.samples import ListSource, quiet, sample

PARTS = PartSettings(
    block_nm=(600.0, 600.0, 600.0),
    field_of_view_nm=100.0,
    buffer_nm=100.0,
    validation=0.2,
    test_boxes=(BoxNm((0.0, 0.0, 1200.0), (440.0, 440.0, 1900.0)),),
)
SETTINGS = BuildSettings(
    "invented pairs",
    parts=PARTS,
    pictures=EMSpec(half_extent_nm=50.0, size_px=16),
    probed=200,
    licence="none",
)


def _full() -> Sample:
    return replace(
        sample((1.25, 2.5, 3.0), (2**61 + 1, 0), task=Task.SPLIT_ACTION_EVALUATION),
        supervoxels=(2**62 + 1, 5),
        sources_nm=((1.0, 2.0, 3.0),),
        sinks_nm=((4.0, 5.0, 6.5), (7.0, 8.0, 9.0)),
        operation_id=2**53 + 1,
        seen_at=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
        notes={"segmentation": "automatic"},
    )


def _dataset() -> Dataset:
    rows = [
        Row(_full(), Part.TEST, "abc"),
        Row(sample((9.0, 9.0, 9.0), (3,), label=False, synthetic=True), Part.TRAIN),
    ]
    parts = {"bodies": "one part", "field_of_view_nm": 1.0}
    return Dataset.of(
        "small", rows, settings={"parts": parts}, excluded={"dull": 4}, notes={"tells": {}}
    )


def test_a_data_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    dataset = _dataset()
    write_dataset(tmp_path / "set", dataset)
    again = read_dataset(tmp_path / "set")
    assert again == dataset
    assert again.sha256 == dataset.sha256
    assert again.samples(Task.SPLIT_ACTION_EVALUATION, Part.TEST) == [_full()]
    stored = json.loads((tmp_path / "set" / "test_indices.json").read_text())
    assert [dataset.rows[index].sample.id for index in stored["rows"]] == stored["ids"]
    assert stored["ids"] == [_full().id]


def test_ids_are_strings_in_the_columns(tmp_path: Path) -> None:
    write_dataset(tmp_path, _dataset())
    table = pq.read_table(tmp_path / "samples.parquet").to_pylist()
    (row,) = [one for one in table if one["part"] == "test"]
    assert row["bodies"] == [str(2**61 + 1), "0"]
    assert row["supervoxels"] == [str(2**62 + 1), "5"]


def test_the_hash_does_not_depend_on_order_but_on_every_answer() -> None:
    dataset = _dataset()
    turned = Dataset.of(
        "small",
        reversed(dataset.rows),
        settings=dataset.settings,
        excluded=dataset.excluded,
    )
    assert turned.sha256 == dataset.sha256
    flipped = [Row(replace(r.sample, label=not r.sample.label), r.part) for r in dataset.rows]
    assert replace(dataset, rows=tuple(flipped)).sha256 != dataset.sha256


def test_a_data_set_that_was_changed_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, _dataset())
    facts = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**facts, "excluded": {}}))
    with pytest.raises(InputError, match="was changed"):
        read_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        read_dataset(tmp_path)
    (tmp_path / "samples.parquet").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no data set"):
        read_dataset(tmp_path / "absent")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_dataset(tmp_path / "file" / "set", _dataset())


def test_the_card_keeps_real_and_made_errors_apart(tmp_path: Path) -> None:
    write_dataset(tmp_path, _dataset())
    text = (tmp_path / "README.md").read_text()
    real, made = text.split("## Samples with errors that were made on purpose")
    assert "| split_action_evaluation | touching | yes | truth | 0 | 0 | 1 | 0 |" in real
    assert "| split_error_correction | touching | no | truth | 1 | 0 | 0 | 0 |" in made
    assert "| dull | 4 |" in made
    assert _dataset().sha256 in text


def test_pairs_of_a_volume_build_the_same_data_set_twice(
    volume: TruthVolume, tmp_path: Path
) -> None:
    first = build_dataset([PairSource(volume)], tmp_path / "a", SETTINGS, quiet)
    second = build_dataset([PairSource(volume)], tmp_path / "b", SETTINGS, quiet)
    assert first.facts == second.facts
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["README.md", "dataset.json", "samples.parquet", "test_indices.json"]
    for name in ("dataset.json", "test_indices.json", "README.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert check(tmp_path / "a").leaks == ()
    assert info(tmp_path / "a").facts == first.facts
    rows = read_dataset(tmp_path / "a").rows
    assert {row.part for row in rows} >= {Part.TRAIN, Part.TEST}
    assert all(len(row.picture) == 16 for row in rows)
    assert first.facts.notes["tells"]["split_error_correction"]["auc"] < 0.9


def test_a_seam_that_only_one_class_has_fails_the_build(
    volume: TruthVolume, tmp_path: Path
) -> None:
    source = PairSource(volume, ("watershed",))
    em = volume.em.copy()
    for one in source.samples(Task.SPLIT_ERROR_CORRECTION):
        if one.label:
            x, y, z = volume.scale.voxel_at(one.point_nm)
            em[z, y, x] = 255
    marked = PairSource(replace(volume, em=em), ("watershed",))
    sharp = replace(SETTINGS, pictures=EMSpec(half_extent_nm=45.0, size_px=9))
    with pytest.raises(InputError, match="alone separates yes from no"):
        build_dataset([marked], tmp_path / "set", sharp, quiet)
    assert not (tmp_path / "set").exists()


def test_pictures_that_are_the_same_in_two_parts_fail_the_build(
    volume: TruthVolume, tmp_path: Path
) -> None:
    flat = replace(volume, em=np.zeros_like(volume.em), supervoxels=_slabs(volume.em.shape))
    flat = replace(flat, groundtruth=flat.supervoxels, segmentation=flat.supervoxels)
    source = PairSource(flat, ("watershed",))
    free = replace(SETTINGS, parts=replace(PARTS, bodies="any"))
    with pytest.raises(InputError, match="pictures stand in two parts"):
        build_dataset([source], tmp_path / "set", free, quiet)


def _slabs(shape: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """Ten pairs of slabs along z that all look alike, with nothing in between."""
    labels = np.zeros(shape, np.uint32)
    for number in range(10):
        low = number * 19
        labels[low : low + 8], labels[low + 8 : low + 16] = 2 * number + 1, 2 * number + 2
    return labels


def test_samples_are_drawn_counted_and_kept_once(tmp_path: Path) -> None:
    many = [sample((100.0 * i, 0.0, 0.0), (i,)) for i in range(1, 31)]
    source = ListSource(many, {"dull": 3})
    wanted = BuildSettings("drawn", most=12, parts=replace(PARTS, test_boxes=(), test=0.0))
    summary = build_dataset([source, source], tmp_path, wanted, quiet)
    assert (
        summary.facts.total() + summary.facts.excluded.get("its body belongs to another part", 0)
        == 12
    )
    assert summary.facts.excluded["more than were asked for"] == 36
    assert summary.facts.excluded["asked twice"] == 12
    assert summary.facts.excluded["dull"] == 6


def test_a_data_set_of_nothing_is_refused(tmp_path: Path) -> None:
    source = ListSource([sample((0.0, 0.0, 0.0))])
    wanted = BuildSettings("none", tasks=(Task.MERGE_ERROR_IDENTIFICATION,), parts=PARTS)
    with pytest.raises(InputError, match="no labelled sample"):
        build_dataset([source], tmp_path, wanted, quiet)


def test_checking_again_finds_what_was_planted(tmp_path: Path) -> None:
    dataset = _dataset()
    near = replace(_full(), id="0" * 16, bodies=(2**61 + 1,))
    planted = Dataset.of(
        "small",
        [*dataset.rows, Row(near, Part.TRAIN, "abc")],
        settings={"parts": {"bodies": "one part", "field_of_view_nm": 10.0}},
        notes={"tells": {"x": {"separates best": "border of channel 0", "auc": 0.97}}},
    )
    write_dataset(tmp_path, planted)
    kinds = [leak.kind for leak in check(tmp_path).leaks]
    assert kinds == ["body", "field of view", "picture", "tell"]
