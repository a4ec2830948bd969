"""Use-case: how far the current roots of a datastack are from its truth."""

from __future__ import annotations

from pathlib import Path

from connectome.offline.layout import DatastackFolder
from connectome.offline.scoring import Score, score

__all__ = ["score_folder"]


def score_folder(folder: Path, *, ignore: tuple[int, ...] = ()) -> Score:
    """Return the score of an offline datastack's current roots against its truth.

    Raises
    ------
    DatastackError
        If the folder is no complete datastack or was ingested without a truth.
    """
    return score(DatastackFolder.open(folder), ignore=ignore)
