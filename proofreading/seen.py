"""The pictures that were on the screen when an edit was decided, kept with the session.

They cannot be made again: the edit itself changes the objects they show. ::

    evidence/seen/DECISION.json    what was seen, how it was made
    evidence/pictures/SHA256.png   each picture once
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proofreading.files import storage_errors, write_atomically

__all__ = ["Seen", "SeenPictures"]


@dataclass(frozen=True)
class Seen:
    """What was seen at a decision.

    Parameters
    ----------
    told : dict
        Ready for JSON: ``pictures`` by name, each with ``state`` and, of those that were
        there, ``file``, ``sha256`` and how it was made; ``reason`` where none was kept.
    files : dict of str to bytes
        The pictures by their file names.
    """

    told: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


class SeenPictures:
    """Keeps and finds the pictures of a session's decisions; `folder` is the session's."""

    def __init__(self, folder: Path) -> None:
        self._seen = folder / "evidence" / "seen"
        self._pictures = folder / "evidence" / "pictures"

    def keep(
        self,
        decision_id: str,
        pictures: Mapping[str, bytes],
        told: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Keep the pictures (PNG, by name) of a decision, and what is known of each.

        Raises
        ------
        StorageError
            If they cannot be written.
        """
        with storage_errors(self._seen):
            for folder in (self._seen, self._pictures):
                folder.mkdir(parents=True, exist_ok=True)
        described: dict[str, dict[str, Any]] = {name: dict(one) for name, one in told.items()}
        for name, content in pictures.items():
            digest = hashlib.sha256(content).hexdigest()
            described.setdefault(name, {}).update(file=f"{name}.png", sha256=digest)
            path = self._pictures / f"{digest}.png"
            if not path.exists():
                with storage_errors(path):
                    path.write_bytes(content)
        # Last: what it names is there by then.
        text = json.dumps({"pictures": described}, sort_keys=True)
        write_atomically(self._seen / f"{_safe(decision_id)}.json", text)

    def of(self, decision_id: str) -> Seen:
        """Return what was seen at a decision; a damaged or lost picture is told as such."""
        path = self._seen / f"{_safe(decision_id)}.json"
        try:
            pictures: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8"))["pictures"]
        except (OSError, ValueError, KeyError):
            # Many decisions are made without the window; nothing is wrong with those.
            return Seen({"pictures": {}, "reason": "No pictures were kept at this decision."})
        files: dict[str, bytes] = {}
        for name, one in pictures.items():
            content = self._read(one.get("sha256"))
            if content is not None:
                files[f"{name}.png"] = content
            elif one.pop("file", None) is not None:
                one["reason"] = "The kept picture is lost or damaged."
        return Seen({"pictures": pictures}, files)

    def _read(self, digest: object) -> bytes | None:
        if not isinstance(digest, str):
            return None
        try:
            content = (self._pictures / f"{_safe(digest)}.png").read_bytes()
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == digest else None


def _safe(name: str) -> str:
    """Return a name that stays in its folder, whatever a ledger says."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
