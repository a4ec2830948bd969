from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.datasets.formats.base import Format, Row
from inference.datasets.formats.exchange import export_samples, import_samples
from inference.datasets.pictures_of import ExportPictures
from inference.datasets.samples import Origin, Part, Sample, sample_id
from proofreading.verdicts import Task
from rendering.presets import Preset
from tests.unit.rendering.test_pictures import CENTER, A, B, world

pytest.importorskip("numba", reason="drawing without a GPU needs numba")
pytest.importorskip("pyarrow", reason="parquet needs the extra `train`")

_NEAR = Preset("test", (250.0, 350.0), 200.0, jitter_nm=20.0)


def _sample(task: Task, segments: tuple[int, ...], *, label: bool = True) -> Sample:
    return Sample(
        id=sample_id(task, world().name, segments, CENTER, "test"),
        task=task,
        dataset=world().name,
        origin=Origin.TRUTH,
        strategy="test",
        label=label,
        synthetic=False,
        point_nm=CENTER,
        segments=segments,
    )


def _pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)))


PAIR = _sample(Task.SPLIT_ERROR_CORRECTION, (A, B))


def test_a_pair_is_drawn_in_both_channels_and_slices() -> None:
    pictures = ExportPictures(world(), preset=_NEAR, size_px=32).of(PAIR)
    tensor = pictures.geometry()
    assert tensor is not None
    assert tensor.shape == (3, 7, 32, 32)
    silhouette, depth, a, b = (tensor[:, channel] for channel in (0, 1, 5, 6))
    assert a.any()
    assert b.any()
    assert np.array_equal(silhouette > 0, (a > 0) | (b > 0))
    assert not depth[silhouette == 0].any()
    # Both lie around the center plane, the near side before it.
    assert 0 < depth[silhouette > 0].min() <= depth[silhouette > 0].max() < 0.5
    assert sorted(pictures.em) == ["best", "xy", "xz", "yz"]
    xy = _pixels(pictures.em["xy"])
    # x runs to the right: A lies left of the center, B right of it.
    assert xy[16, 8].tolist()[1:] == [255, 0]
    assert xy[16, 24].tolist()[1:] == [0, 255]


def test_one_segment_has_no_second_mask() -> None:
    alone = _sample(Task.MERGE_ERROR_IDENTIFICATION, (A,))
    pictures = ExportPictures(world(), preset=_NEAR, size_px=32).of(alone)
    tensor = pictures.geometry()
    assert tensor is not None
    assert tensor[:, 5].any()
    assert not tensor[:, 6].any()
    assert not _pixels(pictures.em["xy"])[..., 2].any()


def test_each_question_states_its_own_extent(tmp_path: Path) -> None:
    made = ExportPictures(world(), preset=_NEAR, size_px=32, seed=4)
    other = _sample(Task.SPLIT_ERROR_CORRECTION, (B, A), label=False)
    samples = [PAIR, replace(other, id="0" * 16)]
    rows = list(made.rows([Row(sample, Part.TEST) for sample in samples], Counter()))
    frames = [row.pictures.frame for row in rows if row.pictures is not None]
    assert len({frame.half_extent_nm for frame in frames}) == 2
    assert frames[0].em_center_nm == CENTER != frames[0].center_nm
    export_samples(rows, tmp_path / "out", Format.CB2_V2)
    again = list(import_samples(tmp_path / "out").rows())
    assert [row.sample for row in again] == samples
    assert [row.pictures.frame for row in again if row.pictures is not None] == frames


def test_what_has_no_pictures_is_counted() -> None:
    absent = _sample(Task.SPLIT_ERROR_CORRECTION, (A, 12345))
    elsewhere = replace(PAIR, dataset="elsewhere")
    two = _sample(Task.MERGE_ERROR_IDENTIFICATION, (A, B))
    left_out: Counter[str] = Counter()
    made = ExportPictures(world(), preset=_NEAR, size_px=32)
    rows = list(made.rows([Row(one) for one in (absent, elsewhere, two, PAIR)], left_out))
    assert [row.sample for row in rows] == [PAIR]
    assert sorted(left_out.values()) == [1, 1, 1]


def test_a_datastack_without_microscopy_has_views_only() -> None:
    pictures = ExportPictures(world(em=False), preset=_NEAR, size_px=32).of(PAIR)
    assert pictures.geometry_npz is not None
    assert not pictures.em
