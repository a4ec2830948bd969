"""From what requests and caveclient raise to the errors of Proofdesk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from urllib3.exceptions import NameResolutionError

from connectome.errors import (
    AuthError,
    EditRejectedError,
    EditUnknownError,
    NotFoundError,
    OfflineError,
    ProofdeskError,
    ServiceError,
)

__all__ = ["editing", "previewing", "reading", "server_text", "writing"]

_REJECTED = frozenset({400, 401, 403})
_ROW_REJECTED = _REJECTED | {413, 422}
_CHAIN = 10
"""How deep the cause of a lost connection is looked for."""


@contextmanager
def reading(server: str, what: str, login_server: str = "") -> Iterator[None]:
    """Translate the failures of a read; ``what`` completes "could not be read".

    Parameters
    ----------
    server : str
        The server that is asked.
    what : str
        What it is asked for.
    login_server : str
        The server that gives tokens, where that is another one.
    """
    try:
        yield
    except ProofdeskError:
        raise
    except requests.HTTPError as error:
        raise _status_error(error, server, what, login_server or server) from error
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _connection_error(error, server) from error
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise ServiceError(
            f"The answer of {server} about {what} could not be understood.",
            "Check that the address is that of a CAVE server.",
        ) from error


@contextmanager
def previewing(server: str, login_server: str = "") -> Iterator[None]:
    """Translate the failures of a preview: a read, that may also say that there is no cut.

    A preview changes nothing, so its 500 with a sentence of the graph (production's word
    for "no cut was found") is as certain as a 400.
    """
    with reading(server, "the preview of the cut", login_server):
        try:
            yield
        except requests.HTTPError as error:
            response = error.response
            if response is not None and response.status_code in (400, 500):
                sentence = _message(response)
                if sentence:
                    raise EditRejectedError(f"The server found no cut: {sentence}") from error
            raise


@contextmanager
def editing(server: str) -> Iterator[None]:
    """Translate the failures of an edit: certainly not applied, or unknown."""
    hint = "Do not send it again: the roots on the server tell whether it was applied."
    with _sending(server, "the edit", _REJECTED, hint):
        yield


@contextmanager
def writing(server: str) -> Iterator[None]:
    """Translate the failures of writing a row: certainly not written, or unknown."""
    # The annotation engine checks size and schema before it writes; its 404 may mean anything.
    hint = "Do not send it again: the rows of the table tell whether it was written."
    with _sending(server, "the row", _ROW_REJECTED, hint):
        yield


@contextmanager
def _sending(server: str, what: str, rejected: frozenset[int], hint: str) -> Iterator[None]:
    try:
        yield
    except ProofdeskError:
        raise
    except requests.HTTPError as error:
        status = None if error.response is None else error.response.status_code
        if status in rejected:
            text = server_text(error.response)
            raise EditRejectedError(f"The server refused {what}: {text}") from error
        raise EditUnknownError(
            f"The server {server} answered {what} with status {status}.", hint
        ) from error
    except Exception as error:
        # Whatever else goes wrong after sending, a broken answer included, leaves it open
        # whether it was applied; letting it pass as another error would invite a retry.
        raise EditUnknownError(
            f"The answer to {what} from {server} is missing or unclear.", hint
        ) from error


def _status_error(
    error: requests.HTTPError, server: str, what: str, login_server: str
) -> ServiceError:
    status = None if error.response is None else error.response.status_code
    text = server_text(error.response)
    if status == 401:
        return AuthError(
            f"The server {server} does not accept the CAVE token: it is wrong or has expired.",
            f"Get a new token at {login_server}/sticky_auth/settings/tokens and save it.",
        )
    if status == 403:
        return AuthError(
            f"Your CAVE account may not read {what}: {text}",
            "Ask the owners of the dataset for the permission.",
        )
    if status in (400, 404):
        return NotFoundError(
            f"The server {server} does not know {what}: {text}",
            "Check that it belongs to this datastack, and that the server offers it.",
        )
    return ServiceError(
        f"The server {server} answered with status {status} when asked for {what}.",
        "The server is in trouble; try again later.",
    )


def _connection_error(error: requests.RequestException, server: str) -> ServiceError:
    """Tell apart what a person can do something about."""
    if isinstance(error, requests.exceptions.ProxyError):
        return OfflineError(
            f"The proxy between this machine and {server} does not let the request through.",
            "Check HTTPS_PROXY; NO_PROXY names servers to be reached without it.",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return _identity_error(error, server)
    if _caused_by(error, NameResolutionError):
        return OfflineError(
            f"The server {server} cannot be found from here.",
            "Check the network connection and the spelling of the address.",
        )
    if isinstance(error, requests.ReadTimeout):
        return OfflineError(f"The server {server} did not answer in time.", "Try again later.")
    return OfflineError(
        f"The server {server} does not answer.",
        "Check the network connection and the server's address, then try again.",
    )


def _identity_error(error: requests.exceptions.SSLError, server: str) -> ServiceError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ServiceError(
            f"The server {server} cannot prove that it is the one it claims to be.",
            "Check the address and this machine's clock; behind a proxy that opens TLS, set "
            "REQUESTS_CA_BUNDLE to the file with its certificate.",
        )
    return ServiceError(
        f"No encrypted connection to {server} can be made.",
        "Check the address and the port: something else than a CAVE server may listen there.",
    )


def _caused_by(error: BaseException, kind: type[BaseException]) -> bool:
    """Tell whether an error of this kind lies behind this one."""
    cause: object = error
    for _ in range(_CHAIN):
        if isinstance(cause, kind):
            return True
        if not isinstance(cause, BaseException):
            return False
        # requests and urllib3 keep what happened as an argument or as `reason`.
        inner = getattr(cause, "reason", None) or next(
            (part for part in cause.args if isinstance(part, BaseException)), None
        )
        cause = inner or cause.__cause__ or cause.__context__
    return False


def server_text(response: requests.Response | None) -> str:
    """Return the sentence in an error's body."""
    if response is None:
        return "no reason given."
    body = _json(response)
    if isinstance(body, dict):
        sentence = body.get("message") or body.get("error")
        return str(sentence or f"status {response.status_code}.")
    plain = response.headers.get("content-type", "").startswith("text/plain")
    if body is None and (plain or "<" not in response.text[:200]):
        return response.text[:200].strip() or f"status {response.status_code}."
    return f"status {response.status_code}."


def _message(response: requests.Response) -> str:
    body = _json(response)
    return str(body.get("message") or "") if isinstance(body, dict) else ""


def _json(response: requests.Response) -> object:
    try:
        return json.loads(response.content)
    except ValueError:
        return None
