"""Use-case: share a site, and open Proofdesk at one that somebody shared.

A link is a file, or a view on a CAVE server's state service that any Neuroglancer shows.
Either holds the site itself, so that whoever follows it needs no detection first; its id is
a hash of its content, so that it is the same site everywhere.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.services.opening import Opened, session_for
from connectome.errors import InputError, ProofdeskError
from connectome.opening import open_datastack, server_in
from proofreading.files import storage_errors, write_atomically
from proofreading.ledger.codec import from_plain, to_plain
from proofreading.ledger.events import CursorMoved
from proofreading.session import Session, read_info
from proofreading.sites import Partner, Site

__all__ = ["ENDING", "LinkSummary", "Shared", "follow_link", "is_link", "share_site"]

ENDING = ".proofdesk-link"
SCHEMA_VERSION = 1
_KEY = "proofdesk"
_LARGEST = 1 << 20


@dataclass(frozen=True)
class LinkSummary:
    """Where the link leads, and what to give to somebody."""

    site: str
    datastack: str
    link: str


@dataclass(frozen=True)
class Shared:
    """What a link holds."""

    schema_version: int
    datastack_name: str
    datastack_address: str
    site: Site


def share_site(folder: Path, site_id: str, *, out: Path | None, server: bool) -> LinkSummary:
    """Write a link to a site: as a file, or as a view on the datastack's server.

    Raises
    ------
    InputError
        If the session has no such site, or the datastack has no server.
    ServiceError
        If the server does not keep it.
    """
    with Session.open(folder, create=False, read_only=True) as session:
        site = session.catalogue.site(site_id)
        if site is None:
            raise InputError(
                f"There is no site {site_id} in {folder.name}.", "Take an id from the queue."
            )
        verdict = session.catalogue.best_verdict(site_id)
        named = None if verdict is None else verdict.partner_supervoxel
        info = session.info
    content = Shared(SCHEMA_VERSION, info.datastack_name, info.datastack_address, site)
    if server:
        link = _keep(content, _partner(site, named))
    else:
        path = out or Path(f"{site_id}{ENDING}")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({_KEY: to_plain(content)}, indent=2) + "\n")
        link = str(path)
    return LinkSummary(site_id, info.datastack_name, link)


def is_link(target: str | None) -> bool:
    """Tell whether what a person wants to open is a link to a site."""
    if target is None:
        return False
    return target.endswith(ENDING) or "/nglstate/api/v1/" in target


def follow_link(target: str, session: Path | None = None) -> Opened:
    """Return what to open so that the window comes up at the site of a link.

    The site is added to the session if it is not there, and becomes the current one.

    Parameters
    ----------
    session : Path, optional
        A session of the link's datastack; the one that the datastack gets by itself if
        absent.

    Raises
    ------
    InputError
        If it is no link, or one to another datastack than the session's.
    ServiceError
        If the server that holds it cannot be asked.
    """
    shared = _read_file(Path(target)) if target.endswith(ENDING) else _read_view(target)
    if session is not None and session.exists():
        # A copy of the datastack may lie elsewhere on this machine.
        address = read_info(session).datastack_address
    else:
        address = shared.datastack_address
        _check_reachable(shared)
    folder = session or session_for(address)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Session.open(
        folder, datastack_name=shared.datastack_name, datastack_address=address
    ) as opened:
        opened.catalogue.add_sites([shared.site])
        opened.ledger.append(CursorMoved(shared.site.id))
    return Opened(folder, address)


def _keep(content: Shared, partner: Partner | None) -> str:
    from connectome.cave.views import CaveViews
    from ngplugin.sharing import shared_state

    server = server_in(content.datastack_address)
    if server is None:
        raise InputError(
            f"{content.datastack_name} is on no CAVE server.", "Share a file: leave --server out."
        )
    with closing(open_datastack(content.datastack_address)) as datastack:
        state = shared_state(datastack.viewer_sources(), content.site, partner)
    return CaveViews(server).keep({**state, _KEY: to_plain(content)})


def _read_file(path: Path) -> Shared:
    try:
        size = path.stat().st_size
        plain = json.loads(path.read_text("utf-8")) if size <= _LARGEST else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read.", "Ask for the link again.") from error
    return _shared(plain, str(path))


def _read_view(link: str) -> Shared:
    from connectome.cave.client import normal_server
    from connectome.cave.views import LINK, CaveViews

    found = LINK.match(link)
    if found is None:
        raise InputError(f"{link} is no link to a site.", "Check that it is complete.")
    views = CaveViews(found["server"])
    shared = _shared(views.read(link), link)
    server = server_in(shared.datastack_address)
    if server is None or normal_server(server) != views.server:
        # A link must not make this machine ask, or edit, somewhere else than it says.
        raise InputError(
            f"The link on {views.server} leads to {shared.datastack_address}.",
            "Open that datastack yourself if you trust it.",
        )
    return shared


def _shared(plain: Any, where: str) -> Shared:
    content = plain.get(_KEY) if isinstance(plain, dict) else None
    if content is None:
        raise InputError(
            f"{where} holds no site of Proofdesk.", "Look at it in Neuroglancer instead."
        )
    try:
        shared = from_plain(Shared, content)
    except ProofdeskError as error:
        raise InputError(
            f"The link {where} is damaged.", "Ask for the link again, or update Proofdesk."
        ) from error
    if shared.schema_version > SCHEMA_VERSION or shared.site.datastack != shared.datastack_name:
        raise InputError(f"The link {where} cannot be followed.", "Update Proofdesk.")
    return shared


def _check_reachable(shared: Shared) -> None:
    address = shared.datastack_address
    if not address.startswith(("cave:", "precomputed:")) and not Path(address).is_dir():
        raise InputError(
            f"The datastack of the link, {shared.datastack_name}, is not on this machine.",
            "Name a session of your own copy: proofdesk open LINK --session S",
        )


def _partner(site: Site, supervoxel: int | None) -> Partner | None:
    named = (partner for partner in site.partners if partner.supervoxel == supervoxel)
    return next(named, site.partners[0] if site.partners else None)
