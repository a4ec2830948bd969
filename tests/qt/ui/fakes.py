"""A workbench without data: real frozen values, plausible rows, a record of what it was told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.map_raster import MapSites, SiteMap, draw_map, nearest_site
from app.services.model import (
    Current,
    EditList,
    Hidden,
    Job,
    JudgeStatus,
    LastAnswer,
    Notice,
    Outbox,
    PartnerChoice,
    Phase,
    PlannedEdit,
    Progress,
    QueueRow,
    SecondLook,
    Snapshot,
)
from app.services.quality import Quality
from app.services.queue import Queue, Sight, row_of
from app.services.queue_view import QueueOrder, QueueView
from app.services.splitting_model import CutSide
from app.services.through import Through
from connectome.space import BoxNm, PointNm
from proofreading.decisions import Answer
from proofreading.sites import Partner, Site, SiteKind
from proofreading.triage import Lane
from proofreading.verdicts import Provenance, Task, Verdict
from rendering.picture import Picture
from rendering.pictures import SitePictures

MAP_BOUNDS = BoxNm((0.0, 0.0, 0.0), (2000.0, 1000.0, 500.0))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTIONS = {
    SiteKind.ENDPOINT: "Is this one neuron?",
    SiteKind.CONTACT: "Is this one neuron?",
    SiteKind.JUNCTION: "Are two neurons fused here?",
    SiteKind.BOTTLENECK: "Are two neurons fused here?",
}


def make_site(number: int, kind: SiteKind | None = None) -> Site:
    kinds = (SiteKind.ENDPOINT,) * 5 + (SiteKind.JUNCTION,)
    kind = kind or kinds[number % len(kinds)]
    root = 864691135000000000 + 7919 * number
    partners = tuple(
        Partner(
            root=root + 1000 * i + 13,
            supervoxel=5_000_000 + 10 * number + i,
            own_supervoxel=4_000_000 + number,
            own_point_nm=(1000.0, 1000.0, 1000.0),
            point_nm=(1040.0, 1000.0, 1000.0),
            distance_nm=0.0 if i < 2 else 40.0 * i,
            contact_area_nm2=42_000.0 / i if i < 3 else 0.0,
            direction_agreement=0.9 - 0.3 * i,
        )
        for i in range(1, 2 + number % 4)
    )
    return Site(
        id=f"{number:016x}",
        kind=kind,
        datastack="fake",
        root=root,
        supervoxel=4_000_000 + number,
        point_nm=(1000.0 + number, 1000.0, 1000.0),
        radius_nm=80.0,
        detector="test 1",
        partners=() if kind is SiteKind.JUNCTION else partners,
        at_volume_face=number % 11 == 3,
    )


def make_verdict(site: Site, probability: float) -> Verdict:
    provenance = Provenance("resnet18", "0" * 64, "c1", "p1", "0.1.0", "CPU", 12.4)
    return Verdict(
        site_id=site.id,
        task=Task.SPLIT_ERROR_CORRECTION,
        partner_supervoxel=site.partners[0].supervoxel if site.partners else None,
        probability=probability,
        raw_score=0.0,
        made_at=NOW,
        provenance=provenance,
    )


def _pixels(seed: int, *, mesh: bool) -> NDArray[np.uint8]:
    """Return a picture with two bodies: on white for views, on grey noise for slices."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:256, :256]
    rgb = np.full((256, 256, 3), 255.0)
    if not mesh:
        noise = rng.normal(0, 1, (32, 32)).repeat(8, 0).repeat(8, 1)
        rgb = np.repeat((130 + 18 * noise + rng.normal(0, 12, (256, 256)))[..., None], 3, axis=2)
    for center, color in (((90, 130), (31, 119, 180)), ((170, 120), (255, 127, 14))):
        shift = 18 * np.sin(y / 30 + seed)
        inside = np.hypot(x - center[0] - shift, (y - center[1]) / 2.2) < 38
        share = 1.0 if mesh else 0.35
        rgb[inside] = rgb[inside] * (1 - share) + np.array(color) * share
    return rgb.clip(0, 255).astype(np.uint8)


def make_pictures(seed: int) -> SitePictures:
    views = {
        n: Picture(_pixels(seed + i, mesh=True), n, 7.8)
        for i, n in enumerate(("front", "side", "top"))
    }
    slices = {
        n: Picture(_pixels(seed + i, mesh=False), n, 5.0) for i, n in enumerate(("xy", "xz", "yz"))
    }
    return SitePictures(views=views, slices=slices)


@dataclass
class FakeViewer:
    """Remembers; `click` plays Neuroglancer's server thread."""

    url: str = "data:text/html,<body style='background:%23121417'></body>"
    run_script: Callable[[str], None] = lambda _script: None
    said: list[str] = field(default_factory=list)
    click: Callable[[str], None] = lambda _site_id: None
    move: Callable[[PointNm], None] = lambda _point: None
    looked_at: list[PointNm] = field(default_factory=list)

    def attach(self, run_script: Callable[[str], None]) -> None:
        self.run_script = run_script

    def mark_loading(self) -> None:
        self.said.append("loading")

    def mark_ready(self) -> None:
        self.said.append("ready")

    def on_site_click(self, callback: Callable[[str], None]) -> None:
        self.click = callback

    def set_layout(self, layout: str) -> None:
        self.said.append(layout)

    def on_moved(self, callback: Callable[[PointNm], None]) -> None:
        self.move = callback

    def look_at(self, point_nm: PointNm) -> None:
        self.looked_at.append(point_nm)


@dataclass
class FakeCutting:
    """A cut that only remembers; `active` tells whether one is being made."""

    say: Callable[[str], None]
    active: bool = False

    def remove(self, number: int | None = None) -> None:
        self.say(f"remove {number}")

    def leave(self) -> bool:
        was, self.active = self.active, False
        if was:
            self.say("leave the cut")
        return was


class FakeMap:
    """Draws the sites it was given, at once."""

    def __init__(self) -> None:
        self.sites: MapSites | None = None
        self.drawn: list[str] = []

    def draw(self, plane: str, done: Callable[[SiteMap], None]) -> None:
        self.drawn.append(plane)
        if self.sites is not None:
            done(draw_map(self.sites, MAP_BOUNDS, plane, 20))

    def find(
        self, seen: SiteMap, right_nm: float, down_nm: float, done: Callable[[str | None], None]
    ) -> None:
        if self.sites is not None:
            number = nearest_site(self.sites, seen, right_nm, down_nm)
            done(None if number is None else f"{number:016x}")


class FakeWorkbench:
    """Answers like the real one, on sites that it makes up."""

    def __init__(self, count: int = 60) -> None:
        self.viewer = FakeViewer()
        self.cutting = FakeCutting(self._say)
        self.map = FakeMap()
        self.queue = Queue()
        self.sites = {site.id: site for site in map(make_site, range(count))}
        self.current: Site | None = None
        self.partner = 0
        self.calls: list[str] = []
        self.answers: list[tuple[str, Answer]] = []
        self.suggests_breaks = self.asks_twice = False
        self.measured: Quality | None = None
        self.planned = EditList(Phase.EMPTY)
        self.trouble = ""
        self.error: Exception | None = None
        self.changes: dict[str, object] = {}
        self.site_changes: dict[str, object] = {}
        self.limit = 0.0
        self.showing_all = False
        self._listeners: list[Callable[[], None]] = []
        self.queue.add(self.row(site) for site in self.sites.values())
        if count:
            self.current = self.sites[self.queue.row(0).site_id]

    def row(self, site: Site) -> QueueRow:
        number = site.number
        failed, unjudged = number % 17 == 6, number % 13 == 5
        probability = None if failed or unjudged else round((number * 37 % 100) / 100, 2)
        answer = list(Answer)[number % 5] if number % 9 == 4 else None
        return replace(row_of(site), probability=probability, failed=failed, answer=answer)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def change(self, **changes: object) -> None:
        """Change fields of the snapshot and tell."""
        self.changes.update(changes)
        self.tell()

    def tell(self) -> None:
        for listener in self._listeners:
            listener()

    def snapshot(self) -> Snapshot:
        last = self.answers[-1] if self.answers else None
        made = Snapshot(
            session_name="monday.proofdesk",
            datastack_name="offline_fib25",
            progress=Progress(len(self.answers) + 312, 1482, 41.0, 4.1),
            outbox=Outbox(3, 12, 0, 0, 0, 0),
            judge=JudgeStatus(Phase.READY, "resnet18", "CPU"),
            jobs=(Job("detect", "detecting", Phase.LOADING, 0.63),),
            queue_phase=Phase.READY,
            queue_text="",
            current=self._current(),
            last_answer=LastAnswer(*last, f"{last[1]} · {last[0][-4:]}") if last else None,
            can_undo=bool(self.answers),
            can_redo=False,
            notices=(),
            hidden=Hidden(
                self.queue.count(Sight.LOW),
                self.queue.count(Sight.SAME),
                0.0 if self.showing_all else self.limit,
                self.limit,
            ),
        )
        return replace(made, **self.changes)  # type: ignore[arg-type]

    def _current(self) -> Current | None:
        site = self.current
        if site is None:
            return None
        row = self.row(site)
        partners = tuple(
            PartnerChoice(
                i, p.root, p.distance_nm, p.contact_area_nm2, p.direction_agreement,
                None if row.probability is None else row.probability / (i + 1),
            )
            for i, p in enumerate(site.partners)
        )  # fmt: skip
        judged = row.probability is not None
        made = Current(
            site=site,
            question=QUESTIONS[site.kind],
            partners=partners,
            partner_index=self.partner,
            verdict=make_verdict(site, row.probability) if row.probability is not None else None,
            verdict_phase=Phase.READY if judged else Phase.LOADING,
            verdict_text="",
            pictures=make_pictures(site.number),
            pictures_phase=Phase.READY,
            pictures_text="",
            answer=row.answer,
        )
        return replace(made, **self.site_changes)  # type: ignore[arg-type]

    def select(self, site_id: str) -> None:
        self._say(f"select {site_id}")
        self.current, self.partner = self.sites[site_id], 0
        self.tell()

    def choose_partner(self, index: int) -> None:
        self._say(f"partner {index}")
        self.partner = index
        self.tell()

    def answer(self, answer: Answer, *, reason: str = "") -> None:
        self._say(f"{answer} {reason}".strip())
        if self.current is None:
            return
        self.answers.append((self.current.id, answer))
        self.queue.set_answer(self.current.id, answer)
        following = self.queue.next_open(None)
        self.current = self.sites[following[0]] if following else None
        self.tell()

    def put_point(self, side: CutSide) -> None:
        self._say(f"point {side}")

    def preview_cut(self) -> None:
        self._say("preview")

    def toggle_tint(self) -> None:
        self._say("tint")

    def toggle_after(self) -> None:
        self._say("after")

    def make_cut(self) -> None:
        self._say("cut")

    def undo(self) -> None:
        self._say("undo")
        if self.answers:
            site_id, _answer = self.answers.pop()
            self.queue.set_answer(site_id, None)
            self.current = self.sites[site_id]
        self.tell()

    def redo(self) -> None:
        self._say("redo")

    def next(self) -> None:
        self._say("next")

    def previous(self) -> None:
        self._say("previous")

    def look_through(self, lane: Lane | None, order: QueueOrder) -> None:
        self.queue.show_view(QueueView(lane, order))
        through = Through(lane, order, {lane: self.queue.in_lane(lane) for lane in Lane})
        self.change(through=replace(through, rows=len(self.queue), missing=63))

    def view_box(self) -> str:
        return "box:1..2,1..2,1..2"

    def toggle_overlay(self) -> None:
        self._say("overlay")

    def toggle_why(self) -> None:
        self._say("why")

    def ask_twice(self, *, wanted: bool) -> None:
        self.asks_twice = wanted

    def suggest_breaks(self, *, wanted: bool) -> None:
        self.suggests_breaks = wanted

    @property
    def quality(self) -> Quality:
        assert self.measured is not None
        return self.measured

    def hide_below(self, limit: float) -> None:
        self.queue.hide_below(limit)
        self.limit = limit
        self.tell()

    def toggle_improbable(self) -> None:
        self._say("improbable")
        self.showing_all = not self.showing_all
        self.queue.hide_below(0.0 if self.showing_all else self.limit)
        self.tell()

    def start_detection(self) -> None:
        self._say("detect")

    def start_judging(self) -> None:
        self._say("judge")

    def retry_failed(self) -> None:
        self._say("retry")

    def answer_undo(self, *, confirmed: bool) -> None:
        self._say(f"undo {'confirmed' if confirmed else 'left'}")
        self.change(undo_question=None)

    def plan_export(self, done: Callable[[EditList], None]) -> None:
        self._say("plan")
        done(self.planned)

    def look_again(
        self, action: SecondLook, edits: Sequence[PlannedEdit], done: Callable[[str], None]
    ) -> None:
        self._say(f"{action} {' '.join(edit.edit_id for edit in edits)}")
        done(self.trouble)

    def ask_language(self) -> None:
        self._say("ask language")

    def use_words(self, words: Mapping[str, str]) -> None:
        self._say(f"words {dict(words)}")

    def start_export(self) -> None:
        self._say("export")
        self.change(jobs=(Job("export", "exporting", Phase.LOADING, 0.5, "1 of 2 sent"),))

    def save_tables(self, folder: Path) -> list[Path]:
        self._say("tables")
        return [folder / "decisions.csv"]

    def cancel(self, job: str) -> None:
        self._say(f"cancel {job}")

    def dismiss_notice(self, notice: Notice) -> None:
        self._say("dismiss")
        self.change(notices=())

    def close(self) -> None:
        self._say("close")

    def _say(self, what: str) -> None:
        self.calls.append(what)
        if self.error is not None:
            raise self.error


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now
