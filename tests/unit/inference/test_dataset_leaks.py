from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.datasets.leaks import bodies_in_two_parts, fields_that_overlap, same_pictures
from inference.datasets.samples import Part
from inference.datasets.tells import find_tell, statistics
from tests.unit.inference.samples import sample

NEAR, FAR = (0.0, 0.0, 0.0), (5000.0, 0.0, 0.0)


def test_a_body_in_two_parts_is_found() -> None:
    one, other = sample(NEAR, (7, 0)), sample(FAR, (7, 0))
    (leak,) = bodies_in_two_parts([(one, Part.TRAIN), (other, Part.TEST)])
    assert leak.kind == "body"
    assert set(leak.samples) == {one.id, other.id}
    assert bodies_in_two_parts([(one, Part.TRAIN), (other, Part.BUFFER)]) == []
    elsewhere = sample(FAR, (7,), dataset="another")
    assert bodies_in_two_parts([(one, Part.TRAIN), (elsewhere, Part.TEST)]) == []


@pytest.mark.parametrize("part", [Part.TEST, Part.VALIDATION])
def test_fields_of_view_that_meet_are_found(part: Part) -> None:
    one, other = sample(NEAR), sample((0.0, 99.0, 50.0))
    (leak,) = fields_that_overlap([(one, Part.TRAIN), (other, part)], 100.0)
    assert leak.kind == "field of view"
    assert fields_that_overlap([(one, Part.TRAIN), (other, part)], 99.0) == []
    assert fields_that_overlap([(one, Part.TRAIN), (other, Part.BUFFER)], 100.0) == []


def test_one_picture_in_two_parts_is_found() -> None:
    one, other, third = sample(NEAR), sample(FAR), sample((0.0, 9000.0, 0.0))
    rows = [(one, Part.TRAIN), (other, Part.TEST), (third, Part.TRAIN)]
    (leak,) = same_pictures(rows, {one.id: "aa", other.id: "aa", third.id: "bb"})
    assert leak.kind == "picture"
    assert same_pictures(rows, {one.id: "aa", other.id: "cc", third.id: "aa"}) == []
    assert same_pictures(rows, {}) == []


def _noise(count: int = 160) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 200, (count, 3, 2, 24, 24), dtype=np.uint8)
    return pictures, np.arange(count) % 2 == 0


def test_noise_tells_nothing() -> None:
    pictures, labels = _noise()
    tell = find_tell(pictures, labels)
    assert tell is not None
    assert tell.auc < 0.75


def test_one_pixel_that_tells_is_found() -> None:
    pictures, labels = _noise()
    pictures[labels, 1, 0, 5, 17] = 255
    tell = find_tell(pictures, labels)
    assert tell is not None
    assert tell.name == "pixel (2, 5, 17)"
    assert tell.auc > 0.99


def test_a_pixel_that_tells_by_one_value_only_is_found() -> None:
    pictures, labels = _noise()
    pictures[labels, 0, 0, 3, 3] = 100
    tell = find_tell(pictures, labels)
    assert tell is not None
    assert tell.name == "pixel (0, 3, 3)"
    assert tell.auc > 0.9


def test_a_faint_seam_that_only_one_class_has_is_found() -> None:
    pictures, labels = _noise()
    pictures[labels, 0, 1, :, 11] = pictures[labels, 0, 1, :, 11] // 2 + 99
    tell = find_tell(pictures, labels)
    assert tell is not None
    assert tell.name == "column (1, 11)"
    assert tell.auc > 0.9


def test_the_parity_of_a_mask_is_found() -> None:
    pictures, labels = _noise()
    pictures[:, 0, 1] = pictures[:, 0, 1] > 100
    odd = pictures[:, 0, 1].sum(axis=(1, 2)) % 2 == 1
    pictures[odd != labels, 0, 1, 0, 0] ^= 1
    tell = find_tell(pictures, labels)
    assert tell is not None
    assert tell.name == "parity of pixels above 0 of channel 1"


def test_too_few_pictures_tell_nothing() -> None:
    pictures, labels = _noise(38)
    assert find_tell(pictures, labels) is None


def test_every_statistic_has_a_name() -> None:
    values, names = statistics(_noise(40)[0].reshape(40, 6, 24, 24))
    assert values.shape == (40, len(names))
    assert len(set(names)) == len(names)
