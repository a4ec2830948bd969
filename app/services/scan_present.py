"""Which roots a datastack has now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectome.datastack import Datastack
from connectome.errors import InputError, ServiceError

__all__ = ["PresentRoots"]


class PresentRoots:
    """Tells whether roots that were seen earlier still exist; asks once for each.

    Where all roots can be listed, the list decides; elsewhere the graph is asked.
    """

    def __init__(self, datastack: Datastack) -> None:
        self._datastack = datastack
        self._latest: dict[int, bool] = {0: True}
        try:
            self._listed: NDArray[np.uint64] | None = np.sort(datastack.segmentation.roots())
        except ServiceError:
            self._listed = None

    def listed(self) -> list[int]:
        """Return every root.

        Raises
        ------
        InputError
            If they cannot be listed.
        """
        if self._listed is None:
            raise InputError(
                f"The roots of {self._datastack.name} cannot be listed.",
                "Give those that matter with --roots FILE.",
            )
        return [int(root) for root in self._listed if root]

    def hold(self, roots: NDArray[Any] | Sequence[int]) -> bool:
        """Tell whether all of these exist now."""
        wanted = np.unique(np.asarray(roots, np.uint64))
        wanted = wanted[wanted != 0]
        if self._listed is not None:
            place = np.searchsorted(self._listed, wanted)
            inside = place < len(self._listed)
            return bool(inside.all() and (self._listed[place] == wanted).all())
        unknown = [int(root) for root in wanted if int(root) not in self._latest]
        if unknown:
            graph = self._datastack.graph
            latest = [True] * len(unknown)
            if graph is not None:
                latest = [bool(each) for each in graph.is_latest(np.array(unknown, np.uint64))]
            self._latest.update(zip(unknown, latest, strict=True))
        return all(self._latest[int(root)] for root in wanted)
