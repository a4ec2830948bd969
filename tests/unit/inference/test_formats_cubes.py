from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from connectome.errors import InputError
from connectome.space import PointNm
from inference.datasets.formats.base import Format, ImportedSamples
from inference.datasets.formats.cube_files import read_cube_splits, write_cube_splits
from inference.datasets.formats.cubes import assign_cubes
from inference.datasets.formats.detect import detect_format
from inference.datasets.formats.exchange import import_samples, parts_of
from inference.datasets.samples import Origin, Part, Sample, sample_id
from proofreading.verdicts import Task


def _sample(
    point: PointNm, operation: int | None = None, segments: tuple[int, ...] = (1, 2)
) -> Sample:
    task = Task.SPLIT_ERROR_CORRECTION
    return Sample(
        id=sample_id(task, "minnie65_public", segments, point, "merge edit"),
        task=task,
        dataset="minnie65_public",
        origin=Origin.HISTORY,
        strategy="merge edit",
        label=True,
        synthetic=False,
        point_nm=point,
        segments=segments,
        operation_id=operation,
    )


def _scattered(count: int, edge_nm: float = 400_000.0) -> list[Sample]:
    chance = random.Random(3)
    places = [tuple(chance.uniform(0, edge_nm) for _ in range(3)) for _ in range(count)]
    return [_sample((x, y, z), number) for number, (x, y, z) in enumerate(places)]


def test_cubes_are_dealt_as_published() -> None:
    samples = _scattered(600)
    split = assign_cubes(samples)
    # The rule again, from its description.
    low = [min(sample.point_nm[axis] for sample in samples) for axis in range(3)]
    cube = {
        s.id: tuple(int((s.point_nm[axis] - low[axis]) // 50_000) for axis in range(3))
        for s in samples
    }
    order = sorted(set(cube.values()))
    random.Random(42).shuffle(order)
    train, val = round(len(order) * 0.8), round(len(order) * 0.1)
    part = {
        c: Part.TRAIN if n < train else Part.VALIDATION if n < train + val else Part.TEST
        for n, c in enumerate(order)
    }
    assert split.parts == {name: part[c] for name, c in cube.items()}
    assert set(split.parts.values()) == {Part.TRAIN, Part.VALIDATION, Part.TEST}


@pytest.mark.parametrize(
    ("occupied", "dealt"),
    [
        (3794, (3035, 379, 380)),
        (415, (332, 42, 41)),
        (6257, (5006, 626, 625)),
        (322, (258, 32, 32)),
    ],
    ids=["mouse", "fly", "human", "zebrafish"],
)
def test_as_many_cubes_are_dealt_as_published(occupied: int, dealt: tuple[int, int, int]) -> None:
    split = assign_cubes(_sample((50_000.0 * n, 0.0, 0.0)) for n in range(occupied))
    counts = Counter(split.cubes.values())
    assert (counts[Part.TRAIN], counts[Part.VALIDATION], counts[Part.TEST]) == dealt


def test_parts_come_from_the_split_or_are_dealt(tmp_path: Path) -> None:
    found = ImportedSamples(Format.OPERATION_BANK, tuple(_scattered(300)))
    dealt = parts_of(found, buffer_nm=10_000.0)
    assert dealt == assign_cubes(found.samples, buffer_nm=10_000.0).parts
    write_cube_splits(tmp_path, found.samples, assign_cubes(found.samples, buffer_nm=10_000.0))
    assert parts_of(found, cubes=tmp_path) == dealt
    stated = ImportedSamples(found.format, found.samples, {found.samples[0].id: Part.TEST})
    assert parts_of(stated)[found.samples[0].id] is Part.TEST
    assert len(parts_of(stated)) == 300


def test_the_order_of_questions_does_not_matter() -> None:
    samples = _scattered(200)
    assert assign_cubes(samples).parts == assign_cubes(samples[::-1]).parts


def test_without_a_buffer_parts_meet_and_with_one_they_keep_apart() -> None:
    samples, buffer = _scattered(900), 10_000.0
    place = {sample.id: sample.point_nm for sample in samples}

    def nearest(parts: dict[str, Part]) -> float:
        used = [(place[name], part) for name, part in parts.items() if part is not Part.BUFFER]
        return min(
            max(abs(a - b) for a, b in zip(one, other, strict=True))
            for (one, p), (other, q) in combinations(used, 2)
            if p is not q
        )

    assert nearest(dict(assign_cubes(samples).parts)) < buffer
    split = assign_cubes(samples, buffer_nm=buffer)
    assert nearest(dict(split.parts)) >= buffer
    assert split.counts[Part.BUFFER] > 0
    # Nothing is taken from the strictest part.
    without = assign_cubes(samples)
    assert split.counts[Part.TEST] == without.counts[Part.TEST] > 0


def test_far_places_are_left_out() -> None:
    split = assign_cubes([*_scattered(20), _sample((3e9, 0.0, 0.0))])
    assert (len(split.parts), split.outliers) == (20, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edge_nm": 0.0}, "cannot be"),
        ({"buffer_nm": -1.0}, "cannot be"),
        ({"buffer_nm": 30_000.0}, "cannot be"),
        ({"ratios": (0.5, 0.1, 0.1)}, "not together 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign_cubes(_scattered(3), **settings)  # type: ignore[arg-type]


def test_nothing_cannot_be_split() -> None:
    with pytest.raises(InputError, match="no question"):
        assign_cubes([])


def test_a_split_comes_back_from_its_files(tmp_path: Path) -> None:
    edits = _scattered(60)
    twice = [_sample(edit.point_nm, edit.operation_id, (1, 3)) for edit in edits]
    own = [_sample((x, y, z + 1), None) for x, y, z in (edit.point_nm for edit in edits)]
    samples = [*edits, *twice, *own]
    split = assign_cubes(samples, edge_nm=100_000.0, buffer_nm=5_000.0)
    files = write_cube_splits(tmp_path, samples, split)
    assert detect_format(tmp_path) is Format.CUBE_SPLITS
    for sample in samples:
        part = split.parts[sample.id]
        if part is not Part.BUFFER:
            assert files.part_of(sample) is part
    assert files.manifest["species"] == "mouse"
    assert files.manifest["samples_in_buffer"] == split.counts[Part.BUFFER]
    assert files.manifest["cube_counts"]["occupied"] == len(split.cubes)
    with pytest.raises(InputError, match="no questions"):
        import_samples(tmp_path)


def test_a_published_split_is_read(tmp_path: Path) -> None:
    content = {
        "operation_bank": [7, 8],
        "operation_bank_synapse_controls": [[2**60 + 1, 2**60 + 3, [1.0, 2.0, 3.0]]],
        "operation_bank_junction_controls": [-9007199254740995],
    }
    (tmp_path / "test.json").write_text(json.dumps(content))
    files = read_cube_splits(tmp_path)
    assert files.part_of(_sample((0.0, 0.0, 0.0), 7)) is Part.TEST
    assert files.part_of(_sample((0.0, 0.0, 0.0), 9)) is None
    assert files.part_of(_sample((1.0, 2.0, 3.0), None, (2**60 + 1, 2**60 + 3))) is Part.TEST
    assert files.part_of(_sample((0.0, 0.0, 0.0), -9007199254740995)) is Part.TEST


def test_damaged_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no train\.json"):
        read_cube_splits(tmp_path)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        read_cube_splits(tmp_path)
    (tmp_path / "train.json").write_text('{"operation_bank": ["seven"]}')
    with pytest.raises(InputError, match="names no question"):
        read_cube_splits(tmp_path)
    (tmp_path / "train.json").write_text('{"operation_bank": [7]}')
    (tmp_path / "test.json").write_text('{"operation_bank": [7]}')
    with pytest.raises(InputError, match="two parts"):
        read_cube_splits(tmp_path)
