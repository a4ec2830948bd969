"""Views of Neuroglancer behind links, on a server's state service."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import requests

from connectome.cave.client import normal_server
from connectome.cave.tokens import auth_client
from connectome.cave.translate import reading
from connectome.cave.transport import guard, retried
from connectome.errors import InputError

__all__ = ["LINK", "CaveViews"]

LINK = re.compile(r"(?P<server>https?://[^/\s]+)/nglstate/api/v1/(?:raw/)?(?P<number>\d+)$")
"""What the address of a kept view looks like."""
_LARGEST = 16 << 20


class CaveViews:
    """The state service of one server.

    Parameters
    ----------
    server : str
        Its address.
    token : str, optional
        The person's CAVE token; read from the ecosystem's files if absent. It is sent to
        this server alone.

    Raises
    ------
    AuthError
        If there is no token for the server on this machine.
    """

    def __init__(self, server: str, token: str | None = None) -> None:
        self.server = normal_server(server)
        self._token = str(auth_client(self.server, token).token)

    def keep(self, state: Mapping[str, object]) -> str:
        """Keep a view and return its link. Ids in it are strings.

        Raises
        ------
        ServiceError
            If the server cannot be reached or does not keep it.
        """
        body = json.dumps(state, allow_nan=False).encode()
        with self._session() as session, reading(self.server, "a shared view"):
            # Sent once: a view kept twice would harm nobody, but a lost answer is no link.
            answer = session.post(f"{self.server}/nglstate/api/v1/post", data=body)
            answer.raise_for_status()
            number = str(answer.json()).rstrip("/").rsplit("/", 1)[-1]
            return f"{self.server}/nglstate/api/v1/{int(number)}"

    def read(self, link: str) -> dict[str, Any]:
        """Return the view behind a link of this server.

        Raises
        ------
        InputError
            If the link leads elsewhere, or to something that is no view.
        NotFoundError, ServiceError
            If the server does not have it, or cannot be reached.
        """
        found = LINK.match(link)
        if found is None or normal_server(found["server"]) != self.server:
            raise InputError(f"{link} is no view on {self.server}.", "Check the link.")
        with self._session() as session, reading(self.server, "a shared view"):
            url = f"{self.server}/nglstate/api/v1/{found['number']}"
            answer = retried(lambda: _asked(session, url))
            view = answer.json() if len(answer.content) <= _LARGEST else None
        if not isinstance(view, dict):
            raise InputError(f"{link} holds no view.", "Ask for the link again.")
        return view

    def _session(self) -> requests.Session:
        session = requests.Session()
        guard(session).trust_env = self.server.startswith("https://")
        session.headers["Authorization"] = f"Bearer {self._token}"
        return session


def _asked(session: requests.Session, url: str) -> requests.Response:
    answer = session.get(url)
    answer.raise_for_status()
    return answer
