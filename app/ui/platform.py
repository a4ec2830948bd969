"""What Qt and Chromium need to know about this machine, settled before they are loaded.

A missing screen or library makes Qt abort the process; here it becomes a
`GraphicsError` with a remedy. Nothing in this module imports PyQt6.
"""

from __future__ import annotations

import ctypes.util
import os
import socket
import sys
from collections.abc import MutableMapping
from pathlib import Path

from connectome.errors import GraphicsError

__all__ = ["SOFTWARE_FLAGS", "has_render_device", "prepare_platform", "screen_is_reachable"]

SOFTWARE_FLAGS = ("--disable-gpu-compositing", "--ignore-gpu-blocklist")
"""Chromium flags under which WebGL2 draws without a graphics card."""
_HEADLESS = frozenset({"offscreen", "minimal", "vnc"})
_CONNECT_SECONDS = 1.0


def prepare_platform(env: MutableMapping[str, str] | None = None) -> None:
    """Set the variables that QtWebEngine needs on this machine, and only those.

    Parameters
    ----------
    env : mapping, optional
        The environment to read and change; the process's own by default.

    Raises
    ------
    GraphicsError
        If there is no screen, or a library is missing without which Qt would abort.
    """
    env = os.environ if env is None else env
    if sys.platform != "linux":
        return
    headless = env.get("QT_QPA_PLATFORM", "").partition(":")[0] in _HEADLESS
    if not headless:
        _require_screen(env)
    flags = list[str]()
    if os.geteuid() == 0:
        # Chromium refuses to start as root with its sandbox.
        env.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
        flags.append("--no-sandbox")
    if headless or env.get("LIBGL_ALWAYS_SOFTWARE") == "1" or not has_render_device():
        flags.extend(SOFTWARE_FLAGS)
    _add_flags(env, flags)


def has_render_device(root: Path = Path("/dev")) -> bool:
    """Tell whether the kernel offers a graphics card to draw with."""
    patterns = ("dri/renderD*", "nvidia[0-9]*", "dxg")
    return any(os.access(node, os.R_OK | os.W_OK) for p in patterns for node in root.glob(p))


def screen_is_reachable(env: MutableMapping[str, str]) -> bool:
    """Tell whether the Wayland or X server that the environment names answers."""
    if wayland := env.get("WAYLAND_DISPLAY"):
        path = Path(env.get("XDG_RUNTIME_DIR", "/")) / wayland
        if _answers(socket.AF_UNIX, str(path)):
            return True
    host, colon, rest = env.get("DISPLAY", "").rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        return False
    if host not in ("", "unix"):
        return _answers(socket.AF_INET, (host, 6000 + int(number)))
    path_x = f"/tmp/.X11-unix/X{number}"
    return _answers(socket.AF_UNIX, path_x) or _answers(socket.AF_UNIX, "\0" + path_x)


def _answers(family: int, address: str | tuple[str, int]) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_SECONDS)
        try:
            client.connect(address)
        except OSError:
            return False
    return True


def _require_screen(env: MutableMapping[str, str]) -> None:
    if not screen_is_reachable(env):
        raise GraphicsError(
            "There is no screen to open a window on.",
            "Start Proofdesk in a desktop session, or set QT_QPA_PLATFORM=offscreen "
            "to run it without one.",
        )
    uses_x11 = env.get("QT_QPA_PLATFORM", "xcb").startswith("xcb")
    if uses_x11 and not env.get("WAYLAND_DISPLAY") and not ctypes.util.find_library("xcb-cursor"):
        raise GraphicsError(
            "The library libxcb-cursor is missing, without which Qt cannot open a window.",
            "Install it: sudo apt-get install libxcb-cursor0.",
        )


def _add_flags(env: MutableMapping[str, str], flags: list[str]) -> None:
    present = env.get("QTWEBENGINE_CHROMIUM_FLAGS", "").split()
    missing = [flag for flag in flags if flag not in present]
    if missing:
        env["QTWEBENGINE_CHROMIUM_FLAGS"] = " ".join([*present, *missing])
