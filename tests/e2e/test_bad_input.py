"""Every bad input ends in one sentence with a remedy, never in a traceback."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app import cli

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Return a function that runs the command line and gives its exit code and messages."""
    monkeypatch.setenv("PROOFDESK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "1000")

    def call(*arguments: str | Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["proofdesk", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        out = capfd.readouterr()
        assert "Traceback" not in out.err
        return (code if isinstance(code, int) else 0), out.err

    return call


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Write a small datastack's volumes and return their folder."""
    rng = np.random.default_rng(0)
    labels = np.zeros((24, 24, 24), np.uint64)
    labels[:, :, :12], labels[:, :, 12:] = 1, 2
    np.save(tmp_path / "em.npy", rng.integers(0, 255, labels.shape, dtype=np.uint8))
    np.save(tmp_path / "seg.npy", labels)
    np.save(tmp_path / "short.npy", labels[:20])
    np.save(tmp_path / "float.npy", labels.astype(np.float32))
    np.savez(tmp_path / "two.npz", here=labels)
    huge = labels.copy()
    huge[0, 0, 0] = 2**63 + 1
    np.save(tmp_path / "huge.npy", huge)
    return tmp_path


def _ingest(
    folder: Path, *, seg: str = "seg.npy", res: tuple[str, ...] = ("8", "8", "8"), out: str = "out"
) -> list[str]:
    return [
        "ingest", "--em", str(folder / "em.npy"), "--segmentation", str(folder / seg),
        "--supervoxels", str(folder / seg), "--resolution", *res, "--name", "offline_bad",
        str(folder / out),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seg", "names"),
    [
        ("short.npy", "short.npy"),
        ("float.npy", "float.npy"),
        ("two.npz:missing", "missing"),
        ("huge.npy", "huge.npy"),
        ("absent.npy", "absent.npy"),
    ],
)
def test_a_volume_that_cannot_be_used(run: Run, volumes: Path, seg: str, names: str) -> None:
    code, message = run(*_ingest(volumes, seg=seg))
    assert code == 2
    assert names in message
    assert len([line for line in message.splitlines() if line.strip()]) == 2


def test_a_resolution_that_is_not_positive(run: Run, volumes: Path) -> None:
    code, message = run(*_ingest(volumes, res=("8", "0", "8")))
    assert code == 2
    assert "resolution" in message


def test_a_datastack_cut_off_half_way(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    manifest = volumes / "out" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["complete"] = False
    manifest.write_text(json.dumps(content))
    code, message = run("score", volumes / "out")
    assert code == 2
    assert "Run the same ingest command again" in message
    assert run(*_ingest(volumes))[0] == 0


def test_a_session_of_another_datastack(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    other = [word.replace("offline_bad", "offline_other") for word in _ingest(volumes, out="other")]
    assert run(*other)[0] == 0
    session = volumes / "s.proofdesk"
    assert run("detect", volumes / "out", "--session", session)[0] == 0
    code, message = run("detect", volumes / "other", "--session", session)
    assert code == 2
    assert "offline_bad" in message


def test_a_session_from_a_newer_version(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    session = volumes / "s.proofdesk"
    assert run("detect", volumes / "out", "--session", session)[0] == 0
    info = session / "session.json"
    content = json.loads(info.read_text())
    content["schema_version"] = 99
    info.write_text(json.dumps(content))
    code, message = run("judge", session)
    assert code == 2
    assert "newer" in message


def test_a_port_in_use(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, message = run("serve", volumes / "out", "--port", str(taken.getsockname()[1]))
    assert code == 3
    assert "port" in message.lower()


def test_no_screen(run: Run, volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(*_ingest(volumes))[0] == 0
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    code, message = run("open", volumes / "out", "--session", volumes / "w.proofdesk")
    assert code == 3
    assert "screen" in message


def test_no_model(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    session = volumes / "s.proofdesk"
    assert run("detect", volumes / "out", "--session", session)[0] == 0
    code, message = run("judge", session, "--model", "no-such-model")
    assert code == 3
    assert "no-such-model" in message


def test_an_address_that_is_none(run: Run, tmp_path: Path) -> None:
    code, message = run("detect", "nowhere", "--session", tmp_path / "s.proofdesk")
    assert code == 2
    assert "nowhere" in message


def test_the_automatic_lane_is_locked(run: Run, volumes: Path) -> None:
    assert run(*_ingest(volumes))[0] == 0
    session = volumes / "s.proofdesk"
    assert run("detect", volumes / "out", "--session", session)[0] == 0
    code, message = run("decide", session, "--accept-above", "0.9")
    assert code == 2
    assert "--unlock" in message
