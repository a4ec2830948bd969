"""Where tests find real volumes; they skip with a reason where there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_data(name: str) -> Path:
    """Return the path of a real data set, or skip the test."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real volume {name!r} is not on this machine")
    return path
