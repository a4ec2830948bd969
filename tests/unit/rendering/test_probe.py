"""What the machine can draw with."""

from __future__ import annotations

import pytest

from rendering.probe import probe_graphics


@pytest.mark.render
def test_the_probe_names_the_adapter() -> None:
    report = probe_graphics()
    assert report.works
    assert report.adapter
    assert report.backend
    assert report.reason == ""
