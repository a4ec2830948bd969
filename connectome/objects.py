"""What is known of whole objects: how large, how many cell bodies, which faces they touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from connectome.annotations import Annotations
from connectome.errors import AuthError, DatastackError, NotFoundError, ServiceError
from connectome.graph import SplitRequest

__all__ = ["FACES", "SOMA_RADIUS_NM", "Facts", "KnowsObjects", "MeasuresCuts", "SomaTable"]

FACES = (("x-", "y-", "z-"), ("x+", "y+", "z+"))
"""The lower and the upper faces of a volume, along x, y and z."""

SOMA_RADIUS_NM = 2_500.0
"""What is thicker than this is taken for a cell body; neurites are thinner."""


class Facts(Protocol):
    """What can be told of objects. None means that it is not known.

    Nothing is raised: what is asked for out of caution must never stop what is to be done.
    """

    def voxels(self, root: int) -> int | None:
        """Return the number of voxels of an object."""
        ...

    def somata(self, root: int) -> int | None:
        """Return the number of cell bodies in an object."""
        ...

    def faces(self, root: int) -> frozenset[str] | None:
        """Return the faces of the volume that an object touches, such as ``x-`` and ``z+``."""
        ...


@runtime_checkable
class MeasuresCuts(Protocol):
    """Facts that can tell how large the sides of a cut would be."""

    def cut_voxels(self, request: SplitRequest) -> tuple[int, int] | None:
        """Return the voxels of the whole sides of sources and sinks, None if it is not known.

        Where the object holds together elsewhere, the first is all of it and the second 0.
        """
        ...


@runtime_checkable
class KnowsObjects(Protocol):
    """A datastack that can tell of its objects."""

    @property
    def facts(self) -> Facts:
        """What can be told."""
        ...


class SomaTable:
    """The annotation table of cell bodies that a datastack's record names.

    Roots never change, so an answer is kept for as long as the datastack is open; a cell
    body that is entered meanwhile counts for roots that were not asked for yet.

    Parameters
    ----------
    name : callable
        Returns the name of the table, empty where the record names none.
    annotations : callable
        Returns the tables.
    """

    def __init__(self, name: Callable[[], str], annotations: Callable[[], Annotations]) -> None:
        self._name = name
        self._annotations = annotations
        self._known: dict[int, int] = {}
        self._refused = False

    def count(self, root: int) -> int | None:
        """Return the number of rows whose point lies in an object; None if it is not known."""
        if root not in self._known and not self._refused:
            try:
                self._ask(root)
            except (AuthError, NotFoundError, DatastackError):
                self._refused = True  # asking for other roots would get the same answer
            except ServiceError:
                return None  # may pass: the next export asks again
        return self._known.get(root)

    def _ask(self, root: int) -> None:
        name = self._name()
        if name:
            self._known[root] = len(self._annotations().find(name, "pt_root_id", root))
