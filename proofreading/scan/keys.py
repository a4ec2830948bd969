"""Names of results: hashes of everything that a result follows from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from proofreading.ledger.codec import to_json
from proofreading.sites import Site

__all__ = ["content_key", "digest_of_numbers", "site_key"]


def content_key(*parts: object) -> str:
    """Return 32 hexadecimal digits for what JSON can hold; the same parts, the same digits."""
    text = json.dumps(parts, separators=(",", ":"), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def digest_of_numbers(numbers: Iterable[int]) -> str:
    """Return a hash of a set of ids, whatever their order."""
    return content_key(sorted(str(int(number)) for number in numbers))


def site_key(site: Site) -> str:
    """Return a hash of all that a site says, its present roots included.

    A site's id stays when a neighbour's root is replaced; this does not.
    """
    return hashlib.blake2b(to_json(site).encode(), digest_size=8).hexdigest()
