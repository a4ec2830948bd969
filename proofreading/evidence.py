"""Why an edit was made, as files that prove themselves.

A bundle holds one edit: what was asked, what every model said and with which weights, what
the person saw and answered and how long it took, and which operation applied it.
``manifest.json`` states the SHA-256 of every other file, and of itself without that line.
The same edit always gives the same bytes. ::

    manifest.json    what the bundle is about, and the hashes
    edit.json        the edit, its state and operation, and its annotation rows
    site.json        the place, its candidates, and every answer to it in order
    verdicts.json    every verdict on it with its provenance, and which one was in force
    pictures.json    how each picture that was seen was made
    pictures/        these pictures

The annotation row of an edit carries the edit's id, which is the bundle's name.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectome.errors import InputError
from proofreading.decisions import Decision
from proofreading.edits import EditRecord
from proofreading.files import storage_errors
from proofreading.history import History
from proofreading.ledger.codec import to_plain
from proofreading.seen import SeenPictures
from proofreading.session import Session
from proofreading.verdicts import Verdict

__all__ = ["SCHEMA_VERSION", "Checked", "bundle_of", "check_bundle", "write_folder", "write_zip"]

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
_ITSELF = "manifest_sha256"

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Checked:
    """What the hashes of a bundle say.

    Parameters
    ----------
    changed, missing, unlisted : tuple of str
        Files with other content than stated, that are not there, and that nobody stated.
    """

    edit_id: str
    operation_id: str | None
    files: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unlisted: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether every file is as it was written, and no other is there."""
        return not (self.changed or self.missing or self.unlisted)


def bundle_of(session: Session, edit_id: str, history: History | None = None) -> dict[str, bytes]:
    """Return the files of an edit's bundle by their paths, the manifest among them.

    Parameters
    ----------
    history : History, optional
        That of the session's ledger, if it is at hand.

    Raises
    ------
    InputError
        If the session has no such edit.
    """
    record = session.ledger.state.edit(edit_id)
    if record is None:
        raise InputError(
            f"There is no edit {edit_id} in {session.folder.name}.",
            "Take an id from the session's tables (export --tables), or give --all.",
        )
    history = History.of(session.ledger.events()) if history is None else history
    answers = history.of_site(record.edit.site_id)
    decision = next((d for d in answers if d.id == record.edit.decision_id), None)
    seen = SeenPictures(session.folder).of(record.edit.decision_id)
    files = {
        "edit.json": _json(_about_edit(record, history)),
        "site.json": _json(_about_site(session, record, answers, history)),
        "verdicts.json": _json(_about_verdicts(session, record, decision)),
        "pictures.json": _json(seen.told),
        **{f"pictures/{name}": content for name, content in seen.files.items()},
    }
    files[MANIFEST] = _json(_sealed(_manifest(session, record, files)))
    return files


def write_folder(files: Files, folder: Path) -> None:
    """Write a bundle as a folder, the manifest last.

    Raises
    ------
    InputError
        If something else is there already.
    StorageError
        If it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise InputError(f"{folder} holds other files.", "Choose an empty folder.")
    with storage_errors(folder):
        for name in sorted(files, key=lambda name: (name == MANIFEST, name)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(files[name])


def write_zip(files: Files, path: Path, prefix: str) -> None:
    """Write a bundle as one zip, with everything in a folder named by ``prefix``.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # A fixed time and mode: the same edit gives the same zip.
            entry = zipfile.ZipInfo(f"{prefix}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed.getvalue())


def check_bundle(path: Path) -> Checked:
    """Compare a bundle, a folder or a zip, with its own hashes.

    Raises
    ------
    InputError
        If it is no bundle.
    """
    files = _read_zip(path) if path.is_file() else _read_folder(path)
    try:
        manifest = json.loads(files[MANIFEST])
        stated = {str(one["path"]): str(one["sha256"]) for one in manifest["files"]}
        itself = manifest.pop(_ITSELF)
        edit_id, operation_id = manifest["edit_id"], manifest["operation_id"]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no evidence bundle.", "Give a folder or zip that `evidence` wrote."
        ) from error
    there = {name: _sha256(content) for name, content in files.items() if name != MANIFEST}
    changed = [name for name in stated if name in there and there[name] != stated[name]]
    if itself != _sha256(_json(manifest)):
        changed.append(MANIFEST)
    return Checked(
        edit_id=edit_id,
        operation_id=operation_id,
        files=len(files),
        changed=tuple(sorted(changed)),
        missing=tuple(sorted(stated.keys() - there.keys())),
        unlisted=tuple(sorted(there.keys() - stated.keys())),
    )


def _manifest(session: Session, record: EditRecord, files: Files) -> dict[str, Any]:
    info = session.info
    address = info.datastack_address
    operation = record.operation_id
    return {
        "schema_version": SCHEMA_VERSION,
        "edit_id": record.edit.id,
        "operation_id": None if operation is None else str(operation),
        "session": {"id": info.id, "name": session.name},
        "datastack": {
            "name": info.datastack_name,
            # Where a folder lies on somebody's machine is nobody else's business.
            "address": address if address.startswith(("cave:", "precomputed:")) else None,
        },
        "files": [
            {"path": name, "bytes": len(files[name]), "sha256": _sha256(files[name])}
            for name in sorted(files)
        ],
    }


def _sealed(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, _ITSELF: _sha256(_json(manifest))}


def _about_edit(record: EditRecord, history: History) -> dict[str, Any]:
    return {
        "kind": type(record.edit).__name__,
        **to_plain(record),
        "annotation_rows": [to_plain(row) for row in history.rows_of(record.edit.id)],
    }


def _about_site(
    session: Session, record: EditRecord, answers: list[Decision], history: History
) -> dict[str, Any]:
    site = session.catalogue.site(record.edit.site_id)
    person = [answer for answer in answers if answer.decider.value == "person"]
    gold = history.gold.get(record.edit.site_id)
    return {
        "site": None if site is None else to_plain(site),
        "decision_id": record.edit.decision_id,
        "decisions": [
            {**to_plain(answer), "taken_back": answer.id in history.withdrawn} for answer in answers
        ],
        "person_seconds": sum(answer.elapsed_ms for answer in person) / 1000,
        "known_answer": None if gold is None else to_plain(gold),
        "notes": [to_plain(note) for note in session.ledger.state.notes(record.edit.site_id)],
    }


def _about_verdicts(
    session: Session, record: EditRecord, decision: Decision | None
) -> dict[str, Any]:
    verdicts = sorted(
        session.catalogue.verdicts(record.edit.site_id),
        key=lambda v: (v.made_at, v.task.value, str(v.partner_supervoxel), v.provenance.model_id),
    )
    in_force = [n for n, verdict in enumerate(verdicts) if _could_be_seen(verdict, decision)]
    return {
        "in_force": in_force[-1] if in_force else None,
        "seen": decision is not None and decision.verdict_visible,
        "verdicts": [to_plain(verdict) for verdict in verdicts],
    }


def _could_be_seen(verdict: Verdict, decision: Decision | None) -> bool:
    """Tell whether a verdict answered the decision's question before it was made."""
    return (
        decision is not None
        and verdict.task is decision.task
        and verdict.partner_supervoxel == decision.partner_supervoxel
        and verdict.made_at <= decision.decided_at
    )


def _json(content: object) -> bytes:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_folder(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        raise InputError(f"There is no {folder}.", "Give a folder or zip that `evidence` wrote.")
    with storage_errors(folder):
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def _read_zip(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            return {name.partition("/")[2] or name: archive.read(name) for name in names}
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} cannot be read as a zip.", "Copy it again.") from error
