"""A picture for a person, or the reason why there is none."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from rendering.record import PictureRecord

__all__ = ["Picture", "PictureState", "failed_picture", "png_bytes"]


class PictureState(StrEnum):
    """Whether a picture could be made, and if not, what stood in the way."""

    READY = "ready"
    MISSING_MESH = "missing-mesh"
    """A segment has no mesh."""
    BROKEN_MESH = "broken-mesh"
    """A mesh without faces, with NaN vertices or with faces that name no vertex."""
    PARTIAL = "partial"
    """A piece of a mesh is missing: what is there is drawn for a person, for no judge."""
    NOT_IN_VIEW = "not-in-view"
    """A segment of the pair does not reach into the field of view."""
    OUTSIDE = "outside"
    """The position lies outside the volume."""
    STALE = "stale"
    """A segment was replaced by an edit since the site was found."""
    NO_IMAGERY = "no-imagery"
    """The datastack has no microscopy."""
    NO_GRAPHICS = "no-graphics"
    """This machine cannot draw meshes."""
    DEVICE_LOST = "device-lost"
    """The graphics device was lost while the program ran; it does not come back to it."""
    OUT_OF_MEMORY = "out-of-memory"
    """The graphics device or the machine had no room for the meshes."""
    UNREACHABLE = "unreachable"
    """A server did not answer."""


_WORTH_A_RETRY = {
    PictureState.NO_GRAPHICS,
    PictureState.OUT_OF_MEMORY,
    PictureState.PARTIAL,
    PictureState.UNREACHABLE,
}


@dataclass(frozen=True)
class Picture:
    """A picture, or why it could not be made.

    Parameters
    ----------
    rgb : ndarray, shape (height, width, 3), uint8, or None
        The picture; None in every state but ``READY`` and, for people, ``PARTIAL``.
    caption : str
        What it shows, for a person.
    nm_per_px : float
        Edge length of a pixel in nm.
    reason : str
        Why there is no picture, or what is missing in it, with the remedy; empty when ready.
    record : PictureRecord or None
        How it was made; None where there is no picture.
    """

    rgb: NDArray[np.uint8] | None
    caption: str
    nm_per_px: float
    state: PictureState = PictureState.READY
    reason: str = ""
    record: PictureRecord | None = None

    def __post_init__(self) -> None:
        has_pixels = self.rgb is not None
        if self.state is not PictureState.PARTIAL and has_pixels != self.ready:
            raise InputError(
                f"The picture {self.caption!r} is {self.state} but its pixels say otherwise.",
                "Give pixels when it is ready; none in every state but ready and partial.",
            )

    @property
    def ready(self) -> bool:
        """Whether there is a picture and nothing is missing in it."""
        return self.state is PictureState.READY

    @property
    def retry(self) -> bool:
        """Whether making it again may help without anything else changing."""
        return self.state in _WORTH_A_RETRY


def failed_picture(caption: str, nm_per_px: float, state: PictureState, reason: str) -> Picture:
    """Return a picture that could not be made."""
    return Picture(None, caption, nm_per_px, state, reason)


def png_bytes(picture: Picture) -> bytes:
    """Return the picture as a PNG file.

    Raises
    ------
    InputError
        If there is no picture.
    """
    from PIL import Image

    if picture.rgb is None:
        raise InputError(f"There is no picture of {picture.caption}: {picture.reason}")
    buffer = io.BytesIO()
    # Level 1 is five times as fast as the default and a tenth larger.
    Image.fromarray(picture.rgb).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
