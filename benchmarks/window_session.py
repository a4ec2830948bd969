"""A session on the bundled demo with judged sites: made once, kept, and copied for each use."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.demo import quiet

if TYPE_CHECKING:
    from app.services.opening import Opened
    from connectome.datastack import Datastack
    from proofreading.session import Session

__all__ = ["copy_judged", "judged_session", "make_judged", "move_session"]

_NAME = "s.proofdesk"


def judged_session(scratch: Path) -> Opened:
    """Return a session of its own in a folder, with all sites judged by the real judges.

    What it is a copy of stays in the person's data folder, because finding and judging
    take minutes and are no part of what is measured.
    """
    from app.services.settings import data_folder

    kept = data_folder() / f"bench-window-{_kind()}"
    if not (kept / "complete").exists():
        shutil.rmtree(kept, ignore_errors=True)
        make_judged(kept)
        (kept / "complete").touch()
    return copy_judged(kept, scratch)


def _kind() -> str:
    """Return what tells a session of these judges and this format from others."""
    from app.services.judging import load_panel
    from proofreading.catalogue_schema import SCHEMA_VERSION

    judges = [f"{j.manifest.id} {j.manifest.task.value}" for j in load_panel().judges]
    told = json.dumps(["all sites", SCHEMA_VERSION, *sorted(judges)])
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def copy_judged(kept: Path, scratch: Path) -> Opened:
    """Return a session of its own, with a datastack of its own, in a folder."""
    from app.services.opening import Opened

    address = scratch / "datastack"
    shutil.copytree(kept / "datastack", address)
    shutil.copytree(kept / _NAME, scratch / _NAME)
    move_session(scratch / _NAME, str(address))
    return Opened(scratch / _NAME, str(address))


def make_judged(kept: Path, judged: int | None = None) -> None:
    """Detect on the demo and let the bundled judges look at so many contacts, or at all sites.

    Nothing is left to find, so that a window on a copy only goes on judging.
    """
    from app.services.demo import ensure_demo
    from app.services.detecting import detect_into
    from app.services.opening import open_session
    from connectome.opening import open_datastack

    shutil.copytree(ensure_demo().address, kept / "datastack")
    detect_into(str(kept / "datastack"), kept / _NAME, report=quiet)
    datastack = open_datastack(str(kept / "datastack"))
    try:
        with open_session(kept / _NAME, role="worker") as session:
            _judge(session, datastack, judged)
    finally:
        datastack.close()


def _judge(session: Session, datastack: Datastack, judged: int | None) -> None:
    from app.services.detecting import DETECTED
    from app.services.judging import load_panel
    from app.services.panel import judge_batches

    if judged is None:
        for _batch in judge_batches(load_panel(), datastack, session.catalogue):
            pass
    else:
        _judge_some(session, datastack, judged)
    session.artifacts.mkdir(exist_ok=True)
    (session.artifacts / DETECTED).touch()


def _judge_some(session: Session, datastack: Datastack, judged: int) -> None:
    from itertools import islice

    from app.services.judging import SiteDesk, load_panel
    from proofreading.sites import SiteKind

    desk = SiteDesk(datastack, load_panel())
    contacts = (s for s in session.catalogue.sites(SiteKind.CONTACT) if not s.at_volume_face)
    sites = list(islice(contacts, judged))
    for begin in range(0, len(sites), 16):
        session.catalogue.add_verdicts(desk.judge(sites[begin : begin + 16]))


def move_session(folder: Path, address: str) -> None:
    """Make a copied session another one, with an id of its own, on another address."""
    info = folder / "session.json"
    plain = json.loads(info.read_text("utf-8"))
    plain |= {"id": str(uuid.uuid4()), "datastack_address": address}
    info.write_text(json.dumps(plain), "utf-8")
