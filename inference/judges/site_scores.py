"""How what is said of a site's neighbours becomes one answer about the site."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOTHING_THERE", "site_logits"]

NOTHING_THERE = -6.0
"""The logit of a tip that touches nothing: there is no segment it could go on in."""


def site_logits(
    of_rows: NDArray[np.floating], site: NDArray[np.integer], sites: int
) -> NDArray[np.float64]:
    """Return the logarithm of the summed odds of each site's rows, shape (sites,).

    A neurite goes on in at most one neighbour, so the odds of the neighbours add up.
    A site with one row keeps that row's logit.
    """
    rows = np.asarray(of_rows, np.float64)
    highest = np.full(sites, -np.inf)
    np.maximum.at(highest, site, rows)
    total = np.zeros(sites)
    np.add.at(total, site, np.exp(rows - highest[site]))
    with np.errstate(divide="ignore", invalid="ignore"):
        summed = highest + np.log(total)
    return np.where(np.isfinite(highest), summed, NOTHING_THERE)
