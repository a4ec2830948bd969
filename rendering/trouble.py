"""From errors to the states of pictures: what is wrong with one site stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from connectome.errors import (
    GraphicsError,
    MachineError,
    NotFoundError,
    OutsideVolumeError,
    ProofdeskError,
    ServiceError,
)
from rendering.meshes import StaleRootError
from rendering.picture import Picture, PictureState, failed_picture
from rendering.surfaces import BrokenMeshError, NotInViewError, PartialMeshError

__all__ = ["NoImageryError", "Trouble", "attempt"]

T = TypeVar("T")

_CHAIN = 10
"""How deep the cause of a graphics error is looked for."""


class NoImageryError(NotFoundError):
    """The datastack has no microscopy."""


@dataclass(frozen=True)
class Trouble:
    """Why something could not be made."""

    state: PictureState
    reason: str

    def picture(self, caption: str, nm_per_px: float) -> Picture:
        """Return the picture that is not there."""
        return failed_picture(caption, nm_per_px, self.state, self.reason)


_STATES: tuple[tuple[type[ProofdeskError], PictureState], ...] = (
    (NotInViewError, PictureState.NOT_IN_VIEW),
    (BrokenMeshError, PictureState.BROKEN_MESH),
    (PartialMeshError, PictureState.PARTIAL),
    (StaleRootError, PictureState.STALE),
    (OutsideVolumeError, PictureState.OUTSIDE),
    (NoImageryError, PictureState.NO_IMAGERY),
    (NotFoundError, PictureState.MISSING_MESH),
    (ServiceError, PictureState.UNREACHABLE),
    (MachineError, PictureState.NO_GRAPHICS),
)
"""First match wins: subclasses stand before their parents."""

_NO_ROOM = (
    "There is no room left in memory to draw these meshes.",
    "Close other programs, or choose a smaller field of view.",
)
_LOST = (
    "The graphics device of this machine was lost while Proofdesk ran.",
    "Start Proofdesk again; if it happens often, update the graphics driver.",
)


def attempt(make: Callable[[], T]) -> T | Trouble:
    """Return what was made, or why it could not be made.

    Whatever may succeed the second time has been tried twice before: the servers by
    `rendering.mesh_source`, the graphics device by `rendering.octarine_views`. Errors that
    do not belong to one site are raised.
    """
    try:
        return make()
    except MemoryError:
        return Trouble(PictureState.OUT_OF_MEMORY, " ".join(_NO_ROOM))
    except GraphicsError as error:
        return _graphics_trouble(error)
    except ProofdeskError as error:
        for kind, state in _STATES:
            if isinstance(error, kind):
                return Trouble(state, str(error))
        raise


def _graphics_trouble(error: GraphicsError) -> Trouble:
    """Tell a machine that never draws from one that has just stopped drawing."""
    for cause in _causes(error):
        # By name, because wgpu is loaded only where something is drawn.
        if isinstance(cause, MemoryError) or type(cause).__name__ == "GPUOutOfMemoryError":
            return Trouble(PictureState.OUT_OF_MEMORY, " ".join(_NO_ROOM))
        text = str(cause).lower()
        if "device is lost" in text or "device lost" in text or "devicelost" in text:
            # A new viewer would get the same lost device: pygfx has one per process.
            return Trouble(PictureState.DEVICE_LOST, " ".join(_LOST))
    return Trouble(PictureState.NO_GRAPHICS, str(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield what lies behind an error, the nearest first."""
    cause = error.__cause__
    for _ in range(_CHAIN):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__
