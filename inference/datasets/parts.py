"""Which samples may train, and which are kept for an honest test.

Space is divided into blocks, and each block belongs to one part. Samples so near to a
block of another part that the two fields of view could meet are used for nothing. A true
body belongs to one part too: what is left of it in other blocks is dropped, and counted.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

from connectome.errors import InputError
from connectome.space import BoxNm, PointNm
from inference.datasets.samples import Part, Sample

__all__ = ["Division", "PartSettings", "divide"]

Block = tuple[int, int, int]
_ORDER = (Part.TEST, Part.VALIDATION, Part.TRAIN)
_ELSEWHERE = "its body belongs to another part"


@dataclass(frozen=True)
class PartSettings:
    """How samples are divided.

    Parameters
    ----------
    block_nm : tuple of float
        Edge lengths (x, y, z) of the blocks.
    field_of_view_nm : float
        Width of the widest picture of a sample.
    buffer_nm : float
        How far apart samples of two parts are at least, along one axis; at least the
        field of view.
    validation, test : float
        Shares of the blocks; the test share is not used with `test_boxes`.
    seed : int
        Which blocks they are.
    test_boxes : tuple of BoxNm
        The test part, stated. Without any, blocks are drawn for it.
    bodies : str
        ``one part`` keeps each body in one part, ``any`` lets bodies stand in several.
    """

    block_nm: tuple[float, float, float] = (10_000.0, 10_000.0, 10_000.0)
    field_of_view_nm: float = 640.0
    buffer_nm: float = 640.0
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    test_boxes: tuple[BoxNm, ...] = ()
    bodies: Literal["one part", "any"] = "one part"

    def __post_init__(self) -> None:
        if self.buffer_nm < self.field_of_view_nm:
            raise InputError(
                f"A buffer of {self.buffer_nm:g} nm is narrower than the field of view "
                f"({self.field_of_view_nm:g} nm).",
                "Make it at least as wide, so that no picture shows two parts.",
            )
        if any(edge <= self.buffer_nm for edge in self.block_nm):
            raise InputError(
                "The blocks are no wider than the buffer between them.", "Make them larger."
            )
        shares = (self.validation, self.test)
        if min(shares) < 0 or sum(shares) >= 1:
            raise InputError("The shares leave nothing to train on.", "Their sum is below 1.")


@dataclass(frozen=True)
class Division:
    """Where each sample went.

    Parameters
    ----------
    parts : mapping
        Sample id to its part. Samples that are absent were dropped.
    dropped : Counter
        How many were dropped, by reason.
    spanning : int
        True bodies that stand in more than one part besides the buffer.
    """

    parts: Mapping[str, Part]
    dropped: Counter[str] = field(default_factory=Counter)
    spanning: int = 0


def divide(samples: Sequence[Sample], settings: PartSettings) -> Division:
    """Divide samples into parts; the same samples are always divided alike."""
    free = [s.point_nm for s in samples if not _by_box(s.point_nm, settings)]
    blocks = _block_parts({_block(point, settings) for point in free}, settings)
    parts = {s.id: _place(s.point_nm, blocks, settings) for s in samples}
    used = [s for s in samples if parts[s.id] is not Part.BUFFER]
    if settings.bodies == "any":
        return Division(parts, Counter(), _spanning(used, parts))
    home = _homes(used, parts, settings.seed)
    dropped = {s.id for s in used if any(home[b] is not parts[s.id] for b in _known(s))}
    kept = {name: part for name, part in parts.items() if name not in dropped}
    count: Counter[str] = Counter({_ELSEWHERE: len(dropped)} if dropped else {})
    return Division(kept, count, 0)


def _place(point: PointNm, blocks: Mapping[Block, Part], settings: PartSettings) -> Part:
    """Return the part of a place: its block's, unless another part's is near."""
    if stated := _by_box(point, settings):
        return stated
    own = blocks[_block(point, settings)]
    near = {blocks.get(block, own) for block in _blocks_near(point, settings.buffer_nm, settings)}
    # The rarer part stays whole, and the other gives way by the whole buffer. Half a buffer
    # on either side would let two parts meet at the corners of their blocks.
    return own if min(near, key=_ORDER.index) is own else Part.BUFFER


def _by_box(point: PointNm, settings: PartSettings) -> Part | None:
    """Return what the stated test boxes say about a place."""
    if any(box.contains(point) for box in settings.test_boxes):
        return Part.TEST
    grown = (box.grown(settings.buffer_nm) for box in settings.test_boxes)
    return Part.BUFFER if any(box.contains(point) for box in grown) else None


def _blocks_near(point: PointNm, reach: float, settings: PartSettings) -> Iterable[Block]:
    low, high = (
        _block((point[0] + step, point[1] + step, point[2] + step), settings)
        for step in (-reach, reach)
    )
    x, y, z = (range(a, b + 1) for a, b in zip(low, high, strict=True))
    return product(x, y, z)


def _block(point: PointNm, settings: PartSettings) -> Block:
    x, y, z = (int(p // edge) for p, edge in zip(point, settings.block_nm, strict=True))
    return (x, y, z)


def _block_parts(blocks: Iterable[Block], settings: PartSettings) -> dict[Block, Part]:
    """Draw the part of each block that holds a sample."""
    drawn = sorted(blocks, key=lambda block: _draw(settings.seed, *block))
    test = 0 if settings.test_boxes else _number(settings.test, len(drawn))
    validation = _number(settings.validation, len(drawn))
    names = [Part.TEST] * test + [Part.VALIDATION] * validation
    names += [Part.TRAIN] * (len(drawn) - len(names))
    return dict(zip(drawn, names, strict=False))


def _number(share: float, blocks: int) -> int:
    """Return how many blocks a share is: at least one where there are three."""
    return max(round(share * blocks), int(share > 0 and blocks >= 3))


def _homes(samples: Sequence[Sample], parts: Mapping[str, Part], seed: int) -> dict[int, Part]:
    """Return the part with most samples of each body; the rarer part where two are equal."""
    counts: dict[int, Counter[Part]] = {}
    for sample in samples:
        for body in _known(sample):
            counts.setdefault(body, Counter())[parts[sample.id]] += 1
    return {
        body: max(_ORDER, key=lambda part: (count[part], _draw(seed, body, part.value)))
        for body, count in counts.items()
    }


def _spanning(samples: Sequence[Sample], parts: Mapping[str, Part]) -> int:
    seen: dict[int, set[Part]] = {}
    for sample in samples:
        for body in _known(sample):
            seen.setdefault(body, set()).add(parts[sample.id])
    return sum(len(where) > 1 for where in seen.values())


def _known(sample: Sample) -> set[int]:
    return {body for body in sample.bodies if body}


def _draw(seed: int, *values: object) -> str:
    """Return a random key that does not depend on the order of asking."""
    return hashlib.blake2b(json.dumps([seed, *values]).encode(), digest_size=8).hexdigest()
