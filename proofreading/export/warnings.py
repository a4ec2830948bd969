"""What is unusual about a merge, said before it is sent; the person may override it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from proofreading.export.checks import EditWarning

__all__ = ["FACES", "SOMATA", "ObjectFacts", "WarningRules", "merge_warnings"]

SOMATA = "somata"
FACES = "faces"


class ObjectFacts(Protocol):
    """What is known of whole objects. None means that it is not known.

    Raises
    ------
    ServiceError
        From every method, if the facts cannot be asked for now.
    """

    def somata(self, root: int) -> int | None:
        """Return the number of cell bodies in an object."""
        ...

    def faces(self, root: int) -> frozenset[str] | None:
        """Return the faces of the volume that an object touches, such as ``x-`` and ``z+``."""
        ...


@dataclass(frozen=True)
class WarningRules:
    """When to warn.

    Parameters
    ----------
    max_somata : int
        Cell bodies in an object.
    max_faces : int
        Faces of the volume (six at most) that an object touches.
    """

    max_somata: int = 1
    max_faces: int = 4


def merge_warnings(
    facts: ObjectFacts, a: Collection[int], b: Collection[int], rules: WarningRules
) -> tuple[EditWarning, ...]:
    """Return what is unusual about joining two objects.

    Only what the merge itself makes worse counts: an object that was too large before does
    not hold every later merge with it.

    Parameters
    ----------
    a, b : collection of int
        The roots of the one and of the other object; several where earlier edits of the
        same list join them first.
    """
    found = (_somata(facts, a, b, rules), _faces(facts, a, b, rules))
    return tuple(warning for warning in found if warning is not None)


def _somata(
    facts: ObjectFacts, a: Collection[int], b: Collection[int], rules: WarningRules
) -> EditWarning | None:
    one, other = (_total(facts.somata(root) for root in side) for side in (a, b))
    if not one or not other or one + other <= rules.max_somata:
        return None
    return EditWarning(SOMATA, f"The merge joins {one + other} cell bodies.")


def _faces(
    facts: ObjectFacts, a: Collection[int], b: Collection[int], rules: WarningRules
) -> EditWarning | None:
    one, other = (_union(facts.faces(root) for root in side) for side in (a, b))
    together = one | other
    if len(together) <= rules.max_faces or together in (one, other):
        return None
    names = ", ".join(sorted(together))
    text = f"The merged object touches the volume on {len(together)} faces ({names})."
    return EditWarning(FACES, text)


def _total(counts: Iterable[int | None]) -> int:
    return sum(count or 0 for count in counts)


def _union(faces: Iterable[frozenset[str] | None]) -> frozenset[str]:
    return frozenset().union(*(known or frozenset() for known in faces))
