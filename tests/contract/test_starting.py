"""Beginning with a server: the token it takes is kept once, where the CAVE tools look."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from app.services.preferences import Preferences, PreferencesStore
from app.services.starting import (
    cave_address,
    connect,
    precomputed_address,
    recent_sessions,
    remember,
)
from connectome.errors import AuthError, InputError, ServiceError
from connectome.offline.service import RunningService
from connectome.opening import open_datastack
from proofreading.session import Session
from tests.contract.volumes import NAME


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFDESK_HOME", str(tmp_path / "home"))


def token_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / ".cloudvolume" / "secrets").glob("*"))


def test_a_token_that_was_taken_is_kept_for_that_server(
    service: RunningService, tmp_path: Path
) -> None:
    address = cave_address(NAME, service.url)
    opened, words = connect(address, service.token)
    assert opened.address == address
    assert words.startswith(f"{NAME} answers.")
    (kept,) = token_files(tmp_path)
    assert json.loads(kept.read_text()) == {"token": service.token}
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    # The next start needs no token to be typed.
    open_datastack(address).close()


def test_what_else_stands_in_the_file_stays(service: RunningService, tmp_path: Path) -> None:
    address = cave_address(NAME, service.url)
    connect(address, service.token)
    (kept,) = token_files(tmp_path)
    kept.write_text(json.dumps({"token": "0" * 32, "other": "kept"}))
    connect(address, service.token)
    assert json.loads(kept.read_text()) == {"token": service.token, "other": "kept"}


def test_a_token_that_is_refused_is_not_kept(service: RunningService, tmp_path: Path) -> None:
    with pytest.raises(AuthError):
        connect(cave_address(NAME, service.url), "f" * 32)
    assert token_files(tmp_path) == []


def test_a_server_that_does_not_answer_is_said() -> None:
    with pytest.raises(ServiceError) as caught:
        connect(cave_address(NAME, "http://127.0.0.1:9"), "f" * 32)
    assert caught.value.hint


def test_nothing_typed_is_said() -> None:
    with pytest.raises(InputError, match="No datastack"):
        cave_address(" ", "https://example.org")
    with pytest.raises(InputError, match="No volume"):
        precomputed_address("precomputed://")
    assert precomputed_address("precomputed://gs://a/b") == "precomputed:gs://a/b"
    assert cave_address("minnie65_public", "") == "cave:minnie65_public"


def test_recent_sessions_say_what_they_are(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "monday.proofdesk"
    Session.open(path, datastack_name=NAME, datastack_address=str(folder)).close()
    store = PreferencesStore(tmp_path / "settings.json")
    remember(tmp_path / "gone.proofdesk", store)
    remember(path, store)
    found, gone = recent_sessions(store.read())
    assert (found.session, found.datastack, found.problem) == (path, NAME, "")
    assert found.used is not None
    assert gone.problem
    assert recent_sessions(Preferences()) == []
