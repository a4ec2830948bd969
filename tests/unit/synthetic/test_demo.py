"""The demo volume keeps its promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from connectome.offline.synthetic import DemoRecipe, DemoVolumes, load_recipe, make_demo
from proofreading.detection.against_truth import true_split_errors

pytest.importorskip("cc3d", reason="connected-components-3d is not installed")


def small(seed: int = 3) -> DemoRecipe:
    return replace(
        load_recipe(),
        seed=seed,
        shape=(72, 104, 96),
        neurites=40,
        mitochondria=6,
        synapses=6,
        split_errors=8,
        merge_errors=2,
    )


@pytest.fixture(scope="module")
def bundled() -> DemoVolumes:
    return make_demo(load_recipe())


def test_the_same_recipe_gives_the_same_volume_and_another_seed_another() -> None:
    one, two, three = make_demo(small()), make_demo(small()), make_demo(small(4))
    for name in ("em", "supervoxels", "segmentation", "groundtruth"):
        assert np.array_equal(getattr(one, name), getattr(two, name))
    assert one.split_errors == two.split_errors
    assert not np.array_equal(one.em, three.em)


def test_shapes_types_and_progress() -> None:
    told: list[tuple[str, float]] = []
    demo = make_demo(small(), lambda what, share: told.append((what, share)))
    assert demo.em.dtype == np.uint8
    for volume in (demo.em, demo.supervoxels, demo.segmentation, demo.groundtruth):
        assert volume.shape == (72, 104, 96)
    assert told[0][1] == 0.0
    assert told[-1][1] == 1.0
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_the_bundled_demo_has_the_errors_it_promises(bundled: DemoVolumes) -> None:
    assert 25 <= len(bundled.split_errors) <= 60
    assert 3 <= len(bundled.merge_errors) <= 8
    true = true_split_errors(bundled.segmentation, bundled.groundtruth, bundled.resolution_nm)
    assert {error.pair for error in true} == {frozenset(pair) for pair in bundled.split_errors}
    for joined, bodies in bundled.merge_errors:
        inside = np.unique(bundled.groundtruth[bundled.segmentation == joined])
        assert len(inside) == bodies


def test_supervoxels_never_cross_a_segment_or_a_body(bundled: DemoVolumes) -> None:
    for outer in (bundled.segmentation, bundled.groundtruth):
        low, high = _extremes(outer, bundled.supervoxels)
        assert np.array_equal(low, high)
    assert int(bundled.supervoxels.min()) > 0


def test_supervoxels_and_bodies_are_connected(bundled: DemoVolumes) -> None:
    for labels in (bundled.supervoxels, bundled.groundtruth):
        boxes = ndimage.find_objects(labels.astype(np.int32))
        for number in range(1, len(boxes), 40):
            mask = labels[boxes[number - 1]] == number
            assert ndimage.label(mask)[1] == 1


def test_membranes_are_dark_and_the_contrast_is_that_of_tissue(bundled: DemoVolumes) -> None:
    border = np.zeros(bundled.em.shape, np.bool_)
    border[:, :, 1:] = bundled.groundtruth[:, :, 1:] != bundled.groundtruth[:, :, :-1]
    inside = ~ndimage.binary_dilation(border, iterations=5)
    assert float(bundled.em[border].mean()) < float(bundled.em[inside].mean()) - 45
    assert 110 < float(bundled.em.mean()) < 150
    assert 25 < float(bundled.em.std()) < 45


def _extremes(
    values: NDArray[np.uint32], labels: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the least and the greatest value under each label."""
    count = int(labels.max()) + 1
    low = np.full(count, np.iinfo(np.uint32).max, np.uint32)
    high = np.zeros(count, np.uint32)
    np.minimum.at(low, labels.ravel(), values.ravel())
    np.maximum.at(high, labels.ravel(), values.ravel())
    return low[1:], high[1:]
