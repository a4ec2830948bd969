"""Pulling a model from a hub: asked for, licence shown, downloaded, checked.

Follows the hub's HTTP interface (https://huggingface.co/docs/hub/api): a model's files with
sizes and hashes at ``/api/models/ID/revision/REVISION?blobs=true``, their contents at
``/ID/resolve/COMMIT/FILE``. No token is ever sent.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from connectome.errors import InputError, ModelError, ServiceError, StorageError
from inference.models.hub_fetch import Reader, download, translated_disk
from inference.models.hub_store import (
    PLAN,
    HubFile,
    Plan,
    Pulled,
    folder_of,
    read_pulled,
    require_id,
)

__all__ = ["HUB", "Offer", "offer_of", "pull"]

HUB = "https://huggingface.co"
_WANTED = (".safetensors", ".json", ".txt", ".jinja", ".model")
_WORDS = ("LICENSE", "LICENCE", "NOTICE", "README")
_MOST_LICENCE_BYTES = 200_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SPARE_BYTES = 256 << 20

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Offer:
    """A model as the hub offers it.

    Parameters
    ----------
    plan : Plan
        Its files.
    licence_text : str
        The licence itself, where the model comes with one.
    page : str
        Address to read more at.
    """

    plan: Plan
    licence_text: str
    page: str


def offer_of(
    name: str, revision: str = "main", *, endpoint: str = HUB, root: Path | None = None
) -> Offer:
    """Ask the hub for a model; nothing is downloaded but its licence.

    A pull that was begun is offered again at the same commit.

    Raises
    ------
    InputError
        If the id or the address of the hub cannot be used.
    OfflineError
        If the hub cannot be reached; the hint tells what is missing here.
    NotFoundError, AuthError
        If the hub does not know the model, or gives it only to those who signed in.
    """
    address = _hub(endpoint)
    folder = folder_of(require_id(name), root)
    begun = read_pulled(folder) if (folder / PLAN).is_file() else None
    if begun is not None and begun.plan.endpoint == address and revision == "main":
        plan = begun.plan
    else:
        plan = _asked(name, revision, address, Reader(_missing_hint(begun)))
    text = _licence_text(plan, Reader(_missing_hint(begun)))
    return Offer(plan, text, f"{address}/{name}")


def pull(offer: Offer, report: Report, *, root: Path | None = None) -> Pulled:
    """Download what of a model is missing, going on where a pull was cut off.

    Parameters
    ----------
    report : callable
        Called with a file's name and the share that is done.

    Raises
    ------
    StorageError
        If the disk is full or cannot be written; what was downloaded stays.
    OfflineError
        If the connection is lost again and again; what was downloaded stays.
    ModelError
        If a file is not what the hub says it is; that file is removed.
    """
    plan = offer.plan
    folder = folder_of(plan.id, root)
    with translated_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        partial = (folder / PLAN).with_suffix(".part")
        partial.write_text(plan.model_dump_json(indent=1), encoding="utf-8")
        partial.replace(folder / PLAN)
    missing = set(read_pulled(folder).missing)
    _require_room(folder, plan, missing)
    done = sum(file.size for file in plan.files if file.name not in missing)
    for file in plan.files:
        if file.name not in missing:
            continue
        url = f"{plan.endpoint}/{plan.id}/resolve/{plan.revision}/{quote(file.name)}"

        def told(bytes_: int, file: HubFile = file, before: int = done) -> None:
            report(file.name, (before + bytes_) / max(plan.size, 1))

        download(url, folder / file.name, file, told)
        done += file.size
    return read_pulled(folder)


def _asked(name: str, revision: str, address: str, reader: Reader) -> Plan:
    url = f"{address}/api/models/{name}/revision/{quote(revision, safe='')}?blobs=true"
    try:
        told: Any = json.loads(reader.read(url, f"the model {name}"))
        files = [_file(entry) for entry in told["siblings"] if _is_wanted(entry["rfilename"])]
        plan = Plan(
            id=name,
            revision=str(told["sha"]),
            endpoint=address,
            licence=_licence(told),
            files=tuple(sorted(files, key=lambda file: file.name)),
        )
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ServiceError(
            f"The answer of {address} about {name} cannot be understood.",
            "Try again later, or download the files by hand and name their folder.",
        ) from error
    if not any(file.name.endswith(".safetensors") for file in plan.files):
        raise ModelError(
            f"The model {name} has no weights as safetensors.",
            "Choose a model that has; other formats can run code when they are read.",
        )
    return plan


def _file(entry: Mapping[str, Any]) -> HubFile:
    large = entry.get("lfs")
    if large:
        return HubFile(name=entry["rfilename"], size=large["size"], sha256=large["sha256"])
    sha1 = entry.get("blobId") or ""
    return HubFile(name=entry["rfilename"], size=entry["size"], git_sha1=sha1)


def _is_wanted(name: str) -> bool:
    """Leave out what is not needed to ask a model, and whatever could run code."""
    return name.endswith(_WANTED) or name.upper().startswith(_WORDS)


def _licence(told: Mapping[str, Any]) -> str:
    card = told.get("cardData") or {}
    tags = [tag for tag in told.get("tags") or () if str(tag).startswith("license:")]
    named = card.get("license") or (tags[0].removeprefix("license:") if tags else "")
    link = card.get("license_link") or ""
    return " ".join(str(part) for part in (named, link) if part) or "not stated"


def _licence_text(plan: Plan, reader: Reader) -> str:
    for file in plan.files:
        if file.name.upper().startswith(_WORDS[:2]) and file.size <= _MOST_LICENCE_BYTES:
            url = f"{plan.endpoint}/{plan.id}/resolve/{plan.revision}/{quote(file.name)}"
            return reader.read(url, f"the licence of {plan.id}").decode("utf-8", "replace")
    return ""


def _hub(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (loopback or parts.scheme == "https") or not parts.hostname or "@" in parts.netloc:
        raise InputError(
            f"{endpoint} is no address of a hub.", "Give one that begins with https://."
        )
    return endpoint.rstrip("/")


def _missing_hint(begun: Pulled | None) -> str:
    if begun is None:
        return "Connect to the internet, or name the folder of a model that is on this machine."
    if not begun.missing:
        return "The model itself is complete on this machine."
    sizes = {file.name: file.size for file in begun.plan.files}
    left = sum(sizes[name] for name in begun.missing)
    largest = sorted(begun.missing, key=lambda name: -sizes[name])
    names = ", ".join(largest[:3]) + (" …" if len(largest) > 3 else "")
    return f"Still missing here: {len(begun.missing)} files, {left / 1e9:.2f} GB ({names})."


def _require_room(folder: Path, plan: Plan, missing: set[str]) -> None:
    needed = 0
    for file in plan.files:
        if file.name in missing:
            partial = folder / f"{file.name}.part"
            needed += file.size - (partial.stat().st_size if partial.is_file() else 0)
    free = shutil.disk_usage(folder).free
    if needed and needed + _SPARE_BYTES > free:
        raise StorageError(
            f"The model {plan.id} needs {needed / 1e9:.2f} GB more, "
            f"but the disk of {folder} has {free / 1e9:.2f} GB left.",
            "Make room, or set PROOFDESK_HOME to a folder on another disk.",
        )
