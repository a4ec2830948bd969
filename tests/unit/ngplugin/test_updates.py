from __future__ import annotations

from collections.abc import Callable

from connectome.space import BoxNm
from ngplugin import scripts
from ngplugin.store import SiteStore
from ngplugin.updates import PageUpdates
from tests.unit.ngplugin.sites import site
from tests.unit.ngplugin.test_scripts import parameters

BOUNDS = BoxNm((0.0, 0.0, 0.0), (1000.0, 1000.0, 1000.0))


class Clock:
    """Time that moves only when told, and runs what was scheduled."""

    def __init__(self) -> None:
        self.now = 0.0
        self.later: list[tuple[float, Callable[[], None]]] = []

    def schedule(self, seconds: float, action: Callable[[], None]) -> None:
        self.later.append((self.now + seconds, action))

    def advance(self, seconds: float) -> None:
        self.now += seconds
        due = [action for at, action in self.later if at <= self.now + 1e-9]
        self.later = [(at, action) for at, action in self.later if at > self.now + 1e-9]
        for action in due:
            action()


def make() -> tuple[SiteStore, PageUpdates, Clock, list[str]]:
    clock = Clock()
    store = SiteStore(BOUNDS, (10.0, 10.0, 10.0))
    updates = PageUpdates(store, clock.schedule, clock=lambda: clock.now)
    sent: list[str] = []
    updates.attach(sent.append)
    return store, updates, clock, sent


def test_changes_are_gathered_and_the_newest_value_wins() -> None:
    store, updates, clock, sent = make()
    store.add([site(1, (0.0, 0.0, 0.0)), site(2, (0.0, 0.0, 0.0))])
    updates.page_ready("install")
    assert sent == ["install"]
    for value in (0.1, 0.2, 0.3):
        updates.sites(store.set_probabilities([f"{1:016x}"], [value]))
    updates.sites(store.set_probabilities([f"{2:016x}"], [0.4]))
    assert len(sent) == 2
    assert len(clock.later) == 1
    clock.advance(0.05)
    assert len(sent) == 2
    clock.advance(0.05)
    assert len(sent) == 3
    command, given = parameters(sent[2])
    assert command == "patchSites"
    assert given["ids"] == ["1", "2"]
    newest = scripts.patch_sites(store.patch_of([1, 2]))
    assert parameters(sent[2])[1] == parameters(newest)[1]
    clock.advance(10)
    assert len(sent) == 3


def test_nothing_is_sent_before_the_page_is_ready_and_then_only_the_newest() -> None:
    store, updates, clock, sent = make()
    updates.cells(store.add([site(1, (0.0, 0.0, 0.0))]))
    updates.slot("segments", "old segments")
    updates.slot("segments", "new segments")
    updates.move("view", "old view")
    updates.move("view", "new view")
    clock.advance(10)
    assert sent == []
    updates.page_ready("install")
    assert sent[:3] == ["install", "new segments", "new view"]
    assert [parameters(script)[0] for script in sent[3:]] == ["refreshCells"]


def test_a_reloaded_page_gets_its_segments_again_and_what_changed_meanwhile() -> None:
    store, updates, clock, sent = make()
    store.add([site(1, (0.0, 0.0, 0.0))])
    updates.page_ready("install")
    updates.slot("segments", "segments")
    updates.move("view", "view")
    clock.advance(10.0)
    updates.page_loading()
    sent.clear()
    updates.sites(store.set_probabilities([f"{1:016x}"], [0.5]))
    assert sent == []
    updates.page_ready("install")
    assert sent[:2] == ["install", "segments"]
    assert [parameters(script)[0] for script in sent[2:]] == ["patchSites"]


def test_a_move_just_before_the_page_died_is_made_once_more() -> None:
    _, updates, clock, sent = make()
    updates.page_ready("install")
    updates.move("view", "there")
    clock.advance(0.5)
    updates.page_loading()
    updates.page_ready("install")
    assert sent == ["install", "there", "install", "there"]
    updates.page_loading()
    updates.move("view", "elsewhere")
    updates.page_ready("install")
    assert sent[4:] == ["install", "elsewhere"]


def test_the_ring_does_not_wait() -> None:
    store, updates, _, sent = make()
    store.add([site(1, (0.0, 0.0, 0.0))])
    updates.page_ready("install")
    updates.sites(store.set_probabilities([f"{1:016x}"], [0.5]))
    updates.sites(store.set_current(f"{1:016x}"), now=True)
    assert len(sent) == 3


def test_a_closed_viewer_sends_nothing() -> None:
    store, updates, clock, sent = make()
    updates.page_ready("install")
    store.add([site(1, (0.0, 0.0, 0.0))])
    updates.sites([1])
    updates.sites([1])
    sent.clear()
    updates.close()
    clock.advance(10)
    updates.slot("segments", "segments")
    assert sent == []


def test_new_sites_are_told_once_by_their_rows() -> None:
    _, updates, clock, sent = make()
    updates.page_ready("install")
    updates.rows(10, 20)
    updates.rows(20, 25)
    updates.rows(25, 30)
    clock.advance(1.0)
    told = [parameters(script) for script in sent[1:]]
    assert told == [
        ("addSites", {"begin": 10, "end": 20}),
        ("addSites", {"begin": 20, "end": 30}),
    ]
