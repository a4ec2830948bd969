"""From errors to the states of pictures: what is wrong with one site stops no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from connectome.errors import (
    MachineError,
    NotFoundError,
    OutsideVolumeError,
    ProofdeskError,
    ServiceError,
)
from rendering.picture import Picture, PictureState, failed_picture
from rendering.surfaces import BrokenMeshError, NotInViewError

__all__ = ["NoImageryError", "Trouble", "attempt"]

T = TypeVar("T")


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
    (OutsideVolumeError, PictureState.OUTSIDE),
    (NoImageryError, PictureState.NO_IMAGERY),
    (NotFoundError, PictureState.MISSING_MESH),
    (ServiceError, PictureState.UNREACHABLE),
    (MachineError, PictureState.NO_GRAPHICS),
)
"""First match wins: subclasses stand before their parents."""


def attempt(make: Callable[[], T]) -> T | Trouble:
    """Return what was made, or why it could not be made.

    Errors that do not belong to one site are raised.
    """
    try:
        return make()
    except ProofdeskError as error:
        for kind, state in _STATES:
            if isinstance(error, kind):
                return Trouble(state, str(error))
        raise
