"""The surface of an object, tinted where its sites are answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.services.map_tint import NO_SITE, SitesOf, TintBench, tinted
from connectome.datastack import Mesh
from connectome.errors import NotFoundError
from connectome.space import BoxNm
from ngplugin.after import AfterPicture
from ngplugin.store import SiteStore
from proofreading.decisions import Answer
from proofreading.sites import Site
from tests.unit.app.test_export_desk import Loop
from tests.unit.ngplugin.sites import site as a_site

ROOT = 5
LEFT, RIGHT = a_site(1, (100.0, 50.0, 50.0), root=ROOT), a_site(2, (900.0, 50.0, 50.0), root=ROOT)


def strip(length: int = 12) -> Mesh:
    """Return a strip of triangles along x, from 0 to 1000 nm."""
    x = np.linspace(0, 1000, length)
    upper, lower = (np.stack([x, np.full(length, y), np.zeros(length)], 1) for y in (0.0, 20.0))
    i = np.arange(length - 1)
    one = np.stack([i, i + 1, i + length], 1)
    other = np.stack([i + 1, i + length + 1, i + length], 1)
    faces = np.concatenate([one, other]).astype(np.uint32)
    return Mesh(np.concatenate([upper, lower]).astype(np.float32), faces)


@dataclass
class Viewer:
    """Remembers what is shown."""

    store: SiteStore
    shown: list[AfterPicture | None] = field(default_factory=list)
    words: str | None = None

    def show_after(self, picture: AfterPicture | None, **_how: object) -> None:
        self.shown.append(picture)

    def status(self, _key: str, text: str | None) -> None:
        self.words = text


@dataclass
class Meshes:
    """One mesh, counted; none of an unknown root."""

    read: int = 0

    def mesh(self, root: int) -> Mesh:
        self.read += 1
        if root != ROOT:
            raise NotFoundError("The segment has no mesh.")
        return strip()


@dataclass
class World:
    bench: TintBench
    viewer: Viewer
    place: SimpleNamespace
    meshes: Meshes
    loop: Loop

    def answer(self, site: Site) -> None:
        self.viewer.store.set_answers([site.id], [Answer.ACCEPT])
        self.bench.follow()

    def shows(self, count: int) -> AfterPicture:
        self.loop.until(lambda: len(self.viewer.shown) == count)
        picture = self.viewer.shown[-1]
        assert picture is not None
        return picture


@pytest.fixture
def world() -> Iterator[World]:
    store = SiteStore(BoxNm((0.0, 0.0, 0.0), (1000.0, 100.0, 100.0)), (10.0, 10.0, 10.0))
    store.add([LEFT, RIGHT])
    viewer, meshes, loop = Viewer(store), Meshes(), Loop()
    roots = {"now": (ROOT, None)}
    place = SimpleNamespace(
        site=LEFT, roots=roots, tracker=SimpleNamespace(present_roots=lambda: roots["now"])
    )
    bench = TintBench(
        cast(Any, SimpleNamespace(meshes=meshes)),
        cast(Any, viewer),
        cast(Any, place),
        lambda asked: [LEFT.id, RIGHT.id] if set(asked) & {ROOT, 6} else [],
        loop.post,
    )
    yield World(bench, viewer, place, meshes, loop)
    bench.close()


def test_every_triangle_goes_to_its_nearest_site() -> None:
    points = np.array([LEFT.point_nm, RIGHT.point_nm], np.float32)
    open_, done = tinted(strip(), SitesOf(points, np.array([False, True]))).surfaces
    assert len(open_.faces) == len(done.faces) == 11
    assert open_.vertices_nm[:, 0].max() < 600
    assert done.vertices_nm[:, 0].min() > 400


def test_answers_are_followed_without_reading_the_mesh_again(world: World) -> None:
    assert world.bench.toggle() == ""
    assert world.viewer.words == "A: 0 of 2 sites answered · T ends the tint"
    assert len(world.shows(1).surfaces[1].faces) == 0
    world.answer(RIGHT)
    assert len(world.shows(2).surfaces[1].faces) == 11
    world.bench.follow()  # nothing new
    world.answer(LEFT)
    assert len(world.shows(3).surfaces[0].faces) == 0
    assert world.viewer.words == "A: 2 of 2 sites answered · T ends the tint"
    assert world.meshes.read == 1
    assert world.bench.toggle() == ""
    assert world.viewer.shown[-1:] == [None]
    assert not world.viewer.words
    assert not world.bench.active


def test_what_cannot_be_tinted_is_a_sentence(world: World) -> None:
    world.place.roots["now"] = (6, None)
    world.bench.toggle()
    world.loop.until(lambda: world.viewer.words == "Not tinted: The segment has no mesh.")
    world.place.site = None
    world.bench.follow()
    assert not world.bench.active
    assert world.bench.toggle() == NO_SITE
