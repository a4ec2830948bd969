"""What is known of a datastack's objects, for the warnings before an edit."""

from __future__ import annotations

from connectome.datastack import Datastack
from connectome.objects import Facts, KnowsObjects

__all__ = ["facts_of"]


def facts_of(datastack: Datastack) -> Facts | None:
    """Return what can be told of a datastack's objects; None where nothing can."""
    return datastack.facts if isinstance(datastack, KnowsObjects) else None
