"""Rows of numbers about sites, and how the rows of one site become one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.datasets.folds import Fold
from inference.datasets.samples import Sample
from inference.features.site_parts import BASELINE_PREFIXES
from inference.judges.site_scores import site_logits
from proofreading.verdicts import Task

__all__ = ["SiteRows"]

Mask = NDArray[np.bool_]
_REACH_SECTIONS = 50
"""Sections that the numbers of a site look away from it, at most."""


@dataclass(frozen=True, eq=False)
class SiteRows:
    """Measured sites of one task; a tip has a row for each neighbour, the others have one.

    Parameters
    ----------
    names : tuple of str
        Columns.
    values : ndarray of float32, shape (n, d)
        Missing values are NaN.
    site : ndarray, shape (n,)
        Which site each row belongs to.
    yes, known : ndarray of bool, shape (n,)
        The answer of each row, and whether it has one.
    section, body : ndarray, shape (sites,)
        Where each site lies (z), and its body.
    samples : tuple of (Sample or None)
        The labelled question of each site; None where a site only lends its rows.
    """

    task: Task
    names: tuple[str, ...]
    values: NDArray[np.float32]
    site: NDArray[np.int64]
    yes: Mask
    known: Mask
    section: NDArray[np.int64]
    body: NDArray[np.int64]
    samples: tuple[Sample | None, ...]

    @classmethod
    def of_samples(
        cls,
        task: Task,
        names: tuple[str, ...],
        values: NDArray[np.float32],
        samples: Sequence[Sample],
        section_nm: float,
    ) -> SiteRows:
        """Return one row for each sample."""
        return cls(
            task=task,
            names=names,
            values=np.where(np.isfinite(values), values, np.nan).astype(np.float32),
            site=np.arange(len(samples)),
            yes=np.array([sample.label for sample in samples], np.bool_),
            known=np.ones(len(samples), np.bool_),
            section=np.array([int(s.point_nm[2] / section_nm) for s in samples], np.int64),
            body=np.array([s.bodies[0] if s.bodies else 0 for s in samples], np.int64),
            samples=tuple(samples),
        )

    @property
    def asked(self) -> Mask:
        """Which sites are labelled questions, shape (sites,)."""
        return np.array([sample is not None for sample in self.samples], np.bool_)

    @property
    def truth(self) -> Mask:
        """The answers of the sites, False where there is none, shape (sites,)."""
        return np.array([bool(s is not None and s.label) for s in self.samples], np.bool_)

    def training(self, fold: Fold | None) -> Mask:
        """Tell which sites may be trained on: none that looks into the test block."""
        if fold is None:
            return np.ones(len(self.section), np.bool_)
        looks = fold.tests_at(self.section + _REACH_SECTIONS)
        looks |= fold.tests_at(self.section - _REACH_SECTIONS)
        return fold.trains_at(self.section) & ~looks

    def logits(self, of_rows: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return one logit for each site from those of its rows, shape (sites,)."""
        return site_logits(of_rows, self.site, len(self.samples))

    def columns(self, chosen: str) -> NDArray[np.int64]:
        """Return the columns: ``all``, ``microscopy``, or ``baseline`` for those that see none."""
        blind = np.array([name.startswith(BASELINE_PREFIXES) for name in self.names], np.bool_)
        kept = {"all": blind | ~blind, "baseline": blind, "microscopy": ~blind}[chosen]
        return np.flatnonzero(kept)
