"""Pulling models over real HTTP: resumed, checked, and in words where something goes wrong."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from connectome.errors import (
    AuthError,
    InputError,
    ModelError,
    NotFoundError,
    OfflineError,
    ServiceError,
    StorageError,
)
from inference.models import hub_fetch
from inference.models.hub import offer_of, pull
from inference.models.hub_store import (
    HubFile,
    models_folder,
    pulled_folder,
    pulled_models,
    remove_model,
    verify_model,
)
from tests.hub_server import Hub, serving_hub

NAME = "owner/tiny-vl"
WEIGHTS = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("PROOFDESK_HOME", str(tmp_path / "home"))
    files = {
        "config.json": b"{}",
        "model.safetensors": WEIGHTS,
        "LICENSE": b"Do what is right.",
        "empty.txt": b"",
        "pytorch_model.bin": b"could run code",
        "modeling.py": b"runs code",
    }
    with serving_hub(Hub(files)) as made:
        yield made


def _nothing(name: str, share: float) -> None:
    assert name
    assert 0 <= share <= 1


def _pull(hub: Hub) -> Path:
    return pull(offer_of(NAME, endpoint=hub.address), _nothing).folder


def _lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(hub_fetch, "_open", refuse)


def test_a_model_is_offered_with_its_licence_and_pulled_whole(hub: Hub) -> None:
    offer = offer_of(NAME, endpoint=hub.address)
    assert offer.licence_text == "Do what is right."
    assert offer.plan.licence == "apache-2.0 https://example.org/licence"
    names = [file.name for file in offer.plan.files]
    assert names == ["LICENSE", "config.json", "empty.txt", "model.safetensors"]
    assert not models_folder().exists()

    shares: list[float] = []
    pulled = pull(offer, lambda _, share: shares.append(share))
    assert pulled.missing == ()
    assert (pulled.folder / "model.safetensors").read_bytes() == WEIGHTS
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not list(pulled.folder.glob("*.part"))
    assert pulled_folder(NAME) == pulled.folder
    assert verify_model(NAME, _nothing) == []
    before = len(hub.asked)
    _pull(hub)
    assert [path for path, _ in hub.asked[before:]] == [f"/{NAME}/resolve/{'c' * 40}/LICENSE"]


def test_cut_connections_are_gone_on_with(hub: Hub) -> None:
    hub.cut_after = 70_000
    folder = _pull(hub)
    assert (folder / "model.safetensors").read_bytes() == WEIGHTS
    ranges = [range_ for path, range_ in hub.asked if path.endswith("model.safetensors")]
    assert ranges == ["", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"]


def test_a_server_without_ranges_begins_again_and_one_that_always_cuts_is_given_up(
    hub: Hub,
) -> None:
    hub.honours_ranges, hub.cut_after = False, 70_000
    with pytest.raises(OfflineError, match=r"lost while model\.safetensors") as found:
        _pull(hub)
    assert "0.1 of 0.3 MB are kept" in found.value.hint
    hub.cut_after = None
    assert (_pull(hub) / "model.safetensors").read_bytes() == WEIGHTS


def test_a_pull_that_was_ended_goes_on_and_says_offline_what_is_missing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = offer_of(NAME, endpoint=hub.address)

    def interrupted(name: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(offer, interrupted)
    (kept,) = pulled_models()
    partial = kept.folder / "model.safetensors.part"
    partial.write_bytes(WEIGHTS[:100_000])
    assert "model.safetensors" in kept.missing
    assert pulled_folder(NAME) is None
    with monkeypatch.context() as patch:
        _lost(patch)
        with pytest.raises(OfflineError, match="cannot be reached") as found:
            offer_of(NAME, endpoint=hub.address)
    assert "Still missing here: 4 files" in found.value.hint
    assert "model.safetensors" in found.value.hint
    _pull(hub)
    assert ("bytes=100000-") in [range_ for _, range_ in hub.asked]
    assert verify_model(NAME, _nothing) == []


def test_wrong_bytes_never_come_into_place(hub: Hub) -> None:
    offer = offer_of(NAME, endpoint=hub.address)
    hub.lies = True
    with pytest.raises(ModelError, match="not the one it announced"):
        pull(offer, _nothing)
    (kept,) = pulled_models()
    assert "LICENSE" in kept.missing
    assert not list(kept.folder.glob("LICENSE*"))
    hub.lies = False
    pull(offer, _nothing)
    # What was begun with other bytes fails its hash, is removed, and comes whole the next time.
    path = kept.folder / "model.safetensors"
    path.unlink()
    path.with_name("model.safetensors.part").write_bytes(b"x" * 100_000)
    with pytest.raises(ModelError, match="not the one it announced"):
        pull(offer, _nothing)
    pull(offer, _nothing)
    assert path.read_bytes() == WEIGHTS


def test_short_troubles_of_the_hub_are_waited_out_and_refusals_are_told(hub: Hub) -> None:
    offer = offer_of(NAME, endpoint=hub.address)
    hub.failures = 3
    assert pull(offer, _nothing).missing == ()
    for status, error in ((401, AuthError), (404, NotFoundError), (500, ServiceError)):
        hub.status = status
        with pytest.raises(error):
            offer_of("owner/other", endpoint=hub.address)


def test_a_full_disk_is_told_before_and_in_between(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = offer_of(NAME, endpoint=hub.address)
    usage = shutil.disk_usage(Path.cwd())
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(StorageError, match="GB more, but the disk"):
            pull(offer, _nothing)

    def full(answer: Any, target: Any, begin: int, file: HubFile, report: object) -> None:
        target.write(answer.read(10))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(hub_fetch, "_copy", full)
        with pytest.raises(StorageError, match="disk is full") as found:
            pull(offer, _nothing)
    assert "goes on where it was cut off" in found.value.hint
    assert pull(offer, _nothing).missing == ()


def test_damage_is_found_and_a_model_can_be_removed(hub: Hub) -> None:
    folder = _pull(hub)
    weights = folder / "model.safetensors"
    weights.write_bytes(WEIGHTS[:-1] + b"\0")
    (folder / "config.json").unlink()
    wrong = verify_model(NAME, _nothing)
    assert wrong == [
        "config.json is missing",
        "model.safetensors is not what it was when its model was published",
    ]
    assert remove_model(NAME) > 300_000
    assert not folder.exists()
    with pytest.raises(ModelError, match="was not pulled"):
        verify_model(NAME, _nothing)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "a\\b", "C:x", "pulled.json"]
)
def test_names_that_leave_the_folder_are_refused(hub: Hub, name: str) -> None:
    hub.files[f"{name}.json" if not name.endswith(".json") else name] = b"{}"
    with pytest.raises(ServiceError, match="cannot be understood"):
        offer_of(NAME, endpoint=hub.address)


@pytest.mark.parametrize("address", ["http://hub.example.org", "ftp://x", "https://u:p@x", "x"])
def test_only_safe_addresses_are_asked(address: str) -> None:
    with pytest.raises(InputError, match="no address of a hub"):
        offer_of(NAME, endpoint=address)


@pytest.mark.parametrize("name", ["tiny", "a/b/c", "../x", "a/..", "a b/c"])
def test_only_ids_are_asked_for(name: str) -> None:
    with pytest.raises(InputError, match="no id of a model"):
        offer_of(name, endpoint="https://hub.example.org")


def test_a_model_without_safe_weights_is_refused(hub: Hub) -> None:
    del hub.files["model.safetensors"]
    with pytest.raises(ModelError, match="no weights as safetensors"):
        offer_of(NAME, endpoint=hub.address)


class Said(NamedTuple):
    code: int
    told: Any


def _run(*words: str, answer: str | None = None) -> Said:
    found = CliRunner().invoke(app, ["models", *words, "--json"], input=answer)
    lines = [line for line in found.stdout.splitlines() if line.startswith("{")]
    return Said(found.exit_code, json.loads(lines[-1]) if lines else None)


def test_the_commands(hub: Hub) -> None:
    refused = _run("pull", NAME, "--hub", hub.address, answer="n\n")
    assert refused == Said(1, None)
    assert not models_folder().exists()
    assert _run("pull", NAME, "--hub", hub.address, "--yes").code == 0
    listed = _run("list").told["models"]
    assert {row["kind"] for row in listed} == {"bundled", "pulled"}
    assert next(row for row in listed if row["kind"] == "pulled")["missing"] == []
    assert _run("verify", NAME) == Said(0, {"id": NAME, "ok": True, "wrong": []})
    (models_folder() / "owner--tiny-vl" / "config.json").unlink()
    assert _run("verify", NAME).code == 3
    assert _run("remove", NAME, answer="n\n").code == 1
    assert _run("remove", NAME, "--yes").code == 0
    assert not any(row["kind"] == "pulled" for row in _run("list").told["models"])
