"""Reaching one datastack on one CAVE server: token, record, clients with time limits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from caveclient.chunkedgraph import ChunkedGraphClient

from connectome.cave.tokens import auth_client, save_token
from connectome.cave.translate import reading
from connectome.cave.transport import EDIT_SECONDS, guard, retried
from connectome.errors import DatastackError, NotFoundError, ServiceError

__all__ = ["CaveConnection", "connect", "keep_token", "normal_server"]

_NAMES_SHOWN = 12
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class GuardedGraphClient(ChunkedGraphClient):  # type: ignore[misc]  # caveclient is untyped
    """caveclient's chunked-graph client whose every request has a time limit."""

    def __init__(self, *, edit_seconds: float, loopback: bool, **options: Any) -> None:
        self._edit_seconds = edit_seconds
        self._loopback = loopback
        # Stating the API version saves a request that caveclient sends without a time limit.
        super().__init__(api_version=1, max_retries=0, **options)

    def _get_version(self) -> Any:
        # The first moment at which the session exists and nothing was sent yet.
        guard(self.session, edit_seconds=self._edit_seconds)
        # A proxy must not carry what goes to this machine itself.
        self.session.trust_env = not self._loopback
        return super()._get_version()


@dataclass(frozen=True)
class CaveConnection:
    """A datastack on a server.

    Parameters
    ----------
    name : str
        The datastack.
    server : str
        Address of the server that was asked for the record.
    record : dict
        The info service's record of the datastack.
    token : str
        The person's token.
    graph : ChunkedGraphClient
        Its chunked-graph client.
    auth : AuthClient
        What holds the token for other clients.
    """

    name: str
    server: str
    record: dict[str, Any]
    token: str = field(repr=False)
    graph: Any = field(repr=False)
    auth: Any = field(repr=False)

    @property
    def local_server(self) -> str:
        """Address of the server that holds the segmentation."""
        return str(self.record["local_server"])

    @property
    def table(self) -> str:
        """Name of the chunked graph's table."""
        return str(self.record["segmentation_source"]).rstrip("/").rsplit("/", 1)[-1]

    @property
    def volume(self) -> str:
        """Name of the aligned volume, to which annotation tables belong."""
        return str(self.record["aligned_volume"]["name"])

    @property
    def soma_table(self) -> str:
        """Name of the annotation table of cell bodies; empty where the record names none."""
        return str(self.record.get("soma_table") or "")

    def reading(self, what: str) -> AbstractContextManager[None]:
        """Translate the failures of a read from the segmentation's server."""
        return reading(self.local_server, what, self.server)

    @property
    def session(self) -> requests.Session:
        """The session with token and time limits."""
        session: requests.Session = self.graph.session
        return session

    def close(self) -> None:
        """Close the connections."""
        self.session.close()


def connect(
    name: str, server: str, token: str | None = None, *, edit_seconds: float = EDIT_SECONDS
) -> CaveConnection:
    """Return the datastack as the server describes it.

    Parameters
    ----------
    name : str
        The datastack.
    server : str
        The server's address; ``https://`` is understood.
    token : str, optional
        The person's CAVE token; read from the ecosystem's files if absent.
    edit_seconds : float
        How long to wait for the answer to an edit.

    Raises
    ------
    AuthError
        If there is no token, or it is expired or lacks the permission.
    NotFoundError
        If the server does not know the datastack.
    OfflineError
        If the server does not answer.
    """
    address = normal_server(server)
    auth = auth_client(address, token)
    record = _read_record(name, address, str(auth.token))
    with reading(address, f"the datastack {name!r}"):
        # The token goes there too, so the same rules hold for that address.
        local = normal_server(str(record["local_server"]))
        table = str(record["segmentation_source"]).rstrip("/").rsplit("/", 1)[-1]
    with reading(local, f"the chunked graph of {name!r}", address):
        graph = GuardedGraphClient(
            edit_seconds=edit_seconds,
            loopback=_is_loopback(local),
            server_address=local,
            table_name=table,
            auth_client=auth,
        )
    return CaveConnection(name, address, record, str(auth.token), graph, auth)


def keep_token(server: str, token: str) -> None:
    """Keep a token that a server has taken where the CAVE tools look for that server's.

    Raises
    ------
    AuthError
        If the file cannot be written.
    """
    save_token(normal_server(server), token)


def normal_server(server: str) -> str:
    """Return the address with its scheme and without a slash at the end."""
    text = server.strip().rstrip("/")
    if "://" not in text:
        text = f"{'http' if _is_loopback(f'//{text}') else 'https'}://{text}"
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DatastackError(
            f"{server!r} is no address of a CAVE server.",
            "Give it as cave:NAME@SERVER, for example cave:minnie65_public@global.daf-apis.com.",
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise DatastackError(
            f"The address {server!r} is not encrypted; your token could be read on the way.",
            "Use https.",
        )
    return text


def _is_loopback(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _read_record(name: str, server: str, token: str) -> dict[str, Any]:
    """Ask the info service ourselves: caveclient would do so without a time limit."""
    with requests.Session() as session, reading(server, f"the datastack {name!r}"):
        guard(session).trust_env = not _is_loopback(server)
        session.headers["Authorization"] = f"Bearer {token}"
        answer = retried(lambda: _asked(session, f"{server}/info/api/v2/datastack/full/{name}"))
        if answer.status_code == 404:
            raise _unknown(answer, name, server, session)
        record = answer.json()
        if not isinstance(record, Mapping) or "local_server" not in record:
            raise NotFoundError(
                f"The server {server} has no record of the datastack {name!r}.",
                "Check its name, and whether this server holds it.",
            )
        return dict(record)


def _asked(session: requests.Session, url: str) -> requests.Response:
    answer = session.get(url)
    if answer.status_code != 404:
        answer.raise_for_status()
    return answer


def _unknown(
    answer: requests.Response, name: str, server: str, session: requests.Session
) -> ServiceError:
    """Tell a name that the server does not know from a server that is none of CAVE."""
    if "json" not in answer.headers.get("content-type", ""):
        return ServiceError(
            f"There is no CAVE server at {server}.", "Check the spelling of the server's address."
        )
    try:
        listed = session.get(f"{server}/info/api/v2/datastacks").json()
        names = [str(each) for each in listed] if isinstance(listed, list) else []
    except (requests.RequestException, ValueError):
        names = []  # Only the hint would have been longer.
    some = ", ".join(sorted(names)[:_NAMES_SHOWN])
    return NotFoundError(
        f"The server {server} has no datastack {name!r}.",
        f"It has: {some}{', ...' if len(names) > _NAMES_SHOWN else '.'}"
        if some
        else "Check the spelling of its name, and which server holds it.",
    )
