"""Compiled loops that trace skeletons through the voxels of a whole volume.

All work on flat arrays of a volume with a rim of background one voxel wide, so that every
voxel of an object has 26 neighbours. A *knot* is a connected part of an object within one
cell of a grid; ways are sought among knots, and only along the way found among voxels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from connectome.compiling import compiled

__all__ = [
    "FREE",
    "ON_PATH",
    "choose",
    "clear",
    "cover",
    "farthest",
    "index",
    "link",
    "measure",
    "spread",
    "way_home",
]

FREE, ON_PATH = 0, 2
"""Marks of a knot; 1 is one near a path, which needs none of its own."""


Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Marks = NDArray[np.uint8]
Lengths = NDArray[np.float64]


@compiled
def measure(
    knots: Ints,
    pieces: Ints,
    radii: Floats,
    plane: int,
    width: int,
    voxel: Lengths,
    sizes: Ints,
    piece_of: Ints,
    middle: Lengths,
    center: Ints,
) -> None:
    """Find of each knot its voxels' number, its piece, its centroid and its deepest voxel.

    Of equally deep ones that nearest to the centroid is taken: flat parts have many.
    """
    for here in range(len(knots)):
        knot = knots[here]
        if knot == 0:
            continue
        sizes[knot] += 1
        piece_of[knot] = pieces[here]
        rest = here % plane
        middle[knot, 0] += here // plane
        middle[knot, 1] += rest // width
        middle[knot, 2] += rest % width
    nearest = np.full(len(sizes), np.inf)
    for here in range(len(knots)):
        knot = knots[here]
        if knot == 0:
            continue
        most = radii[center[knot]]
        if center[knot] != 0 and radii[here] < most:
            continue
        rest = here % plane
        z = (here // plane - middle[knot, 0] / sizes[knot]) * voxel[0]
        y = (rest // width - middle[knot, 1] / sizes[knot]) * voxel[1]
        x = (rest % width - middle[knot, 2] / sizes[knot]) * voxel[2]
        apart = z * z + y * y + x * x
        if center[knot] == 0 or radii[here] > most or apart < nearest[knot]:
            center[knot] = here
            nearest[knot] = apart


@compiled
def link(
    knots: Ints,
    pieces: Ints,
    radii: Floats,
    shape: tuple[int, int, int],
    cells: Ints,
    moves: NDArray[np.int64],
    planes: tuple[int, int],
    last: Ints,
    ends: Ints,
    gate: Ints,
) -> int:
    """Write the pairs of knots of one piece that touch, and the deepest voxel between both.

    Only those that are met from knots in these planes of the volume. A pair may be there
    twice. Returns their number; beyond the length of `ends` it only counts.
    """
    _, height, width = shape
    count = 0
    for z in range(planes[0], planes[1]):
        for y in range(1, height - 1):
            row = (z * height + y) * width
            for x in range(1, width - 1):
                here = row + x
                piece = pieces[here]
                if piece == 0:
                    continue
                knot = knots[here]
                for way in range(13, 26):
                    dz, dy, dx = moves[way]
                    there = here + (dz * height + dy) * width + dx
                    other = knots[there]
                    if other == knot or pieces[there] != piece:
                        continue
                    side = (
                        (cells[0, z + dz] - cells[0, z]) * 9
                        + (cells[1, y + dy] - cells[1, y]) * 3
                        + (cells[2, x + dx] - cells[2, x])
                        + 13
                    )
                    link = last[knot, side]
                    if link < 0 or (link < len(ends) and ends[link, 1] != other):
                        link = count
                        count += 1
                        last[knot, side] = link
                        if link < len(ends):
                            ends[link, 0] = knot
                            ends[link, 1] = other
                            gate[link] = here if radii[here] <= radii[there] else there
                    elif link < len(ends) and min(radii[here], radii[there]) > radii[gate[link]]:
                        gate[link] = here if radii[here] <= radii[there] else there
    return count


@compiled
def index(ends: Ints, count: int, starts: Ints, near: Ints, links: Ints) -> None:
    """Write the neighbours of each knot, one after the other: those of k from ``starts[k]``."""
    for link in range(count):
        starts[ends[link, 0] + 2] += 1
        starts[ends[link, 1] + 2] += 1
    for knot in range(2, len(starts)):
        starts[knot] += starts[knot - 1]
    for link in range(count):
        for side in range(2):
            knot = ends[link, side]
            near[starts[knot + 1]] = ends[link, 1 - side]
            links[starts[knot + 1]] = link
            starts[knot + 1] += 1


@compiled
def spread(
    starts: Ints,
    near: Ints,
    links: Ints,
    places: Floats,
    depth: Floats,
    deep: float,
    root: int,
    least: float,
    far: float,
    reached: Floats,
    parents: Ints,
    came: Ints,
    order: Ints,
) -> int:
    """Find the cheapest way from a knot to all knots of its piece; return their number.

    The cheapest is the shortest if `deep` is 0, else one through the middle.
    Buckets are as wide as the cheapest link, so that no knot of a bucket improves another
    of it (Dial 1969). Knots are written into `order` as they are reached for good.
    """
    slots = int(far / least) + 3
    heads = np.full(slots, -1, np.int32)
    room = 1024
    knot = np.empty(room, np.int32)
    price = np.empty(room, np.float32)
    after = np.empty(room, np.int32)
    used, waiting, count, slot = 1, 1, 0, 0
    free = -1
    knot[0], price[0], after[0], heads[0] = root, 0.0, -1, 0
    reached[root] = 0.0
    parents[root] = -1
    while waiting:
        entry = heads[slot]
        if entry < 0:
            slot = slot + 1 if slot + 1 < slots else 0
            continue
        heads[slot] = after[entry]
        here, paid = knot[entry], price[entry]
        after[entry] = free
        free = entry
        waiting -= 1
        if paid != reached[here]:
            continue
        order[count] = here
        count += 1
        for link in range(starts[here], starts[here + 1]):
            there = near[link]
            z = places[there, 0] - places[here, 0]
            y = places[there, 1] - places[here, 1]
            x = places[there, 2] - places[here, 2]
            # The middle of a neurite is the cheapest way, whatever its calibre.
            shallow = max(np.float32(1.0), deep / depth[there])
            length = np.sqrt(z * z + y * y + x * x) * shallow * shallow
            total = np.float32(paid + length)
            if total < reached[there]:
                reached[there] = total
                parents[there] = here
                came[there] = links[link]
                entry = free
                if entry >= 0:
                    free = after[entry]
                else:
                    if used == room:
                        knot = np.append(knot, np.empty(room, np.int32))
                        price = np.append(price, np.empty(room, np.float32))
                        after = np.append(after, np.empty(room, np.int32))
                        room *= 2
                    entry = used
                    used += 1
                knot[entry], price[entry] = there, total
                place = int(total / least) % slots
                after[entry] = heads[place]
                heads[place] = entry
                waiting += 1
    return count


@compiled
def clear(order: Ints, count: int, reached: Floats) -> None:
    """Forget what a search has reached."""
    for place in range(count):
        reached[order[place]] = np.inf


@compiled
def choose(order: Ints, last: int, gone: Marks) -> int:
    """Return how many of the knots in `order` may still need a path: the last of them does."""
    while last > 0 and gone[order[last - 1]] != 0:
        last -= 1
    return last


@compiled
def way_home(
    tip: int,
    gone: Marks,
    parents: Ints,
    came: Ints,
    center: Ints,
    gate: Ints,
    used: Marks,
    path: Ints,
    out: Ints,
) -> tuple[int, int]:
    """Write the knots from one to the first that is on a path, and the voxels of the way.

    These are the deepest voxel of each knot and the deepest between each two. Returns how
    many knots and how many voxels.
    """
    here, count, written = tip, 0, 0
    while True:
        path[count] = here
        count += 1
        voxel = center[here]
        if written == 0 or out[written - 1] != voxel:
            out[written] = voxel
            written += 1
        used[voxel] = 1
        if gone[here] == 2 or parents[here] < 0:
            gone[here] = 2
            return count, written
        gone[here] = 2
        voxel = gate[came[here]]
        if used[voxel] == 0:
            used[voxel] = 1
            out[written] = voxel
            written += 1
        here = parents[here]


@compiled
def cover(
    path: Ints,
    reach: Floats,
    starts: Ints,
    near: Ints,
    places: Floats,
    marks: Ints,
    gone: Marks,
    queue: Ints,
    source: Ints,
) -> None:
    """Mark the knots near a path that are linked to it through others near it."""
    tip = path[0]
    count = len(path)
    for place in range(count):
        queue[place] = path[place]
        source[place] = place
        marks[path[place]] = tip
    begin, end = 0, count
    while begin < end:
        here, origin = queue[begin], source[begin]
        begin += 1
        for link in range(starts[here], starts[here + 1]):
            there = near[link]
            if marks[there] == tip:
                continue
            z = places[there, 0] - places[path[origin], 0]
            y = places[there, 1] - places[path[origin], 1]
            x = places[there, 2] - places[path[origin], 2]
            if z * z + y * y + x * x > reach[origin] * reach[origin]:
                continue
            marks[there] = tip
            if gone[there] == 0:
                gone[there] = 1
            queue[end] = there
            source[end] = origin
            end += 1


@compiled
def farthest(
    knot: int,
    start: int,
    place: Lengths,
    knots: Ints,
    steps: Ints,
    plane: int,
    width: int,
    voxel: Lengths,
    seen: Marks,
    queue: Ints,
) -> int:
    """Return the voxel of a knot that lies farthest from a place (z, y, x), all in nm."""
    queue[0] = start
    seen[start] = 1
    begin, end = 0, 1
    best, most = start, -1.0
    while begin < end:
        here = queue[begin]
        begin += 1
        rest = here % plane
        z = here // plane * voxel[0] - place[0]
        y = rest // width * voxel[1] - place[1]
        x = rest % width * voxel[2] - place[2]
        apart = z * z + y * y + x * x
        if apart > most or (apart == most and here < best):
            best, most = here, apart
        for way in range(26):
            there = here + steps[way]
            if knots[there] == knot and seen[there] == 0:
                seen[there] = 1
                queue[end] = there
                end += 1
    for count in range(end):
        seen[queue[count]] = 0
    return best
