"""What decides the numbers that are measured on a pair of segments."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

__all__ = ["FeatureSpec"]


@dataclass(frozen=True)
class FeatureSpec:
    """Every length of the pair features, in nm; nothing is measured in voxels.

    All is seen within `reach_nm` of the contact's middle, so a cutout of that size gives
    the numbers that the whole volume gives.

    Parameters
    ----------
    version : int
        Goes up whenever the same lengths give other numbers.
    gap_nm : float
        Unassigned voxels this near to a segment count as the segment.
    contact_nm : float
        Radius around the contact's middle in which its surface is looked at.
    spots : int
        Places of the surface that are looked at, spread evenly over its faces.
    smoothing_nm : tuple of float
        Standard deviations of the Gaussians that smooth the microscopy.
    membrane_nm : float
        Half the window of the grey closing that finds dark and thin structures.
    normal_nm : float
        Radius of the ball that tells which way a spot of the surface faces.
    profile_nm, profile_step_nm : float
        How far, and in which steps, the grey is read along the normal on both sides.
    pooled_nm : float
        Spots nearer than this are averaged where the weakest place is looked for.
    ray_nm, ray_step_nm : float
        How far, and in which steps, a segment is followed inwards from the contact.
    balls_nm : tuple of float
        Radii of the balls in which shapes are measured.
    ball_steps : int
        Sampling steps per radius of a ball.
    disc_nm, disc_step_nm : float
        Radius and sampling of the cross-sections parallel to the contact.
    disc_offsets_nm : tuple of float
        Distances of the cross-sections from the contact.
    """

    version: int = 1
    gap_nm: float = 30.0
    contact_nm: float = 300.0
    spots: int = 64
    smoothing_nm: tuple[float, float] = (8.0, 20.0)
    membrane_nm: float = 22.0
    normal_nm: float = 50.0
    profile_nm: float = 80.0
    profile_step_nm: float = 10.0
    pooled_nm: float = 60.0
    ray_nm: float = 300.0
    ray_step_nm: float = 20.0
    balls_nm: tuple[float, ...] = (150.0, 300.0, 600.0)
    ball_steps: int = 8
    disc_nm: float = 240.0
    disc_step_nm: float = 20.0
    disc_offsets_nm: tuple[float, ...] = (40.0, 80.0, 160.0, 240.0)

    @property
    def looked_at_nm(self) -> float:
        """Radius around the contact's middle that holds every place that is looked at."""
        surface = self.contact_nm + max(self.profile_nm, self.ray_nm, self.normal_nm)
        disc = 2**0.5 * self.disc_nm + max(self.disc_offsets_nm)
        # A ball's lattice is a cube; what lies outside the ball is not counted.
        return float(max(surface, disc, 3**0.5 * max(self.balls_nm)))

    @property
    def reach_nm(self) -> float:
        """Radius around the contact's middle that holds all that a number depends on."""
        filters = 4 * max(self.smoothing_nm) + 2 * self.membrane_nm
        microscopy = max(self.contact_nm + self.profile_nm, *self.balls_nm[:2]) + filters
        sections = (self.disc_nm**2 + max(self.disc_offsets_nm) ** 2) ** 0.5
        shapes = max(self.contact_nm + self.ray_nm, sections, *self.balls_nm) + self.gap_nm
        return float(max(microscopy, shapes))

    @property
    def hash(self) -> str:
        """16 hexadecimal digits over every field."""
        packed = json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()
        return hashlib.blake2b(packed, digest_size=8).hexdigest()
