"""What detection looks for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DetectionSettings"]


@dataclass(frozen=True)
class DetectionSettings:
    """How sites are found; a change of meaning needs a new `version`.

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
    junctions : bool
        Whether branch points become sites.
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
    junctions: bool = True
    version: int = 1

    @property
    def detector(self) -> str:
        """Name and version that stand in every site."""
        return f"skeleton/{self.version}"
