"""What models said of the pairs of a session: the base that is corrected."""

from __future__ import annotations

import re

from app.services.learning.answers import LEARNED_TASK, PairKey
from proofreading.catalogue import Catalogue
from proofreading.catalogue_said import Said

__all__ = ["SaidOfPairs", "adaptive_id", "adaptive_number"]

_ID = re.compile(r"^adaptive-v(\d+)$")


def adaptive_id(number: int) -> str:
    """Return the model id under which a version of the adaptive judge answers."""
    return f"adaptive-v{number}"


def adaptive_number(model_id: str) -> int | None:
    """Return the version of an adaptive judge's id; None for any other model's."""
    match = _ID.match(model_id)
    return int(match[1]) if match else None


class SaidOfPairs:
    """Follows a catalogue: for each pair the newest answer of a model that does not learn."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._number = 0
        self.base: dict[PairKey, Said] = {}

    def follow(self) -> None:
        """Take in what is new."""
        while page := self._catalogue.said_since(self._number, LEARNED_TASK):
            for said in page:
                self._take(said)
            self._number = page[-1].number

    def waiting_for(self, model_id: str) -> list[PairKey]:
        """Return the pairs whose newest answer is not this model's, the most probable first."""
        done = self._catalogue.answered_by(model_id, LEARNED_TASK)
        return sorted(self.base.keys() - done, key=lambda key: -self.base[key].probability)

    def _take(self, said: Said) -> None:
        key = (said.site_id, said.partner_supervoxel)
        known = self.base.get(key)
        newer = known is None or said.made_at >= known.made_at
        if adaptive_number(said.model_id) is None and newer:
            self.base[key] = said
