"""Use-case: the pictures of one site as files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.services.judging import SiteDesk
from app.services.picture_files import (
    Plain,
    arrays_file,
    geometry_arrays,
    picture_file,
    slice_arrays,
)
from connectome.errors import InputError
from connectome.opening import open_datastack
from connectome.space import PointNm
from proofreading.files import write_atomically
from proofreading.session import Session
from proofreading.sites import Partner, Site
from rendering.picture import PictureState
from rendering.pictures import SitePictures
from rendering.presets import Specs, specs_for
from rendering.spec import BEST
from rendering.trouble import Trouble, attempt

if TYPE_CHECKING:
    from connectome.datastack import Datastack

__all__ = [
    "RenderSummary",
    "SiteLook",
    "desk_for",
    "look_at",
    "reading",
    "render_site",
    "unknown_site",
]

_EXIT_CODES = {
    PictureState.NO_IMAGERY: 0,
    PictureState.NO_GRAPHICS: 3,
    PictureState.DEVICE_LOST: 3,
    PictureState.OUT_OF_MEMORY: 3,
    PictureState.MISSING_MESH: 4,
    PictureState.PARTIAL: 4,
    PictureState.UNREACHABLE: 4,
}
"""As in `connectome.errors`; a datastack without microscopy is no failure."""


@dataclass(frozen=True)
class RenderSummary:
    """What was written of a site, and what could not be made as it should be.

    `missing` holds the name, state and reason of each picture that is absent or has a gap.
    """

    site: str
    folder: str
    files: tuple[str, ...]
    missing: tuple[dict[str, str], ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0, or the code of the worst that stands in the way of a picture."""
        states = (PictureState(each["state"]) for each in self.missing)
        return max((_EXIT_CODES.get(state, 2) for state in states), default=0)


@dataclass(frozen=True)
class SiteLook:
    """A site with the partner that is asked about, as they are now, and its pictures.

    `trouble` tells why its place could not be found out.
    """

    site: Site
    partner: Partner | None
    roots: tuple[int, int | None]
    center_nm: PointNm
    pictures: SitePictures
    trouble: Trouble | None = None


@contextmanager
def reading(folder: Path) -> Iterator[tuple[Session, Datastack]]:
    """Open a session for reading only, with its datastack; a window may hold it meanwhile.

    Raises
    ------
    SessionError, DatastackError
        If either cannot be opened.
    """
    with Session.open(folder, create=False, read_only=True) as session:
        datastack = open_datastack(session.info.datastack_address)
        try:
            yield session, datastack
        finally:
            datastack.close()


def desk_for(datastack: Datastack, size_px: int) -> SiteDesk:
    """Return a desk for pictures of a size, the best oblique plane among them."""
    specs = specs_for(datastack)
    planes = (*specs.person_em.planes, BEST)
    return SiteDesk(
        datastack,
        None,
        Specs(
            replace(specs.render, size_px=size_px),
            specs.judge_em,
            replace(specs.person_em, size_px=size_px, planes=planes),
        ),
    )


def look_at(session: Session, desk: SiteDesk, site: Site) -> SiteLook:
    """Make the pictures of a site with its most probable partner."""
    partner = _partner(session, site)
    found = attempt(lambda: _place(desk, site, partner))
    if isinstance(found, Trouble):
        roots = (site.root, partner.root if partner is not None else None)
        pictures = desk.maker.failed(site.point_nm, found)
        return SiteLook(site, partner, roots, site.point_nm, pictures, found)
    roots, center = found
    return SiteLook(site, partner, roots, center, desk.maker.make(center, *roots))


def render_site(folder: Path, site_id: str, out: Path, *, size_px: int = 512) -> RenderSummary:
    """Write every picture of a site, with a JSON file that tells how each was made.

    Files are ``ID-NAME.png`` for people, ``ID-geometry.npz`` (and a picture of it) and
    ``ID-slices.npz`` with exactly what judges are given, and ``ID.json``. What cannot be
    made is no file: an older one of its name is taken away, and the JSON file says why.

    Raises
    ------
    InputError
        If the session has no such site.
    SessionError, DatastackError
        If the session or its datastack cannot be opened.
    StorageError
        If the folder cannot be written.
    """
    started = time.monotonic()
    with reading(folder) as (session, datastack):
        site = session.catalogue.site(site_id)
        if site is None:
            raise unknown_site(site_id, folder)
        desk = desk_for(datastack, size_px)
        look = look_at(session, desk, site)
        told = _write_files(out, desk, look)
        record = _write_record(out, look, datastack, told)
    missing = tuple(
        {"picture": name, "state": each["state"], "reason": each["reason"]}
        for name, each in told.items()
        if each["state"] != PictureState.READY
    )
    files = (
        *(each[key] for each in told.values() for key in ("file", "picture") if key in each),
        record,
    )
    return RenderSummary(site.id, str(out), files, missing, round(time.monotonic() - started, 2))


def unknown_site(site_id: str, folder: Path) -> InputError:
    """Return the error for a site that a session does not have."""
    return InputError(
        f"There is no site {site_id} in {folder}.",
        "Take an id from the window's queue or from a sheet (--sheet).",
    )


def _write_files(out: Path, desk: SiteDesk, look: SiteLook) -> dict[str, Plain]:
    """Write what can be made and return what is to be known of each, by its name."""
    center, roots, prefix = look.center_nm, look.roots, look.site.id
    told = {
        name: picture_file(out / f"{prefix}-{name}.png", picture)
        for name, picture in look.pictures.all.items()
    }
    for name, make in (("geometry", geometry_arrays), ("slices", slice_arrays)):
        work = partial(make, desk.maker, center, roots)
        made = attempt(work) if look.trouble is None else look.trouble
        told[name] = arrays_file(out / f"{prefix}-{name}.npz", made)
    return told


def _partner(session: Session, site: Site) -> Partner | None:
    """Return the partner of the newest answer or best verdict; else the first."""
    verdict = session.catalogue.best_verdict(site.id)
    chosen = verdict.partner_supervoxel if verdict is not None else None
    named = (partner for partner in site.partners if partner.supervoxel == chosen)
    return next(named, site.partners[0] if site.partners else None)


def _place(
    desk: SiteDesk, site: Site, partner: Partner | None
) -> tuple[tuple[int, int | None], PointNm]:
    roots = desk.roots(site, partner)
    return roots, desk.center_nm(site, partner, roots)


def _write_record(
    out: Path, look: SiteLook, datastack: Datastack, told: Mapping[str, Plain]
) -> str:
    a, b = look.roots
    content = {
        "site": look.site.id,
        "kind": look.site.kind.value,
        "datastack": {"name": datastack.name, "address": datastack.address},
        "segments": {"A": str(a), "B": None if b is None else str(b)},
        "center_nm": list(look.center_nm),
        "pictures": told,
    }
    path = out / f"{look.site.id}.json"
    write_atomically(path, json.dumps(content, indent=2) + "\n")
    return path.name
