"""From what requests and caveclient raise to the errors of Proofdesk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from connectome.errors import (
    AuthError,
    EditRejectedError,
    EditUnknownError,
    NotFoundError,
    OfflineError,
    ProofdeskError,
    ServiceError,
)

__all__ = ["editing", "reading"]

_REJECTED = frozenset({400, 401, 403})


@contextmanager
def reading(server: str, what: str) -> Iterator[None]:
    """Translate the failures of a read; ``what`` completes "could not be read"."""
    try:
        yield
    except ProofdeskError:
        raise
    except requests.HTTPError as error:
        raise _status_error(error, server, what) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise OfflineError(
            f"The server {server} does not answer.",
            "Check the network connection and the server's address, then try again.",
        ) from error
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise ServiceError(
            f"The answer of {server} about {what} could not be understood.",
            "Check that the address is that of a CAVE server.",
        ) from error


@contextmanager
def editing(server: str) -> Iterator[None]:
    """Translate the failures of an edit: certainly not applied, or unknown."""
    try:
        yield
    except ProofdeskError:
        raise
    except requests.HTTPError as error:
        status = None if error.response is None else error.response.status_code
        if status in _REJECTED:
            text = _server_text(error.response)
            raise EditRejectedError(f"The server refused the edit: {text}") from error
        raise _unknown(f"The server {server} answered the edit with status {status}.") from error
    except Exception as error:
        # Whatever else goes wrong after sending, a broken answer included, leaves it open
        # whether the edit was applied; letting it pass as another error would invite a retry.
        raise _unknown(f"The answer to the edit from {server} is missing or unclear.") from error


def _unknown(message: str) -> EditUnknownError:
    return EditUnknownError(
        message, "Do not send it again: the roots on the server tell whether it was applied."
    )


def _status_error(error: requests.HTTPError, server: str, what: str) -> ServiceError:
    status = None if error.response is None else error.response.status_code
    text = _server_text(error.response)
    if status == 401:
        return AuthError(
            f"The server {server} does not accept the CAVE token.",
            f"Get a new token at {server}/sticky_auth/settings/tokens and save it.",
        )
    if status == 403:
        return AuthError(
            f"Your CAVE account may not read {what}: {text}",
            "Ask the owners of the dataset for the permission.",
        )
    if status in (400, 404):
        return NotFoundError(f"The server {server} does not know {what}: {text}")
    return ServiceError(
        f"The server {server} answered with status {status} when asked for {what}.",
        "Try again later.",
    )


def _server_text(response: requests.Response | None) -> str:
    """Return the sentence in an error's body."""
    if response is None:
        return "no reason given."
    try:
        body = json.loads(response.content)
    except ValueError:
        return response.text[:200] or f"status {response.status_code}."
    if isinstance(body, dict):
        return str(body.get("message") or body.get("error") or f"status {response.status_code}.")
    return f"status {response.status_code}."
