"""Qt without a screen: the environment is settled before PyQt6 is imported anywhere."""

from __future__ import annotations

import os

_SETTINGS = {
    "QT_QPA_PLATFORM": "offscreen",
    "QTWEBENGINE_DISABLE_SANDBOX": "1",
    "QTWEBENGINE_CHROMIUM_FLAGS": "--no-sandbox --disable-gpu-compositing --ignore-gpu-blocklist",
}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)

import pytest  # noqa: E402

# QtWebEngine must be loaded before pytest-qt makes the application.
pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")
