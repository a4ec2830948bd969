"""Specs for datasets, and their hashes."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from connectome.space import Scale
from rendering.presets import (
    PRESETS,
    Framing,
    Jitter,
    preset_for,
    specs_for,
    specs_for_scale,
)
from rendering.spec import EMSpec, RenderSpec
from tests.arrays import ArrayDatastack


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


def stack(name: str, voxel_nm: tuple[float, float, float], microns: float) -> ArrayDatastack:
    """Return a datastack that says it is so large (and holds one voxel)."""
    found = ArrayDatastack(None, None, np.ones((1, 1, 1), np.uint64), voxel_nm, name=name)
    x, y, z = (round(1000 * microns / v) for v in voxel_nm)
    found.arrays.scale = Scale(voxel_nm, (x, y, z))
    return found


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("minnie65_public", "mouse"),
        ("flywire_fafb_public", "fly"),
        ("h01_c3_flat", "human"),
        ("fish1_full", "zebrafish"),
        ("liconn-hippocampus", "exm"),
        ("mouse_exm", "exm"),
        ("butterfly", "by-voxel"),
    ],
)
def test_a_name_tells_the_species(name: str, preset: str) -> None:
    assert preset_for(stack(name, (8, 8, 40), 400.0)).name == preset


@pytest.mark.parametrize(
    ("name", "mesh", "window"),
    [
        ("mouse", (5000, 10000), 2500),
        ("fly", (2000, 4000), 1500),
        ("human", (6000, 12000), 2500),
        ("zebrafish", (2500, 5000), 1500),
    ],
)
def test_extents_are_the_published_ones(
    name: str, mesh: tuple[float, float], window: float
) -> None:
    preset = PRESETS[name]
    assert preset.mesh_half_extents_nm == mesh
    assert 2 * preset.em_half_extent_nm == window
    assert preset.jitter_nm == 300
    specs = specs_for(stack(name, (4, 4, 40), 500.0))
    assert specs.render.half_extent_nm == sum(mesh) / 2
    assert specs.person_em.half_extent_nm == window / 2
    assert specs.judge_em == EMSpec()


def test_a_small_cube_of_a_species_goes_by_its_voxels() -> None:
    small = preset_for(stack("pinky40", (8, 8, 40), 20.0))
    assert small.name == "by-voxel"
    assert small.mesh_half_extent_nm == 5000
    cube = preset_for(stack("offline_fib25", (10, 10, 10), 2.5))
    assert cube == PRESETS["small-volume"]


def test_chance_is_the_same_for_the_same_seed_and_sample() -> None:
    fly = PRESETS["fly"]
    center = (1e6, 2e6, 3e6)
    one = Jitter(7).frame(center, fly.mesh_half_extents_nm, "site-1")
    assert one == Jitter(7).frame(center, fly.mesh_half_extents_nm, "site-1")
    others = [
        Jitter(8).frame(center, fly.mesh_half_extents_nm, "site-1"),
        Jitter(7).frame(center, fly.mesh_half_extents_nm, "site-2"),
    ]
    assert one not in others
    assert json.loads(json.dumps(one.record())) == {
        "center_nm": list(one.center_nm),
        "half_extent_nm": one.half_extent_nm,
    }


def test_chance_stays_in_its_range() -> None:
    fly, jitter = PRESETS["fly"], Jitter(1, sigma_nm=300.0)
    drawn = [jitter.frame((0, 0, 0), fly.mesh_half_extents_nm, str(n)) for n in range(2000)]
    extents = np.array([framing.half_extent_nm for framing in drawn])
    assert 2000 <= extents.min() < 2050
    assert 3950 < extents.max() <= 4000
    centers = np.array([framing.center_nm for framing in drawn])
    np.testing.assert_allclose(centers.std(axis=0), 300, rtol=0.06)
    np.testing.assert_allclose(centers.mean(axis=0), 0, atol=30)


def test_no_chance_is_no_change() -> None:
    still = Jitter(3, sigma_nm=0.0).frame((5.0, 6.0, 7.0), (2500.0, 2500.0))
    assert still == Framing((5.0, 6.0, 7.0), 2500.0)
