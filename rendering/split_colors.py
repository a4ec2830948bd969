"""The two sides of a proposed split, each in its colour, on level-2 meshes.

A cut runs between supervoxels; meshes exist per level-2 node. Where a node holds
supervoxels of both sides, its mesh is bisected by a plane:

- The *outer vertices* of a side are those vertices of the side's own (unshared) meshes
  that lie within ``touch_nm`` of a vertex of the shared mesh; where there is none, those
  within ``touch_nm`` of being the nearest; where the side has no mesh of its own, the
  point that was given for the side.
- The plane is orthogonal to the vector between the centroids of the two sides' outer
  vertices, and passes through the middle of that vector.

Triangles that the plane crosses are cut along it, so the sides together are exactly
the mesh. Swapping the sides swaps what is in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from connectome.errors import InputError
from connectome.space import PointNm
from rendering.spec import COLOR_A, COLOR_B, COLOR_NEIGHBOUR
from rendering.surfaces import Surface

__all__ = ["CutPlane", "Side", "SplitColoring", "bisect", "color_split", "joined", "sides_of"]

Points = NDArray[np.float64]


class Side(Enum):
    """To which component of a proposed split something belongs."""

    ONE = "one"
    TWO = "two"
    BOTH = "both"


@dataclass(frozen=True)
class CutPlane:
    """The plane that bisects a shared mesh.

    Parameters
    ----------
    middle_nm : tuple of float
        A point in it, relative to the surfaces' origin.
    normal : tuple of float
        From side one to side two; its length is the distance of their outer vertices.
    """

    middle_nm: PointNm
    normal: PointNm


@dataclass(frozen=True)
class SplitColoring:
    """The meshes of a proposed split.

    Parameters
    ----------
    one, two : Surface
        All of each side.
    rest : Surface
        What belongs to neither, or is shared but could not be bisected because nothing
        tells on which side which half is.
    planes : dict of int to CutPlane
        How shared meshes were bisected, by level-2 id.
    undecided : tuple of int
        Shared level-2 ids that are in the rest.
    """

    one: Surface
    two: Surface
    rest: Surface
    planes: Mapping[int, CutPlane] = field(default_factory=dict)
    undecided: tuple[int, ...] = ()

    def after(self, side: Side) -> Surface:
        """Return the mesh of one side after the split.

        Raises
        ------
        InputError
            For `Side.BOTH`, which no longer is one body.
        """
        if side is Side.BOTH:
            raise InputError("After a split there is no mesh of both sides.", "Choose one side.")
        return self.one if side is Side.ONE else self.two

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """What there is to draw."""
        return tuple(s for s in (self.one, self.two, self.rest) if not s.empty)


def sides_of(
    level2_of: Mapping[int, int], one: Iterable[int], two: Iterable[int]
) -> dict[int, Side]:
    """Return the side of each level-2 node that holds supervoxels of a component.

    Parameters
    ----------
    level2_of : mapping of int to int
        The level-2 node of each supervoxel.
    one, two : iterable of int
        The supervoxels of the two components.

    Raises
    ------
    InputError
        If a supervoxel is in both components, or its level-2 node is not known.
    """
    first, second = set(one), set(two)
    if twice := first & second:
        raise InputError(f"Supervoxel {min(twice)} is on both sides of the split.")
    if unknown := (first | second) - level2_of.keys():
        raise InputError(f"The level-2 node of supervoxel {min(unknown)} is not known.")
    in_one, in_two = ({level2_of[s] for s in part} for part in (first, second))
    sides = dict.fromkeys(in_one, Side.ONE) | dict.fromkeys(in_two, Side.TWO)
    return sides | dict.fromkeys(in_one & in_two, Side.BOTH)


def color_split(
    meshes: Mapping[int, Surface],
    sides: Mapping[int, Side],
    *,
    points: tuple[PointNm, PointNm] | None = None,
    colors: tuple[str, str] = (COLOR_A, COLOR_B),
    rest_color: str = COLOR_NEIGHBOUR,
    touch_nm: float = 100.0,
) -> SplitColoring:
    """Return the meshes of a proposed split in the colours of its sides.

    Parameters
    ----------
    meshes : mapping of int to Surface
        Level-2 meshes relative to one origin; their own colours do not matter.
    sides : mapping of int to Side
        See `sides_of`; a mesh that is not named belongs to neither side.
    points : tuple of two points or None
        Somewhere on side one and on side two, relative to the same origin, such as the
        centroids of the split's own points. They serve where a side has no mesh of its own.
    touch_nm : float
        What is no farther apart touches; meshes of neighbouring chunks are rounded apart.
    """
    own = {
        side: [meshes[i] for i in sorted(meshes) if sides.get(i) is side]
        for side in (Side.ONE, Side.TWO)
    }
    rest = [meshes[i] for i in sorted(meshes) if i not in sides]
    vertices = [_vertices(own[side]) for side in (Side.ONE, Side.TWO)]
    halves: tuple[list[Surface], list[Surface]] = ([], [])
    planes, undecided = {}, []
    for level2 in sorted(i for i in meshes if sides.get(i) is Side.BOTH and not meshes[i].empty):
        shared = meshes[level2]
        plane = _plane(shared, vertices, points, touch_nm)
        if plane is None:
            undecided.append(level2)
            rest.append(shared)
            continue
        planes[level2] = plane
        for half, part in zip(halves, bisect(shared, plane), strict=True):
            half.append(part)
    return SplitColoring(
        joined([*own[Side.ONE], *halves[0]], colors[0]),
        joined([*own[Side.TWO], *halves[1]], colors[1]),
        joined(rest, rest_color),
        planes,
        tuple(undecided),
    )


def joined(surfaces: Sequence[Surface], color: str) -> Surface:
    """Return all surfaces as one; nothing is welded."""
    starts = np.cumsum([0, *(len(s.positions) for s in surfaces)])
    faces = [s.faces + np.int32(n) for s, n in zip(surfaces, starts[:-1], strict=True)]
    none = np.zeros((0, 3))
    return Surface(
        np.concatenate([none, *(s.positions for s in surfaces)]).astype(np.float32),
        np.concatenate([none, *(s.normals for s in surfaces)]).astype(np.float32),
        np.concatenate([none, *faces]).astype(np.int32),
        color,
        tuple(sorted({level2 for s in surfaces for level2 in s.missing})),
    )


def bisect(surface: Surface, plane: CutPlane) -> tuple[Surface, Surface]:
    """Return what lies behind and what lies before a plane; crossing triangles are cut.

    A triangle in the plane itself belongs to the body that it bounds: to the part behind
    if its outside looks along the plane's normal.
    """
    normal = np.array(plane.normal)
    distance = (surface.positions.astype(np.float64) - plane.middle_nm) @ normal
    signs = np.sign(distance)[surface.faces]
    before, behind = (signs > 0).any(axis=1), (signs < 0).any(axis=1)
    flat = ~before & ~behind
    outwards = _face_normals(surface) @ normal
    crossing = before & behind
    grown, of_behind, of_before = _cut(surface, distance, surface.faces[crossing])
    kept_behind = surface.faces[(behind & ~before) | (flat & (outwards >= 0))]
    kept_before = surface.faces[(before & ~behind) | (flat & (outwards < 0))]
    return (
        _with_faces(grown, np.concatenate([kept_behind, of_behind])),
        _with_faces(grown, np.concatenate([kept_before, of_before])),
    )


Faces = NDArray[np.int32]


def _cut(surface: Surface, distance: Points, faces: Faces) -> tuple[Surface, Faces, Faces]:
    """Return the surface with vertices along the plane, and the faces on its two sides."""
    signs = np.sign(distance)[faces]
    # The one corner that is alone on its side comes first; the order of the rest stays.
    alone_before = (signs > 0).sum(axis=1) == 1
    alone = np.where(alone_before, (signs > 0).argmax(axis=1), (signs < 0).argmax(axis=1))
    a, b, c = np.take_along_axis(faces, (alone[:, None] + np.arange(3)) % 3, axis=1).T
    count, many = len(surface.positions), len(faces)
    p = np.arange(count, count + many, dtype=np.int32)
    q = p + np.int32(many)
    positions, normals = (
        np.concatenate([values, *(_between(values, distance, a, end) for end in (b, c))])
        for values in (surface.positions, surface.normals)
    )
    lengths = np.linalg.norm(normals[count:], axis=1, keepdims=True)
    normals[count:] /= np.where(lengths > 0, lengths, 1)
    tip = np.stack([a, p, q], axis=1)
    base = np.concatenate([np.stack([p, b, c], axis=1), np.stack([p, c, q], axis=1)])
    twice = np.concatenate([alone_before, alone_before])
    of_behind = np.concatenate([tip[~alone_before], base[twice]])
    of_before = np.concatenate([tip[alone_before], base[~twice]])
    return replace(surface, positions=positions, normals=normals), of_behind, of_before


def _between(
    values: NDArray[np.float32], distance: Points, start: Faces, end: Faces
) -> NDArray[np.float32]:
    """Return values where the edges cross the plane, shape (edges, 3)."""
    weight = (distance[start] / (distance[start] - distance[end]))[:, None]
    low, high = values[start].astype(np.float64), values[end].astype(np.float64)
    return np.asarray((low + (high - low) * weight).astype(np.float32))


def _plane(
    shared: Surface,
    sides: Sequence[Points],
    points: tuple[PointNm, PointNm] | None,
    touch_nm: float,
) -> CutPlane | None:
    ends = []
    for index, vertices in enumerate(sides):
        if len(vertices):
            ends.append(_outer_centroid(shared, vertices, touch_nm))
        elif points is not None:
            ends.append(np.array(points[index], np.float64))
    if len(ends) < 2 or not (normal := ends[1] - ends[0]).any():
        return None
    return CutPlane(_point((ends[0] + ends[1]) / 2), _point(normal))


def _outer_centroid(shared: Surface, vertices: Points, touch_nm: float) -> Points:
    from scipy.spatial import cKDTree

    tree = cKDTree(shared.positions[np.unique(shared.faces)])
    distance = np.asarray(tree.query(vertices)[0])
    nearest = float(distance.min())
    outer = vertices[distance <= (touch_nm if nearest <= touch_nm else nearest + touch_nm)]
    # A vertex that several triangles repeat counts once.
    return np.asarray(np.unique(outer, axis=0).mean(axis=0))


def _vertices(surfaces: Sequence[Surface]) -> Points:
    """Return the vertices that faces use, shape (n, 3)."""
    used = [s.positions[np.unique(s.faces)] for s in surfaces if not s.empty]
    return np.concatenate(used).astype(np.float64) if used else np.zeros((0, 3))


def _face_normals(surface: Surface) -> Points:
    corners = surface.positions.astype(np.float64)[surface.faces]
    return np.asarray(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))


def _with_faces(surface: Surface, faces: Faces) -> Surface:
    used, inverse = np.unique(faces, return_inverse=True)
    return replace(
        surface,
        positions=surface.positions[used],
        normals=surface.normals[used],
        faces=inverse.reshape(faces.shape).astype(np.int32),
    )


def _point(vector: Points) -> PointNm:
    x, y, z = (float(v) for v in vector)
    return x, y, z
