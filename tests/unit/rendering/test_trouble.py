"""What stops a picture becomes a state, and never a grey picture."""

from __future__ import annotations

import subprocess
import sys

import pytest

from connectome.errors import (
    AuthError,
    DatastackError,
    GraphicsError,
    MachineError,
    NotFoundError,
    OfflineError,
    OutsideVolumeError,
    ProofdeskError,
)
from rendering.meshes import StaleRootError
from rendering.picture import PictureState
from rendering.surfaces import BrokenMeshError, NotInViewError, PartialMeshError
from rendering.trouble import NoImageryError, Trouble, attempt


def trouble_of(error: Exception) -> Trouble:
    def fail() -> int:
        raise error

    found = attempt(fail)
    assert isinstance(found, Trouble)
    picture = found.picture("front", 1.0)
    assert picture.rgb is None
    assert not picture.ready
    return found


@pytest.mark.parametrize(
    ("error", "state", "retry"),
    [
        (NotInViewError("x"), PictureState.NOT_IN_VIEW, False),
        (BrokenMeshError("x"), PictureState.BROKEN_MESH, False),
        (PartialMeshError("x", (7,)), PictureState.PARTIAL, True),
        (StaleRootError("x"), PictureState.STALE, False),
        (OutsideVolumeError("x"), PictureState.OUTSIDE, False),
        (NoImageryError("x"), PictureState.NO_IMAGERY, False),
        (NotFoundError("x"), PictureState.MISSING_MESH, False),
        (OfflineError("x"), PictureState.UNREACHABLE, True),
        (AuthError("x"), PictureState.UNREACHABLE, True),
        (MachineError("x"), PictureState.NO_GRAPHICS, True),
        (MemoryError(), PictureState.OUT_OF_MEMORY, True),
    ],
)
def test_every_error_has_its_state(error: Exception, state: PictureState, retry: bool) -> None:
    found = trouble_of(error)
    assert found.state is state
    assert found.reason
    assert found.state.value != "ready"


def caused(error: ProofdeskError, cause: Exception) -> ProofdeskError:
    error.__cause__ = cause
    return error


class GPUOutOfMemoryError(RuntimeError):
    """As wgpu names it."""


def test_a_full_device_is_told_from_one_that_never_draws() -> None:
    for cause in (GPUOutOfMemoryError("Not enough memory left."), MemoryError()):
        found = trouble_of(caused(GraphicsError("Cannot be drawn."), cause))
        assert found.state is PictureState.OUT_OF_MEMORY
        assert "memory" in found.reason
    plain = trouble_of(caused(GraphicsError("Cannot be drawn."), RuntimeError("no adapter")))
    assert plain.state is PictureState.NO_GRAPHICS


def test_what_belongs_to_no_site_is_raised() -> None:
    with pytest.raises(DatastackError):
        trouble_of(DatastackError("x"))


_LOSE = """
import logging
logging.disable(logging.CRITICAL)
from rendering.octarine_views import octarine_views
from rendering.spec import RenderSpec
from rendering.surfaces import prepared, Surface
from rendering.trouble import attempt
from tests.unit.rendering.shapes import box_mesh
part = prepared(box_mesh((-50, -50, -50), (50, 50, 50))).crop((0, 0, 0), 100)
surface = Surface(part.positions, part.normals, part.faces)
spec = RenderSpec(half_extent_nm=100, size_px=32)
views = octarine_views()
drawn = attempt(lambda: views.draw([surface], spec))
import pygfx, sys
pygfx.renderers.wgpu.get_shared().device.destroy()
lost = attempt(lambda: views.draw([surface], spec))
sys.stdout.write(f"{type(drawn).__name__}|{lost.state}|{lost.reason}")
"""


@pytest.mark.render
def test_a_device_that_is_really_lost() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _LOSE], capture_output=True, text=True, timeout=180, check=True
    )
    drawn, state, reason = ran.stdout.split("|")
    assert drawn == "dict"
    assert state == PictureState.DEVICE_LOST
    assert "Start Proofdesk again" in reason
