"""From an address to a datastack."""

from __future__ import annotations

import re
from pathlib import Path

from connectome.datastack import Datastack
from connectome.errors import DatastackError, MissingPackageError

__all__ = ["open_datastack", "server_in"]

_CAVE = re.compile(r"^cave:(?P<name>[^@\s/]+)(?:@(?P<server>\S+))?$")
_FORMS = "Give an offline datastack's folder, cave:NAME@SERVER or precomputed:URL."


def open_datastack(address: str, *, token: str | None = None) -> Datastack:
    """Open the datastack at an address.

    Parameters
    ----------
    address : str
        An offline datastack's folder, ``cave:NAME@SERVER`` (``cave:NAME`` suffices for
        the public datastacks of `connectome.cave.known`) or ``precomputed:URL``
        (``precomputed:URL,em=URL`` with images).
    token : str, optional
        CAVE token; read from the ecosystem's files if absent.

    Raises
    ------
    DatastackError
        If the address is none of these, or what it names is no datastack.
    MissingPackageError
        If the part of Proofdesk that reads it is not installed.
    """
    text = address.strip()
    try:
        if text.startswith("cave:"):
            return _open_cave(text, token)
        if text.startswith("precomputed:"):
            return _open_precomputed(text)
        return _open_folder(text)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("connectome", "proofreading"):
            raise
        extra = "cave" if text.startswith("cave:") else "offline"
        raise MissingPackageError(
            f"The package {error.name} is needed to open {text}.",
            f'Install it with: pip install "proofdesk[{extra}]"',
        ) from error


def server_in(address: str) -> str | None:
    """Return the CAVE server that an address names or means, None if it is not CAVE's.

    Raises
    ------
    DatastackError
        If it is an address of CAVE's that cannot be read, or names no server.
    """
    text = address.strip()
    if not text.startswith("cave:"):
        return None
    match = _CAVE.match(text)
    if match is None:
        raise DatastackError(f"{text!r} is no address of a CAVE datastack.", _FORMS)
    from connectome.cave.known import server_of

    return match["server"] or server_of(match["name"])


def _open_cave(text: str, token: str | None) -> Datastack:
    server = server_in(text)
    assert server is not None
    from connectome.cave.datastack import CaveDatastack

    return CaveDatastack(text.removeprefix("cave:").partition("@")[0], server, token)


def _open_precomputed(text: str) -> Datastack:
    from connectome.precomputed import PrecomputedDatastack

    url, _, images = text.removeprefix("precomputed:").partition(",em=")
    if not url.strip("/"):
        raise DatastackError(f"{text!r} names no precomputed volume.", _FORMS)
    return PrecomputedDatastack(url, images or None)


def _open_folder(text: str) -> Datastack:
    path = Path(text).expanduser()
    if not text or not path.is_dir():
        raise DatastackError(f"There is no datastack at {text!r}.", _FORMS)
    from connectome.offline.datastack import OfflineDatastack

    return OfflineDatastack(path)
