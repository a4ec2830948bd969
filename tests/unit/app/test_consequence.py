"""What a merge would do, and the after-view that is on or off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.services.consequence import NO_PAIR, ONE, ConsequenceBench, PairFacts, facts_of_pair
from app.services.model import Phase
from proofreading.sites import Site, SiteKind
from tests.unit.app.test_export_desk import Loop
from tests.unit.ngplugin.sites import site as a_site

A, B = 71, 72


@dataclass
class Known:
    """Two bodies that touch many faces together; the volume of B may be unknown."""

    tells_b: bool = True
    asked: list[int] = field(default_factory=list)

    def voxels(self, root: int) -> int | None:
        self.asked.append(root)
        return {A: 1000, B: 10}[root] if root == A or self.tells_b else None

    def somata(self, root: int) -> int | None:
        return 1

    def faces(self, root: int) -> frozenset[str] | None:
        return frozenset({A: ("x-", "y-"), B: ("x+", "y+", "z+")}[root])


class Viewer:
    def __init__(self) -> None:
        self.merged = False

    def show_merged(self, *, merged: bool) -> None:
        self.merged = merged


class Place:
    """A place at one site with one partner."""

    def __init__(self, site: Site | None) -> None:
        self.site = site
        self.pair: tuple[int, int] | None = (A, B)
        self.tracker = SimpleNamespace(partner=site.partners[0] if site else None)

    def seen_pair(self) -> tuple[int, int] | None:
        return self.pair


@dataclass
class World:
    place: Place
    viewer: Viewer
    bench: ConsequenceBench
    loop: Loop


@pytest.fixture
def world() -> Iterator[World]:
    tip, twin = a_site(1, (5.0, 5.0, 5.0)), a_site(2, (9.0, 5.0, 5.0))
    contact = replace(a_site(3, (7.0, 5.0, 5.0)), kind=SiteKind.CONTACT)
    sites = {site.id: site for site in (tip, twin, contact)}
    scale = SimpleNamespace(voxel_nm=(10.0, 10.0, 10.0))
    datastack = _Stack(SimpleNamespace(scales=(scale,)), Known())
    place, viewer, loop = Place(tip), Viewer(), Loop()
    bench = ConsequenceBench(
        cast(Any, datastack),
        cast(Any, viewer),
        cast(Any, place),
        cast(Any, SimpleNamespace(site=sites.get)),
        lambda pair: list(sites) if set(pair) == {A, B} else [],
        loop.post,
        lambda: None,
    )
    yield World(place, viewer, bench, loop)
    bench.close()


@dataclass
class _Stack:
    segmentation: Any
    facts: Known


def _phase(world: World) -> Callable[[], bool]:
    def ready() -> bool:
        view = world.bench.view()
        return view is not None and view.phase is Phase.READY

    return ready


def test_what_is_known_of_a_pair_is_told_with_the_warnings() -> None:
    told = facts_of_pair(Known(), (A, B), 1000.0)
    assert told.volumes_nm3 == (1e6, 1e4)
    assert told.somata == (1, 1)
    assert told.faces[1] == frozenset({"x+", "y+", "z+"})
    assert "2 cell bodies" in told.warnings[0]
    assert "5 faces" in told.warnings[1]


def test_what_is_not_known_is_not_told() -> None:
    assert facts_of_pair(None, (A, B), 1.0) == PairFacts()
    assert facts_of_pair(Known(tells_b=False), (A, B), 1.0).volumes_nm3 == (1000.0, None)


def test_the_after_view_is_one_colour_and_counts_the_tips(world: World) -> None:
    assert world.bench.toggle() == ""
    assert world.viewer.merged
    view = world.bench.view()
    assert view is not None
    assert (view.phase, view.tips_closed, view.contact_area_nm2) == (Phase.LOADING, 2, 1.0)
    world.loop.until(_phase(world))
    view = world.bench.view()
    assert view is not None
    assert view.facts.volumes_nm3 == (1e6, 1e4)
    assert world.bench.toggle() == ""
    assert not world.viewer.merged
    assert world.bench.view() is None


def test_another_site_or_partner_ends_it(world: World) -> None:
    world.bench.toggle()
    world.bench.follow()
    assert world.viewer.merged
    world.place.pair = (A, 99)
    world.bench.follow()
    assert not world.viewer.merged
    assert world.bench.view() is None


def test_late_facts_of_another_pair_are_dropped(world: World) -> None:
    world.bench.toggle()
    world.place.pair = (A, 99)
    world.bench.follow()
    done: list[bool] = []
    world.bench._thread.do(lambda: True, done.append)  # comes after the late facts
    world.loop.until(lambda: done)
    assert world.bench.view() is None


def test_without_a_pair_there_is_nothing_to_merge(world: World) -> None:
    world.place.pair = (A, A)
    assert world.bench.toggle() == ONE
    world.place.site = None
    assert world.bench.toggle() == NO_PAIR
    assert not world.viewer.merged
