"""Which specs fit a datastack.

Judges see what they were trained on, and people see more of the surroundings. The
extents of the four species are those that ConnectomeBench2 published; all extents are
half widths in nm.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from connectome.datastack import Datastack
from connectome.space import PointNm, Scale
from rendering.spec import EMSpec, RenderSpec

__all__ = [
    "PERSON_EM",
    "PERSON_RENDER",
    "PRESETS",
    "Framing",
    "Jitter",
    "Preset",
    "Specs",
    "preset_for",
    "preset_for_scale",
    "specs_for",
    "specs_for_scale",
]

PERSON_RENDER = RenderSpec(half_extent_nm=1250.0, size_px=384)
"""Views for people at 10 nm voxels."""
PERSON_EM = EMSpec(half_extent_nm=700.0, size_px=320)
"""Slices for people at 10 nm voxels."""


class Specs(NamedTuple):
    """Views for people, slices for judges, slices for people."""

    render: RenderSpec
    judge_em: EMSpec
    person_em: EMSpec


@dataclass(frozen=True)
class Preset:
    """How far pictures of a kind of dataset reach.

    Parameters
    ----------
    mesh_half_extents_nm : tuple of float
        Smallest and largest half width of views of meshes in training.
    em_half_extent_nm : float
        Half width of slices.
    jitter_nm : float
        Standard deviation of the centre along each axis in training.
    """

    name: str
    mesh_half_extents_nm: tuple[float, float]
    em_half_extent_nm: float
    jitter_nm: float = 300.0

    @property
    def mesh_half_extent_nm(self) -> float:
        """Half width of views of meshes where nothing is drawn at random: the middle."""
        low, high = self.mesh_half_extents_nm
        return (low + high) / 2


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("mouse", (5000.0, 10000.0), 1250.0),
        Preset("fly", (2000.0, 4000.0), 750.0),
        Preset("human", (6000.0, 12000.0), 1250.0),
        Preset("zebrafish", (2500.0, 5000.0), 750.0),
        # Nobody published any: expanded tissue is mouse, at its size before expansion.
        Preset("exm", (5000.0, 10000.0), 1250.0),
        # Cubes of a few micrometres at 10 nm: a wider view would be empty.
        Preset("small-volume", (1000.0, 1500.0), 700.0, jitter_nm=50.0),
    )
}
"""Published extents (ConnectomeBench2: the window of EM is twice the half extent)."""

# Words in the names of datastacks; the first that is found counts.
_NAMES = (
    ("exm", ("exm", "exllsm", "liconn", "expan")),
    ("zebrafish", ("fish1", "zebrafish", "zfish")),
    ("human", ("h01", "human")),
    ("fly", ("flywire", "fafb", "hemibrain", "manc", "banc", "fanc", "fly", "drosophila")),
    ("mouse", ("minnie", "microns", "pinky", "basil", "v1dd", "mouse")),
)
# A view that is wider than this share of the volume's longest edge is mostly empty.
_WIDEST_SHARE = 0.5


@dataclass(frozen=True)
class Framing:
    """What a picture shows: stored as it was used."""

    center_nm: PointNm
    half_extent_nm: float

    def record(self) -> dict[str, object]:
        """Return it ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Jitter:
    """A centre and an extent by chance, the same for the same seed.

    Parameters
    ----------
    seed : int
        What chance starts from.
    sigma_nm : float
        Standard deviation of the centre along each axis.
    """

    seed: int
    sigma_nm: float = 300.0

    def frame(
        self, center_nm: PointNm, half_extents_nm: tuple[float, float], sample: str = ""
    ) -> Framing:
        """Return where to look.

        Parameters
        ----------
        center_nm : tuple of float
            The point before chance moves it.
        half_extents_nm : tuple of float
            The range that the half extent is drawn from, evenly.
        sample : str
            What the picture is of, such as a site's id: each has its own draw, whatever
            was drawn before it.
        """
        digest = hashlib.sha256(f"{self.seed}:{sample}".encode()).digest()
        chance = random.Random(int.from_bytes(digest[:8], "big"))
        x, y, z = (value + chance.gauss(0.0, self.sigma_nm) for value in center_nm)
        return Framing((x, y, z), chance.uniform(*half_extents_nm))


def preset_for(datastack: Datastack) -> Preset:
    """Return the extents for a datastack, by its name where that tells the species.

    A volume too small for its species' views, and one with another name, goes by its
    voxels.
    """
    scale = datastack.segmentation.scales[0]
    named = _named(datastack.name)
    if named is None or not _fits(named, scale):
        return preset_for_scale(scale)
    return named


def preset_for_scale(scale: Scale) -> Preset:
    """Return the extents for a grid of voxels: those for 10 nm, larger for coarser ones.

    Views grow with the longest edge of a voxel (a neurite has to be followed over some
    sections), slices with the cube root of its volume.
    """
    x, y, z = scale.voxel_nm
    reach = max(max(x, y, z) / 10.0, 1.0)
    detail = max((x * y * z) ** (1 / 3) / 10.0, 1.0)
    small = PRESETS["small-volume"]
    if reach == 1.0:
        return small
    low, high = (_neat(extent * reach) for extent in small.mesh_half_extents_nm)
    em = _neat(small.em_half_extent_nm * detail)
    return Preset("by-voxel", (low, high), em, _neat(small.jitter_nm * reach))


def specs_for(datastack: Datastack) -> Specs:
    """Return views for people, slices for judges and slices for people."""
    return _specs(preset_for(datastack), datastack.segmentation.scales[0])


def specs_for_scale(scale: Scale) -> Specs:
    """Return the specs for a grid of voxels; see `preset_for_scale`.

    Judges' slices change only where a pixel would be finer than the finest edge: a judge
    answers for one spec and refuses others.
    """
    return _specs(preset_for_scale(scale), scale)


def _specs(preset: Preset, scale: Scale) -> Specs:
    finest = max(min(scale.voxel_nm) / 10.0, 1.0)
    judge = EMSpec()
    return Specs(
        replace(PERSON_RENDER, half_extent_nm=preset.mesh_half_extent_nm),
        replace(judge, half_extent_nm=_neat(judge.half_extent_nm * finest)),
        replace(PERSON_EM, half_extent_nm=preset.em_half_extent_nm),
    )


def _named(name: str) -> Preset | None:
    # Words count from their beginning: "butterfly" is no fly.
    words = re.split(r"[^a-z0-9]+", name.lower())
    for preset, beginnings in _NAMES:
        if any(word.startswith(beginnings) for word in words):
            return PRESETS[preset]
    return None


def _fits(preset: Preset, scale: Scale) -> bool:
    widest = max(scale.bounds_nm.size)
    return 2 * preset.mesh_half_extent_nm <= _WIDEST_SHARE * widest


def _neat(length_nm: float) -> float:
    """Return the length rounded to 10 nm, so that equal grids get equal hashes."""
    return 10.0 * round(length_nm / 10.0)
