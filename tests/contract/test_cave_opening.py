"""Whatever keeps a dataset from opening is one sentence with a remedy, and shows no token."""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectome.cave import transport
from connectome.cave.known import PUBLIC_SERVERS
from connectome.errors import (
    AuthError,
    DatastackError,
    EditRejectedError,
    NotFoundError,
    OfflineError,
    ProofdeskError,
    ServiceError,
)
from connectome.graph import GraphPoint, MergeRequest
from connectome.opening import open_datastack
from tests.contract.faults import NAME, Answer, FaultServer, drop, in_turn, say

TOKEN = "fedcba9876543210" * 2
HTML = {"Content-Type": "text/html"}
RECORD = f"/datastack/full/{NAME}"
PROXIES = [name for each in ("http", "https", "all", "no") for name in (f"{each}_proxy",)]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A person's token file, in the home that the tests are given."""
    folder = tmp_path / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "cave-secret.json").write_text(json.dumps({"token": TOKEN, "other": "kept"}))
    return folder


Refused = Callable[..., ProofdeskError]


@pytest.fixture
def refused(secrets: Path, caplog: pytest.LogCaptureFixture) -> Refused:
    """Return a function that opens an address and gives the error, checked for its form."""

    def opened(address: str, kind: type[ProofdeskError]) -> ProofdeskError:
        before = {path: path.read_bytes() for path in secrets.iterdir()}
        with caplog.at_level(logging.DEBUG), pytest.raises(kind) as caught:
            open_datastack(address)
        error = caught.value
        assert type(error) is kind
        assert error.message.endswith((".", "!", "?")) or ":" in error.message
        assert "\n" not in error.message
        assert error.hint
        assert TOKEN not in "".join(traceback.format_exception(error)) + caplog.text
        assert {path: path.read_bytes() for path in secrets.iterdir()} == before
        return error

    return opened


def address(server: FaultServer, name: str = NAME) -> str:
    return f"cave:{name}@{server.url}"


def test_a_dataset_opens_with_the_token_of_the_person(
    server: FaultServer, secrets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = {path: path.read_bytes() for path in secrets.iterdir()}
    with caplog.at_level(logging.DEBUG):
        datastack = open_datastack(address(server))
    shown = repr(datastack) + repr(datastack.graph) + repr(datastack.annotations)
    assert TOKEN not in shown + caplog.text + " ".join(server.targets)
    assert datastack.address == address(server)
    datastack.close()
    assert {path: path.read_bytes() for path in secrets.iterdir()} == before


def test_the_token_of_one_server_goes_before_that_of_all(
    server: FaultServer, secrets: Path, refused: Refused
) -> None:
    own = secrets / f"{server.url.removeprefix('http://')}-cave-secret.json"
    own.write_text("{}")
    error = refused(address(server), AuthError)
    assert str(own) in error.hint


def test_no_token(server: FaultServer, secrets: Path) -> None:
    (secrets / "cave-secret.json").unlink()
    with pytest.raises(AuthError, match="no CAVE token") as caught:
        open_datastack(address(server))
    assert f"{server.url}/sticky_auth/settings/tokens" in caught.value.hint
    assert str(secrets / "cave-secret.json") in caught.value.hint
    assert server.requests == []


@pytest.mark.parametrize("text", ["{", "[]", '"text"'])
def test_a_broken_token_file(
    server: FaultServer, secrets: Path, refused: Refused, text: str
) -> None:
    (secrets / "cave-secret.json").write_text(text)
    error = refused(address(server), AuthError)
    assert "cannot be read" in error.message


@pytest.mark.parametrize("token", [f"{TOKEN} {TOKEN}", f"{TOKEN}\x07", "tökén", 12345, ["x"]])
def test_what_is_no_token_is_neither_sent_nor_shown(
    server: FaultServer, secrets: Path, refused: Refused, token: object
) -> None:
    (secrets / "cave-secret.json").write_text(json.dumps({"token": token}))
    assert "is no token" in refused(address(server), AuthError).message
    assert server.requests == []


def test_white_space_around_a_token_is_forgiven(server: FaultServer, secrets: Path) -> None:
    (secrets / "cave-secret.json").write_text(json.dumps({"token": f" {TOKEN}\n"}))
    open_datastack(address(server)).close()


@pytest.mark.parametrize(
    ("answer", "kind", "says", "remedy"),
    [
        (say(401, {"error": "invalid_token"}), AuthError, "expired", "/settings/tokens"),
        (say(401, b"Invalid/Expired Token", **HTML), AuthError, "expired", "/settings/tokens"),
        (
            say(403, {"error": "missing_permission", "message": "Missing permission: view"}),
            AuthError, "Missing permission: view", "Ask the owners",
        ),
        (say(403, b"Missing permission: view for mouse", **HTML), AuthError, "mouse", "Ask"),
        (
            say(403, {"error": "missing_tos", "data": {"tos_form_url": "https://t.example/2"}}),
            AuthError, "terms of service", "https://t.example/2",
        ),
        (say(302, {}, Location="https://login.example/?token=x"), AuthError, "log in", "token"),
        (say(404, {"message": "nothing"}), NotFoundError, NAME, "spelling"),
        (say(500, {"message": "oops"}), ServiceError, "500", "later"),
        (say(503, b"<html>"), ServiceError, "503", "later"),
        (say(200, b"<html>hello</html>"), ServiceError, "understood", "CAVE server"),
        (say(200, {}), NotFoundError, "no record", "server"),
        (say(200, {"local_server": "https://x.example"}), ServiceError, "understood", "address"),
        (
            say(200, {"local_server": "http://x.example", "segmentation_source": "x/y"}),
            DatastackError, "not encrypted", "https",
        ),
        (drop, OfflineError, "does not answer", "network"),
    ],
)  # fmt: skip
def test_every_answer_that_is_no_dataset(
    server: FaultServer,
    refused: Refused,
    answer: Answer,
    kind: type[ProofdeskError],
    says: str,
    remedy: str,
) -> None:
    server.answers[RECORD] = answer
    error = refused(address(server), kind)
    assert says in error.message
    assert remedy in error.hint


def test_a_server_that_hangs(
    server: FaultServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "READ_SECONDS", 0.2)
    server.answers[RECORD] = server.hang
    assert "in time" in refused(address(server), OfflineError).message


def test_trouble_that_passes_is_waited_for(server: FaultServer, secrets: Path) -> None:
    found = say(200, server.record())
    server.answers[RECORD] = in_turn(drop, say(503, {}, **{"Retry-After": "0"}), found)
    open_datastack(address(server)).close()
    assert server.count(RECORD) == 3


def test_an_unknown_datastack_names_those_that_are_there(
    server: FaultServer, refused: Refused
) -> None:
    server.answers["/info/api/v2/datastacks"] = say(200, ["mouse", "fly"])
    error = refused(address(server, "mice"), NotFoundError)
    assert "'mice'" in error.message
    assert error.hint == "It has: fly, mouse."


def test_a_server_that_is_none_of_cave(server: FaultServer, refused: Refused) -> None:
    server.answers[RECORD] = say(404, b"<html>default backend</html>", **HTML)
    assert "no CAVE server" in refused(address(server), ServiceError).message


def test_nobody_listens(refused: Refused) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "does not answer" in refused(f"cave:x@127.0.0.1:{port}", OfflineError).message


def test_no_network_or_a_misspelt_name(refused: Refused) -> None:
    error = refused("cave:x@https://cave.invalid", OfflineError)
    assert "cannot be found" in error.message
    assert "spelling" in error.hint


@pytest.mark.parametrize("name", ["cave:x@http://cave.example", "cave:x@ftp://cave.example"])
def test_an_address_that_is_none_of_a_server(refused: Refused, name: str) -> None:
    refused(name, DatastackError)


def test_a_server_that_speaks_no_tls(server: FaultServer, refused: Refused) -> None:
    error = refused(f"cave:{NAME}@{server.url.replace('http', 'https')}", ServiceError)
    assert "No encrypted connection" in error.message
    assert server.requests == []


def test_a_server_that_cannot_prove_who_it_is(tmp_path: Path, refused: Refused) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path / "server.pem"))
    with FaultServer(context) as server:
        error = refused(address(server), ServiceError)
        assert "cannot prove" in error.message
        assert "REQUESTS_CA_BUNDLE" in error.hint
        assert server.requests == []


def test_a_proxy_that_is_not_there(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    error = refused("cave:x@https://cave.example", OfflineError)
    assert "proxy" in error.message
    assert "HTTPS_PROXY" in error.hint


def test_a_proxy_that_refuses(
    server: FaultServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    server.answers["cave.example:443"] = say(407, {"message": "who are you?"})
    assert "proxy" in refused("cave:x@https://cave.example", OfflineError).message
    assert {method for method, _, _ in server.requests} == {"CONNECT"}


def test_no_proxy_between_this_machine_and_itself(
    server: FaultServer, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    open_datastack(address(server)).close()


def test_public_datasets_need_no_server() -> None:
    with pytest.raises(DatastackError, match="minnie65_public, flywire_fafb_public") as caught:
        open_datastack("cave:minnie")
    assert "cave:minnie@SERVER" in caught.value.hint
    assert set(PUBLIC_SERVERS) == {
        "minnie65_public", "flywire_fafb_public", "h01_c3_flat", "fish1_full",
    }  # fmt: skip


def test_a_public_dataset_is_asked_at_its_server(
    server: FaultServer, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    for name, url in PUBLIC_SERVERS.items():
        assert url in refused(f"cave:{name}", OfflineError).message
    asked = {path for _, path, _ in server.requests}
    assert asked == {"global.daf-apis.com:443", "global.brain-wire-test.org:443"}


def test_an_account_that_may_only_look(server: FaultServer, secrets: Path) -> None:
    server.answers["/user/cache"] = say(200, {"id": 3, "permissions_v2": {NAME: ["view"]}})
    server.answers["/merge"] = say(403, b"Missing permission: edit for mouse", **HTML)
    datastack = open_datastack(address(server))
    assert datastack.graph is not None
    assert datastack.may_edit().allowed is False
    point = GraphPoint((1 << 56) | 1, (1.0, 2.0, 3.0))
    with pytest.raises(EditRejectedError, match="Missing permission: edit"):
        datastack.graph.merge(MergeRequest(point, point))
    datastack.close()


def test_a_redirect_takes_no_token_along(server: FaultServer, secrets: Path) -> None:
    datastack = open_datastack(address(server))
    assert datastack.graph is not None
    with FaultServer() as elsewhere:
        server.answers["/lineage_graph_multiple"] = say(302, {}, Location=elsewhere.url)
        with pytest.raises(AuthError, match="log in"):
            datastack.graph.lineage([(4 << 56) | 7])
        assert elsewhere.requests == []
    datastack.close()


def _self_signed(path: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody vouches for, and its key."""
    pytest.importorskip("cryptography", reason="no certificates can be made")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
