from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectome.errors import InputError
from connectome.space import BoxNm
from inference.datasets.leaks import bodies_in_two_parts, fields_that_overlap
from inference.datasets.parts import PartSettings, divide
from inference.datasets.samples import Part, Sample
from tests.unit.inference.samples import sample

PARTS = PartSettings(
    block_nm=(1000.0, 1000.0, 1000.0), field_of_view_nm=100.0, buffer_nm=120.0, test=0.2
)


def _scattered(seed: int, count: int = 400, bodies: int = 60) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [
        sample((float(x), float(y), float(z)), (int(rng.integers(1, bodies + 1)),))
        for x, y, z in rng.uniform(-2000, 3000, (count, 3))
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_no_field_of_view_and_no_body_is_in_two_parts(seed: int, boxes: bool) -> None:
    stated = (BoxNm((0.0, 0.0, 0.0), (900.0, 900.0, 900.0)),) if boxes else ()
    wanted = PartSettings(
        block_nm=PARTS.block_nm,
        field_of_view_nm=100.0,
        buffer_nm=120.0,
        test=0.2,
        seed=seed,
        test_boxes=stated,
    )
    samples = _scattered(seed)
    division = divide(samples, wanted)
    rows = [(s, division.parts[s.id]) for s in samples if s.id in division.parts]
    assert fields_that_overlap(rows, 100.0) == []
    assert bodies_in_two_parts(rows) == []
    assert len(rows) + sum(division.dropped.values()) == len(samples)
    assert division == divide(list(reversed(samples)), wanted)


def test_bodies_may_stand_in_several_parts_when_that_is_asked_for() -> None:
    samples = _scattered(1)
    free = PartSettings(
        block_nm=PARTS.block_nm, field_of_view_nm=100.0, buffer_nm=120.0, test=0.2, bodies="any"
    )
    division = divide(samples, free)
    assert set(division.parts) == {s.id for s in samples}
    assert {Part.TRAIN, Part.VALIDATION, Part.TEST, Part.BUFFER} == set(division.parts.values())
    assert division.spanning > 0
    rows = [(s, division.parts[s.id]) for s in samples]
    assert len(bodies_in_two_parts(rows)) == 1
    assert fields_that_overlap(rows, 100.0) == []


def test_stated_boxes_are_the_whole_test() -> None:
    box = BoxNm((0.0, 0.0, 0.0), (500.0, 500.0, 500.0))
    settings_ = PartSettings(
        block_nm=PARTS.block_nm,
        field_of_view_nm=100.0,
        buffer_nm=120.0,
        validation=0.0,
        test_boxes=(box,),
    )
    inside, near, far = sample((499.0, 1.0, 1.0)), sample((610.0, 1.0, 1.0)), sample((700.0, 1, 1))
    parts = divide([inside, near, far], settings_).parts
    assert [parts[s.id] for s in (inside, near, far)] == [Part.TEST, Part.BUFFER, Part.TRAIN]


def test_a_body_goes_where_most_of_it_is_and_unknown_bodies_bind_nothing() -> None:
    box = BoxNm((0.0, 0.0, 0.0), (500.0, 500.0, 500.0))
    settings_ = PartSettings(
        block_nm=PARTS.block_nm,
        field_of_view_nm=100.0,
        buffer_nm=120.0,
        validation=0.0,
        test_boxes=(box,),
    )
    home = [sample((10.0 * i, 10.0, 10.0), (5, 0)) for i in range(1, 4)]
    away = sample((900.0, 10.0, 10.0), (5,))
    unknown = sample((900.0, 20.0, 10.0), (0,))
    division = divide([*home, away, unknown], settings_)
    assert away.id not in division.parts
    assert division.parts[unknown.id] is Part.TRAIN
    assert dict(division.dropped) == {"its body belongs to another part": 1}


def test_parts_that_cannot_be_kept_apart_are_refused() -> None:
    with pytest.raises(InputError, match="narrower than the field of view"):
        PartSettings(field_of_view_nm=700.0)
    with pytest.raises(InputError, match="no wider than the buffer"):
        PartSettings(block_nm=(10_000.0, 10_000.0, 600.0))
    with pytest.raises(InputError, match="nothing to train on"):
        PartSettings(test=0.6, validation=0.4)
