"""The command that draws the window refuses what it does not know before it starts a window."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("PyQt6.QtWebEngineWidgets", reason="the gui extra is not installed")

from app.cli import app
from app.ui.gallery import SCENES


def test_an_unknown_scene_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["screenshots", "--scene", "noon", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert "There is no scene 'noon'" in done.output
    assert not list(tmp_path.iterdir())


def test_the_scenes_cover_appearances_and_sizes() -> None:
    pixels = {tuple(round(side * scene.scale) for side in scene.size) for scene in SCENES.values()}
    assert {(1280, 720), (3840, 2160)} <= pixels
    assert {scene.light for scene in SCENES.values()} == {True, False}
    assert any(scene.whole for scene in SCENES.values())
