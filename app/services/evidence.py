"""Use-case: the evidence for edits, kept as they are decided and bundled when asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.closing import Closing
from connectome.errors import InputError, StorageError
from proofreading.evidence import bundle_of, write_folder, write_zip
from proofreading.history import History
from proofreading.seen import SeenPictures
from proofreading.session import Session

if TYPE_CHECKING:
    from rendering.pictures import SitePictures

__all__ = ["EvidenceSummary", "PictureKeeper", "write_evidence"]

Report = Callable[[str, float | None], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvidenceSummary:
    """What was written; `without_pictures` edits were decided where none were seen."""

    edits: int
    pictures: int
    without_pictures: int
    files: list[str]


class PictureKeeper(Closing):
    """Keeps what was on the screen at a decision, on a thread of its own.

    A picture that cannot be kept is told to the log: it must never hold up an answer.
    """

    def __init__(self, session_folder: Path) -> None:
        self._seen = SeenPictures(session_folder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="evidence")

    def keep(self, decision_id: str, pictures: SitePictures | None) -> None:
        """Keep the pictures of a decision; returns at once."""
        if pictures is not None:
            self._thread.submit(self._keep, decision_id, pictures)

    def close(self) -> None:
        """Finish what was asked for."""
        self._thread.shutdown(wait=True)

    def _keep(self, decision_id: str, pictures: SitePictures) -> None:
        from rendering.picture import png_bytes

        shown = {name: png_bytes(p) for name, p in pictures.all.items() if p.rgb is not None}
        told: dict[str, dict[str, Any]] = {
            name: {
                "state": picture.state.value,
                "reason": picture.reason,
                "caption": picture.caption,
                "nm_per_px": picture.nm_per_px,
                **(picture.record.plain() if picture.record is not None else {}),
            }
            for name, picture in pictures.all.items()
        }
        try:
            self._seen.keep(decision_id, shown, told)
        except StorageError as error:
            _log.warning("The pictures of %s were not kept: %s", decision_id, error)


def write_evidence(
    folder: Path, out: Path, *, edit_id: str | None, zipped: bool, report: Report
) -> EvidenceSummary:
    """Write the bundle of an edit, or of every edit, into a folder; named by the edit's id.

    Raises
    ------
    InputError
        If the session has no such edit, or none at all.
    StorageError
        If the folder cannot be written.
    """
    with Session.open(folder, create=False, read_only=True) as session:
        known = [record.edit.id for record in session.ledger.state.edits()]
        wanted = known if edit_id is None else [edit_id]
        if not wanted:
            raise InputError(f"{folder.name} has no edits yet.", "Accept a site first.")
        history = History.of(session.ledger.events())
        files: list[str] = []
        pictures = without = 0
        for number, one in enumerate(wanted):
            report(f"evidence of {one}", number / len(wanted))
            bundle = bundle_of(session, one, history)
            count = sum(name.startswith("pictures/") for name in bundle)
            pictures, without = pictures + count, without + (count == 0)
            path = out / (f"{one}.zip" if zipped else one)
            write_zip(bundle, path, one) if zipped else write_folder(bundle, path)
            files.append(str(path))
    return EvidenceSummary(len(wanted), pictures, without, files)
