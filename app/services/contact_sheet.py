"""Use-case: sites on pages, for a person to leaf through."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.services.judging import SiteDesk
from app.services.model import QueueRow
from app.services.queue import Queue, row_of
from app.services.rendering import SiteLook, desk_for, look_at, reading, unknown_site
from connectome.errors import InputError
from proofreading.catalogue import START
from proofreading.files import storage_errors
from proofreading.session import Session
from rendering.picture import Picture, PictureState
from rendering.sheet import TILE_PX, SheetRow, draw_page

__all__ = ["SheetSummary", "render_sheet"]

ROWS = 7
"""Sites on a page: as high as a screen and a half."""


@dataclass(frozen=True)
class SheetSummary:
    """What was written; `states` counts the pictures by state."""

    folder: str
    files: tuple[str, ...]
    sites: int
    states: dict[str, int]
    seconds: float


def render_sheet(
    folder: Path,
    out: Path,
    *,
    sites: Sequence[str] = (),
    limit: int | None = None,
    words: str = "",
    report: Callable[[str, float | None], None],
) -> SheetSummary:
    """Write pages ``sheet-001.png`` … of sites, for a person to leaf through.

    A page is on the disk as soon as it is full. Pictures that the datastack cannot have,
    because it has no microscopy, get no columns.

    Parameters
    ----------
    sites : sequence of str
        Only these, in this order; all in the order of the queue if empty.
    limit : int or None
        How many sites at most.
    words : str
        Only sites that match all of them, as in the queue: part of an id, a kind, an
        answer, ``open``, ``>0.8``.

    Raises
    ------
    InputError
        If the session has no such sites, or not one of those that were named.
    SessionError, DatastackError
        If the session or its datastack cannot be opened.
    StorageError
        If the folder cannot be written.
    """
    started = time.monotonic()
    states: Counter[str] = Counter()
    files: list[str] = []
    with reading(folder) as (session, datastack):
        wanted = _wanted(_in_order(session), words, sites, folder)[:limit]
        if not wanted:
            raise _no_sites(folder, words)
        desk = desk_for(datastack, TILE_PX)
        pages = -(-len(wanted) // ROWS)
        for number in range(pages):
            report("drawing", number / pages)
            looks = list(_looks(session, desk, wanted[number * ROWS : (number + 1) * ROWS]))
            for _, look in looks:
                states.update(picture.state.value for picture in look.pictures.all.values())
            title = f"{datastack.name} · {session.name} · page {number + 1} of {pages}"
            files.append(_write_page(out, number + 1, _page(title, desk, looks)))
    seconds = round(time.monotonic() - started, 2)
    return SheetSummary(str(out), tuple(files), len(wanted), dict(states), seconds)


Looks = Sequence[tuple[QueueRow, SiteLook]]


def _no_sites(folder: Path, words: str) -> InputError:
    if words:
        return InputError(f"No site of {folder} matches {words!r}.", "Leave some words out.")
    remedy = f"Find some: proofdesk detect DATASTACK --session {folder}"
    return InputError(f"The session {folder} has no sites.", remedy)


def _in_order(session: Session) -> Queue:
    queue = Queue()
    token = START
    while changes := session.catalogue.changes_since(token):
        queue.add(row_of(site) for site in changes.sites)
        for score in changes.scores:
            queue.set_score(score.site_id, score.probability, failed=score.failed)
        token = changes.token
    for decision in session.ledger.state.decisions():
        queue.set_answer(decision.site_id, decision.answer, follows=decision.follows is not None)
    return queue


def _wanted(queue: Queue, words: str, sites: Sequence[str], folder: Path) -> list[QueueRow]:
    """Return the named sites, twins too, or every question in order; those that match."""
    if not sites:
        queue.set_filter(words)
        return [queue.row(index) for index in range(len(queue))]
    found = []
    for site_id in sites:
        row = queue.matching(site_id, words)
        if row is None:
            raise unknown_site(site_id, folder)
        found.append(row)
    return found


def _looks(
    session: Session, desk: SiteDesk, rows: Sequence[QueueRow]
) -> Iterator[tuple[QueueRow, SiteLook]]:
    for row in rows:
        site = session.catalogue.site(row.site_id)
        if site is not None:
            yield row, look_at(session, desk, site)


def _page(title: str, desk: SiteDesk, looks: Looks) -> NDArray[np.uint8]:
    names = [
        name
        for name, first in looks[0][1].pictures.all.items()
        if first.state is not PictureState.NO_IMAGERY
    ]
    columns = [_column(name, looks[0][1].pictures.all[name]) for name in names]
    rows = [_row(row, look, names) for row, look in looks]
    specs = (("views", desk.maker.render), ("slices", desk.maker.person_em))
    footer = "  ·  ".join(f"{what}: {type(spec).__name__} {spec.hash}" for what, spec in specs)
    return draw_page(title, columns, rows, footer)


def _column(name: str, picture: Picture) -> str:
    width_nm = picture.nm_per_px * TILE_PX
    return f"{name}\n{width_nm:,.0f} nm wide"


def _row(row: QueueRow, look: SiteLook, names: Sequence[str]) -> SheetRow:
    x, y, z = look.center_nm
    notes = [f"{x:,.0f}  {y:,.0f}  {z:,.0f} nm"]
    if look.partner is not None:
        gap = look.partner.distance_nm
        notes.append("touching" if gap == 0 else f"{gap:,.0f} nm apart")
    if look.site.at_volume_face:
        notes[-1] += ", at the volume's face"
    return SheetRow(
        site_id=row.site_id,
        kind=row.kind.value,
        a=look.roots[0],
        b=look.roots[1],
        probability=row.probability,
        answer=row.answer.value if row.answer is not None else "",
        notes=tuple(notes),
        pictures=tuple(look.pictures.all[name] for name in names),
    )


def _write_page(out: Path, number: int, page: NDArray[np.uint8]) -> str:
    from PIL import Image

    path = out / f"sheet-{number:03d}.png"
    with storage_errors(path):
        out.mkdir(parents=True, exist_ok=True)
        Image.fromarray(page).save(path, compress_level=4)
    return path.name
