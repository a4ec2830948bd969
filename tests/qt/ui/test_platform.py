"""What is settled before Qt is loaded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.ui import platform
from app.ui.platform import SOFTWARE_FLAGS, has_render_device, prepare_platform
from connectome.errors import GraphicsError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="about Linux")


def test_no_screen_is_a_sentence_with_a_remedy() -> None:
    with pytest.raises(GraphicsError, match="no screen") as caught:
        prepare_platform({})
    assert "QT_QPA_PLATFORM=offscreen" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_screen_that_does_not_answer_is_none(tmp_path: Path) -> None:
    gone = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": "wayland-7", "DISPLAY": ":9987"}
    with pytest.raises(GraphicsError):
        prepare_platform(gone)
    with pytest.raises(GraphicsError):
        prepare_platform({"DISPLAY": "nonsense"})


def test_a_wayland_screen_that_answers_is_one(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-0"))
        server.listen()
        env = {"XDG_RUNTIME_DIR": str(tmp_path), "WAYLAND_DISPLAY": "wayland-0"}
        assert platform.screen_is_reachable(env)
        prepare_platform(env)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "screen_is_reachable", lambda _env: True)
    monkeypatch.setattr("ctypes.util.find_library", lambda _name: None)
    with pytest.raises(GraphicsError, match="libxcb-cursor") as caught:
        prepare_platform({"DISPLAY": ":0"})
    assert "libxcb-cursor0" in caught.value.hint


def test_flags_for_software_drawing_are_added_to_the_person_s_own() -> None:
    env = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": "--mine"}
    prepare_platform(env)
    flags = env["QTWEBENGINE_CHROMIUM_FLAGS"].split()
    assert flags[0] == "--mine"
    assert set(SOFTWARE_FLAGS) <= set(flags)
    before = dict(env)
    prepare_platform(env)
    assert env == before


@pytest.mark.parametrize("root", [True, False])
def test_a_desktop_with_a_graphics_card_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, root: bool
) -> None:
    monkeypatch.setattr(platform, "screen_is_reachable", lambda _env: True)
    monkeypatch.setattr(platform, "has_render_device", lambda: True)
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    env = {"WAYLAND_DISPLAY": "wayland-0"}
    prepare_platform(env)
    expected = {"WAYLAND_DISPLAY": "wayland-0"}
    if root:  # Chromium refuses to start as root with its sandbox.
        expected["QTWEBENGINE_DISABLE_SANDBOX"] = "1"
        expected["QTWEBENGINE_CHROMIUM_FLAGS"] = "--no-sandbox"
    assert env == expected


def test_a_render_device_is_found_by_its_node(tmp_path: Path) -> None:
    assert not has_render_device(tmp_path)
    (tmp_path / "dri").mkdir()
    (tmp_path / "dri" / "renderD128").touch()
    assert has_render_device(tmp_path)


RUN = """
import sys
from pathlib import Path
from app.ui.application import run_window
assert not any(name.startswith("PyQt6") for name in sys.modules)
from connectome.errors import ProofdeskError
try:
    from tests.qt.ui.fakes import FakeWorkbench
    status = run_window(lambda post: FakeWorkbench(), title="t", screenshot_to=Path(sys.argv[1]))
except ProofdeskError as error:
    sys.stderr.write(str(error))
    status = error.exit_code
sys.exit(status)
"""


def run_program(path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    clean.pop("QT_QPA_PLATFORM", None)
    clean.pop("QTWEBENGINE_CHROMIUM_FLAGS", None)
    return subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        env={**clean, "XDG_CONFIG_HOME": str(path.parent), **env},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_program_without_a_screen_ends_with_a_sentence(tmp_path: Path) -> None:
    done = run_program(tmp_path / "shot.png", {})
    assert done.returncode == 3
    assert "no screen" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_program_paints_its_window_and_ends(tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    done = run_program(shot, {"QT_QPA_PLATFORM": "offscreen"})
    assert done.returncode == 0, done.stderr
    assert shot.stat().st_size > 20_000
    assert "still not deleted" not in done.stderr
    assert (tmp_path / "proofdesk" / "window.ini").exists()
