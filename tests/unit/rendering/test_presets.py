"""Specs for datasets, and their hashes."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from connectome.space import Scale
from rendering.presets import specs_for_scale
from rendering.spec import EMSpec, RenderSpec


def test_ten_nm_data_gets_the_judges_own_spec_and_wider_ones_for_people() -> None:
    views, judge, person = specs_for_scale(Scale((10, 10, 10), (250, 250, 250)))
    assert judge.hash == EMSpec().hash
    assert 640 <= person.half_extent_nm <= 800
    assert 1000 <= views.half_extent_nm <= 1500


def test_serial_sections_show_people_more_and_judges_the_same() -> None:
    views, judge, person = specs_for_scale(Scale((8, 8, 40), (100, 100, 100)))
    assert judge.hash == EMSpec().hash
    assert views.half_extent_nm == 5000
    assert person.half_extent_nm == pytest.approx(958, abs=10)


def test_a_judges_pixel_is_never_finer_than_a_voxel() -> None:
    _, judge, _ = specs_for_scale(Scale((32, 32, 40), (100, 100, 100)))
    assert 2 * judge.half_extent_nm / judge.size_px == pytest.approx(32, rel=0.02)


@pytest.mark.parametrize("spec", [RenderSpec(), EMSpec()])
def test_every_field_is_in_the_hash(spec: RenderSpec | EMSpec) -> None:
    content = asdict(spec)
    hashes = {spec.hash}
    for name, old in content.items():
        new = (*old, *old) if isinstance(old, tuple) else old * 3 or 1
        hashes.add(type(spec)(**{**content, name: new}).hash)
    assert len(hashes) == len(content) + 1
