"""Random samples of sites that stay the same: drawn by what a site is, not by when it came.

A larger share holds every site of a smaller one, so that a share may be raised at any time.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from proofreading.ledger.events import SamplingChosen

__all__ = ["SAMPLING", "Purpose", "are_drawn", "is_drawn", "place_of"]

SAMPLING = SamplingChosen(blind=0.1, audit=0.05, gold=0.0, seed=0, author="")
"""How much of the work measures the work until a person says otherwise."""


class Purpose(StrEnum):
    """What a sample is for; samples of different purposes are independent."""

    AUDIT = "audit"
    """Sites of the automatic lane that a person looks at all the same."""
    BLIND = "blind"
    """Sites whose verdict is hidden until the person has answered."""
    GOLD = "gold"
    """Which of the sites with known answers are asked again."""
    ORDER = "order"
    """Where in the work a mixed-in site comes."""


def is_drawn(purpose: Purpose, seed: int, site_id: str, share: float) -> bool:
    """Tell whether a site belongs to the sample with this share (0 to 1)."""
    return place_of(purpose, seed, site_id) < share


def are_drawn(
    purpose: Purpose, seed: int, numbers: NDArray[np.uint64], share: float
) -> NDArray[np.bool_]:
    """Tell of each site, by its number, whether it `is_drawn`; a fraction of the time."""
    begin = f"{purpose.value} {seed} "
    digests = [
        hashlib.blake2b(f"{begin}{number:016x}".encode(), digest_size=8).digest()
        for number in numbers.tolist()
    ]
    places = np.frombuffer(b"".join(digests), ">u8") >> np.uint64(11)
    drawn: NDArray[np.bool_] = places / 2**53 < share
    return drawn


def place_of(purpose: Purpose, seed: int, site_id: str) -> float:
    """Return a site's place in a random order, a number from 0 to below 1."""
    packed = f"{purpose.value} {seed} {site_id}".encode()
    digest = hashlib.blake2b(packed, digest_size=8).digest()
    # 53 bits: all that a float tells apart, so that the result never rounds up to 1.
    return (int.from_bytes(digest) >> 11) / 2**53
