"""The person's CAVE token, in the files that the CAVE tools keep and nowhere else.

Where: ``~/.cloudvolume/secrets/HOST-cave-secret.json`` for one server, else
``cave-secret.json`` for all. (``HOST`` holds the port, whose colon no Windows file name
may hold; there the second file is the only place.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from caveclient.auth import AuthClient, default_token_file, server_token_filename

from connectome.errors import AuthError

__all__ = ["auth_client", "save_token", "token_file"]


def auth_client(server: str, token: str | None) -> Any:
    """Return caveclient's holder of the token.

    Parameters
    ----------
    server : str
        The server that gives tokens.
    token : str, optional
        The token; read from the files if absent.

    Raises
    ------
    AuthError
        If there is none, or a file that holds none that can be sent.
    """
    path = token_file(server)
    try:
        auth = AuthClient(server_address=server, token=token)
    except (OSError, ValueError, AttributeError) as error:
        raise AuthError(
            "The file with your CAVE token cannot be read.", f"Look at {path}."
        ) from error
    if not auth.token:
        raise AuthError(
            f"There is no CAVE token for {server} on this machine.",
            f"Get one at {server}/sticky_auth/settings/tokens and save it in {path} "
            'as {"token": "..."}.',
        )
    auth.token = _checked(auth.token, path)
    return auth


def token_file(server: str) -> Path:
    """Return the file that holds the token for a server, or the one to save it in."""
    own = Path(server_token_filename(server))
    return own if own.is_file() else Path(os.path.expanduser(default_token_file))  # noqa: PTH111


def save_token(server: str, token: str) -> None:
    """Keep a token in the file of one server, readable to the person alone.

    Raises
    ------
    AuthError
        If it is no token, or the file cannot be written.
    """
    path = Path(server_token_filename(server))
    known = _checked(token, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Made private before the token is in it; caveclient keeps what else is there.
        path.touch(mode=0o600)
        path.chmod(0o600)
        holder = AuthClient(server_address=server, token=known)
        if path.stat().st_size == 0:
            path.write_text("{}", encoding="utf-8")
        holder.save_token(known, overwrite=True, token_file=str(path), local_server=False)
    except (OSError, ValueError) as error:
        raise AuthError(
            f"The token could not be kept in {path}: {error}.",
            "Make the file writable, or save it there yourself.",
        ) from error


def _checked(token: object, path: Path) -> str:
    """Return the token if a header can carry it; requests would show it in its complaint."""
    text = token.strip() if isinstance(token, str) else ""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise AuthError(
            "What stands where your CAVE token should be is no token.",
            f"Save the token again, without quotes or spaces around it: {path}",
        )
    return text
