"""The shapes of two touching segments around their contact: whether they fit one neurite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.features.block import Block
from inference.features.spec import FeatureSpec
from inference.features.surface import Surface
from inference.features.table import Columns, unit

__all__ = ["shape_columns"]

Floats = NDArray[np.floating]


def shape_columns(block: Block, surface: Surface, spec: FeatureSpec) -> Columns:
    """Return the columns named ``shape.…``: what the labels alone tell."""
    columns = Columns("shape")
    normal = unit(surface.normal)
    _contact(columns, surface)
    _rays(columns, block, surface, spec)
    _sections(columns, block, surface, normal, spec)
    for radius in spec.balls_nm:
        _ball(columns, block, surface, normal, radius, spec.ball_steps)
    return columns


def _contact(columns: Columns, surface: Surface) -> None:
    place = surface.place_nm - surface.place_nm.mean(axis=1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", place, place) / place.shape[1]
    extent = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0))
    columns.add("area", surface.area_nm2)
    columns.add("flatness", np.linalg.norm(surface.normal, axis=1))
    for axis, name in enumerate(("thin", "short", "long")):
        columns.add(f"extent.{name}", extent[:, axis])
    columns.add("oblong", extent[:, 2] / np.maximum(extent[:, 1], 1))
    # An ellipse of half-axes 2 times the deviations has this area; a torn contact is less.
    ellipse = 4 * np.pi * extent[:, 1] * extent[:, 2]
    columns.add("fullness", surface.area_nm2 / np.maximum(ellipse, 100))


def _rays(columns: Columns, block: Block, surface: Surface, spec: FeatureSpec) -> None:
    """Add how deep the segments are behind the contact, along its normals."""
    along = np.arange(1, spec.ray_nm / spec.ray_step_nm + 0.5) * spec.ray_step_nm
    radius = np.sqrt(surface.area_nm2 / np.pi)
    depths = []
    for side, sign in ((0, -1.0), (1, 1.0)):
        labels = block.labels_at(surface.indices(block, sign * along))
        own = labels == surface.pairs[:, side, None, None]
        depths.append(np.logical_and.accumulate(own, axis=2).sum(axis=2) * spec.ray_step_nm)
    means = [depth.mean(axis=1) for depth in depths]
    columns.sides("behind.mean", *means)
    columns.sides("behind.median", *(np.median(depth, axis=1) for depth in depths))
    columns.sides("behind.deepest", *(depth.max(axis=1) for depth in depths))
    columns.sides("behind.spread", *(depth.std(axis=1) for depth in depths))
    columns.sides("behind.to_radius", *(mean / np.maximum(radius, 5) for mean in means))


def _sections(
    columns: Columns, block: Block, surface: Surface, normal: Floats, spec: FeatureSpec
) -> None:
    """Add the areas of the segments in planes parallel to the contact, which show a neck."""
    across, up = _plane(normal)
    line = np.arange(-spec.disc_nm, spec.disc_nm + 1e-6, spec.disc_step_nm)
    u, v = (part.ravel() for part in np.meshgrid(line, line, indexing="ij"))
    disc = u**2 + v**2 <= spec.disc_nm**2
    flat = u[disc, None] * across[:, None, :] + v[disc, None] * up[:, None, :]
    each = spec.disc_step_nm**2
    areas: dict[float, tuple[Floats, Floats]] = {}
    for offset in (0.0, *spec.disc_offsets_nm, *(-o for o in spec.disc_offsets_nm)):
        place = flat + offset * normal[:, None, :]
        labels = block.labels_at(block.flat(surface.centers)[:, None] + block.steps(place))
        a, b = ((labels == surface.pairs[:, side, None]).sum(axis=1) * each for side in (0, 1))
        areas[offset] = (a, b)
    waist = np.maximum(areas[0.0][0] + areas[0.0][1], each)
    columns.add("section0", waist)
    columns.add("section0.contact", surface.area_nm2 / waist)
    for offset in spec.disc_offsets_nm:
        a, b = areas[-offset][0], areas[offset][1]
        columns.sides(f"section{offset:g}", a, b)
        columns.sides(f"section{offset:g}.neck", *(_ratio(surface.area_nm2, s) for s in (a, b)))
        columns.sides(f"section{offset:g}.beyond", areas[offset][0], areas[-offset][1])


def _plane(normal: Floats) -> tuple[Floats, Floats]:
    """Return two unit vectors across each normal, the same for n and -n up to sign."""
    least = np.eye(3)[np.abs(normal).argmin(axis=1)]
    across = unit(np.cross(normal, least))
    return across, np.cross(normal, across)


def _ball(
    columns: Columns,
    block: Block,
    surface: Surface,
    normal: Floats,
    radius: float,
    steps: int,
) -> None:
    """Add volumes, directions and surfaces inside a ball around the contact's middle."""
    line = np.linspace(-1, 1, 2 * steps + 1)
    cube = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = (cube**2).sum(axis=1) <= 1 + 1e-9
    labels = block.labels_at(surface.around(block, cube * radius))
    labels[:, ~inside] = 0
    masks = [labels == surface.pairs[:, side, None] for side in (0, 1)]
    moments = [_moments(mask, cube) for mask in masks]
    name = f"ball{radius:g}"
    columns.add(f"{name}.outside", _outside(block, surface, line * radius, inside))
    columns.add(f"{name}.unassigned", (labels[:, inside] == 0).mean(axis=1))
    _volumes(columns, name, moments, int(inside.sum()))
    _directions(columns, name, moments, normal)
    side = 2 * steps + 1
    _borders(columns, name, masks, labels, (len(labels), side, side, side))


def _outside(block: Block, surface: Surface, line_nm: Floats, ball: NDArray[np.bool_]) -> Floats:
    """Return the share of a ball's places that lie outside the volume, shape (n,)."""
    steps = np.floor(line_nm[:, None] / block.voxel_nm + 0.5).astype(np.int64)
    index = surface.centers[:, None, :] + steps
    z, y, x = np.moveaxis((index >= 0) & (index < block.shape), 2, 0).astype(np.float32)
    side = len(line_nm)
    weight = ball.reshape(side * side, side).astype(np.float32)
    planes = (x @ weight.T).reshape(-1, side, side)
    counted = np.einsum("nij,ni,nj->n", planes, z, y, optimize=True)
    return np.asarray(1 - counted / ball.sum())


Moments = tuple[Floats, Floats, Floats]
"""Number of places (n,), their mean (n, 3) and their covariance (n, 3, 3)."""


def _moments(mask: NDArray[np.bool_], cube: Floats) -> Moments:
    squares = (cube[:, :, None] * cube[:, None, :]).reshape(-1, 9)
    table = np.concatenate([np.ones((len(cube), 1)), cube, squares], axis=1).astype(np.float32)
    sums = (mask.astype(np.float32) @ table).astype(np.float64)
    count = np.maximum(sums[:, :1], 1)
    mean = sums[:, 1:4] / count
    second = (sums[:, 4:] / count).reshape(-1, 3, 3)
    return sums[:, 0], mean, second - mean[:, :, None] * mean[:, None, :]


def _volumes(columns: Columns, name: str, moments: list[Moments], places: int) -> None:
    a, b = (count / places for count, _, _ in moments)
    columns.sides(f"{name}.volume", a, b)
    columns.add(f"{name}.volume.both", a + b)
    columns.add(f"{name}.volume.ratio", np.minimum(a, b) / np.maximum(np.maximum(a, b), 1e-6))


def _directions(columns: Columns, name: str, moments: list[Moments], normal: Floats) -> None:
    (na, ca, sa), (nb, cb, sb) = moments
    columns.sides(f"{name}.off", np.linalg.norm(ca, axis=1), np.linalg.norm(cb, axis=1))
    columns.add(f"{name}.opposite", -(unit(ca) * unit(cb)).sum(axis=1))
    between = cb - ca
    columns.add(f"{name}.apart", np.linalg.norm(between, axis=1))
    columns.add(f"{name}.apart.across", np.abs((unit(between) * normal).sum(axis=1)))
    # Written so that exchanging a and b gives the same bits: equal axes stay in their order.
    both = np.maximum(na + nb, 1)
    joint = (na[:, None, None] * sa + nb[:, None, None] * sb) / both[:, None, None]
    share = na * nb / both**2
    joint += share[:, None, None] * (between[:, :, None] * between[:, None, :])
    (la, va), (lb, vb), (lj, vj) = (np.linalg.eigh(m) for m in (sa, sb, joint))
    columns.add(f"{name}.aligned", np.abs((va[:, :, 2] * vb[:, :, 2]).sum(axis=1)))
    ways = (np.abs((v[:, :, 2] * normal).sum(axis=1)) for v in (va, vb))
    columns.sides(f"{name}.axis_across", *ways)
    columns.add(f"{name}.joint_across", np.abs((vj[:, :, 2] * normal).sum(axis=1)))
    long = [np.sqrt(np.maximum(values, 0)) for values in (la, lb, lj)]
    columns.sides(f"{name}.slender", *(_ratio(v[:, 2], v[:, 1]) for v in long[:2]))
    columns.sides(f"{name}.flat", *(_ratio(v[:, 0], v[:, 1]) for v in long[:2]))
    columns.sides(f"{name}.length", long[0][:, 2], long[1][:, 2])
    columns.add(f"{name}.joint_slender", _ratio(long[2][:, 2], long[2][:, 1]))
    columns.add(f"{name}.joint_length", long[2][:, 2])
    # Joined end to end the middle axis stays; side by side it grows.
    widest = np.maximum(long[0][:, 1], long[1][:, 1])
    columns.add(f"{name}.joint_wider", _ratio(long[2][:, 1], widest))
    columns.add(
        f"{name}.joint_thicker", _ratio(long[2][:, 0], np.maximum(long[0][:, 0], long[1][:, 0]))
    )


def _borders(
    columns: Columns,
    name: str,
    masks: list[NDArray[np.bool_]],
    labels: NDArray[Any],
    shape: tuple[int, int, int, int],
) -> None:
    """Add how much of each border is this contact, and how compact both are together."""
    a, b = (mask.reshape(shape) for mask in masks)
    touching, border_a, border_b = (np.zeros(shape[0]) for _ in range(3))
    for axis in (1, 2, 3):
        a0, a1, b0, b1 = (*_neighbours(a, axis), *_neighbours(b, axis))
        touching += ((a0 & b1) | (b0 & a1)).sum(axis=(1, 2, 3))
        border_a += (a0 != a1).sum(axis=(1, 2, 3))
        border_b += (b0 != b1).sum(axis=(1, 2, 3))
    columns.add(f"{name}.touching", touching)
    columns.sides(f"{name}.touching.share", _ratio(touching, border_a), _ratio(touching, border_b))
    count_a, count_b = (mask.sum(axis=1) for mask in masks)
    together = _compact(count_a + count_b, border_a + border_b - 2 * touching)
    alone = (_compact(count_a, border_a), _compact(count_b, border_b))
    columns.sides(f"{name}.compact", *alone)
    columns.add(f"{name}.compact.both", together)
    columns.add(f"{name}.compact.gain", together - np.minimum(*alone))
    few = np.sort(labels.reshape(shape)[:, 1::3, 1::3, 1::3].reshape(shape[0], -1), axis=1)
    columns.add(f"{name}.crowd", (few[:, 1:] != few[:, :-1]).sum(axis=1))


def _neighbours(mask: NDArray[np.bool_], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    before: list[Any] = [slice(None)] * 4
    after: list[Any] = [slice(None)] * 4
    before[axis], after[axis] = slice(None, -1), slice(1, None)
    return mask[tuple(before)], mask[tuple(after)]


def _compact(volume: Floats, border: Floats) -> Floats:
    return _ratio(np.maximum(volume, 0) ** (2 / 3), border)


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return a ratio, at most 100; 0 where nothing is to be divided by."""
    safe = np.where(whole > 0, whole, 1)
    return np.minimum(np.where(whole > 0, part / safe, 0), 100.0)
