"""What detection looks for."""

from __future__ import annotations

from dataclasses import dataclass

from proofreading.sites import SiteKind

__all__ = ["DEFAULT_KINDS", "OFF", "SKELETON_DETECTOR", "DetectionSettings"]

SKELETON_DETECTOR = "skeleton/1"
"""Name and version in the sites of tips and branch points."""

DEFAULT_KINDS = frozenset({SiteKind.CONTACT, SiteKind.BOTTLENECK, SiteKind.ENDPOINT})
"""The kinds that find more than as many random places do.

Measured on a fly FIB-SEM volume (fib25, 10 nm) segmented by a flood-filling network, beside
as many random skeleton vertices, at 100, 200 and 300 nm (`proofreading.detection.chance`):

- Contacts name 130 of 131 true split errors, in seconds and without skeletons.
- Tips lie at 94, 99 and 100 % of the split errors (chance 61, 79 and 86 %), and their first
  partner is the right one for 47 %. What they name a contact names too; they show where a
  neurite ends, which matters most where neurites end far from anything.
- Weak cuts lie at 7, 8 and 9 of the 11 places of merge errors (chance 2.0, 3.4 and 4.6),
  narrow places at 5, 6 and 8 (chance 1.3, 2.4 and 3.4). With so few errors the intervals
  are wide, and the limits below were looked at on the same errors.
- Borders between two somata were not measured: the volume holds no soma.
- Branch points lie at 4, 7 and 8 of these (chance up to 5, 7 and 8): no better than chance,
  so that junctions are found only where they are asked for.
"""

OFF: frozenset[str] = frozenset({"turn/1"})
"""Sharp turns lie at 1, 3 and 4 of the 11 places (chance up to 2, 3 and 5): chance."""


@dataclass(frozen=True)
class DetectionSettings:
    """How sites are found; a change of meaning needs a new version in a detector's name.

    Parameters
    ----------
    contact_nm : float
        Touching surface counts within the neurite's radius plus this from the tip.
    search_nm : float
        Half-width of the neighbourhood in which a tip's partners are sought, at most;
        for a thin neurite it reaches a little further than its touching surface.
    gap_nm : float
        Segments touch when no more than this much background lies between them.
    max_partners : int
        Partners kept for each endpoint.
    tangent_nm : float
        Length of neurite over which the direction of a tip is measured.
    same_tip_nm : float
        Tips (or branch points) of one segment nearer than this are one site.
    same_pair_nm : float
        The same two segments seen from both sides within this distance are one site.
    face_nm : float
        A tip leaves the volume when its segment meets a face of the volume within the
        neurite's radius plus this.
    working_voxel_nm : float
        Voxels finer than half of this are strided over.
    kinds : frozenset of SiteKind
        What becomes a site.
    min_contact_nm2, min_segment_nm3 : float
        Contacts of less area, or of a segment of less volume, become no sites.
    min_side_nm3 : float
        A cut leaves at least this volume on both sides.
    max_cut_openness : float
        A cut is weak up to this share of the openness of the volume's links on average.
    max_cut_narrowness : float
        Without microscopy: a cut is weak up to this area over smaller side to the 2/3.
    same_cut_nm : float
        Cuts of one segment nearer than this are one site.
    arm_nm, min_arm_nm : float
        Length of neurite on both sides of a vertex that is compared, and the least length.
    max_narrowing : float
        A vertex is narrow up to this share of the usual radius of its thinner arm.
    min_turn_cosine : float
        A neurite turns sharply from this cosine between its arms on (-1 is straight on).
    same_shape_nm : float
        Narrow (or sharp) places of one segment nearer than this are one site.
    soma_nm : float
        From this radius on a blob is a soma.
    off : frozenset of str
        Detectors that stay silent though their kind was chosen, by name.
    block_voxels : int
        Edge of the blocks in which a volume is read for its contacts; changes no site.
    max_voxels : int
        A larger volume is not read through for contacts unless a box is given.
    """

    contact_nm: float = 200.0
    search_nm: float = 450.0
    gap_nm: float = 30.0
    max_partners: int = 4
    tangent_nm: float = 300.0
    same_tip_nm: float = 200.0
    same_pair_nm: float = 150.0
    face_nm: float = 50.0
    working_voxel_nm: float = 10.0
    kinds: frozenset[SiteKind] = DEFAULT_KINDS
    min_contact_nm2: float = 0.0
    min_segment_nm3: float = 1e4
    min_side_nm3: float = 1e6
    max_cut_openness: float = 0.6
    max_cut_narrowness: float = 0.3
    same_cut_nm: float = 200.0
    arm_nm: float = 500.0
    min_arm_nm: float = 300.0
    max_narrowing: float = 0.8
    min_turn_cosine: float = 0.2
    same_shape_nm: float = 300.0
    soma_nm: float = 1500.0
    off: frozenset[str] = OFF
    block_voxels: int = 100
    max_voxels: int = 8_000_000_000
